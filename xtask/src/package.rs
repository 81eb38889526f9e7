//! Builds the Debian package of the server from `deploy/debian`, with `dpkg-deb`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// The version of the C library that a program needs, if it names none.
const GLIBC_AT_LEAST: (u32, u32) = (2, 28);

/// Builds the package of a binary, or of a release build that it makes, and prints the path of the package.
pub(crate) fn deb(root: &Path, binary: Option<PathBuf>) -> Result<()> {
    let binary = match binary {
        Some(binary) => binary,
        None => release(root)?,
    };
    let version = said(Command::new(&binary).arg("version"))?;
    let version = version.trim().strip_prefix("vaultterm ").context("the binary does not say its version")?.to_owned();
    let architecture = said(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let folder = root.join("target/package");
    let stage = folder.join("deb");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    let tree = Tree(&stage);
    let bytes = fs::read(&binary).with_context(|| format!("cannot read {}", binary.display()))?;
    tree.put("usr/bin/vaultterm", &bytes, 0o755)?;
    fill(root, &tree, &binary)?;
    let (major, minor) = glibc(&bytes);
    let control = fs::read_to_string(root.join("deploy/debian/control"))?
        .replace("@VERSION@", &version)
        .replace("@ARCHITECTURE@", &architecture)
        .replace("@GLIBC@", &format!("{major}.{minor}"))
        .replace("@INSTALLED_SIZE@", &tree.kib()?.to_string());
    tree.put("DEBIAN/control", control.as_bytes(), 0o644)?;
    let package = folder.join(format!("vaultterm_{version}_{architecture}.deb"));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(&stage).arg(&package);
    // Two builds of one commit give the same package.
    if let Ok(time) = said(Command::new("git").current_dir(root).args(["log", "-1", "--format=%ct"])) {
        build.env("SOURCE_DATE_EPOCH", time.trim());
    }
    said(&mut build)?;
    println!("{}", package.display());
    Ok(())
}

fn release(root: &Path) -> Result<PathBuf> {
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root).args(["build", "--release", "--locked", "--package", "vaultterm"]);
    ensure!(build.status().context("cannot start cargo")?.success(), "the release build failed");
    Ok(root.join("target/release/vaultterm"))
}

/// Adds everything but the binary and the control file.
fn fill(root: &Path, tree: &Tree<'_>, binary: &Path) -> Result<()> {
    let deploy = root.join("deploy");
    for (from, to, mode) in [
        (deploy.join("systemd/vaultterm.service"), "usr/lib/systemd/system/vaultterm.service", 0o644),
        (deploy.join("systemd/vaultterm-feed.service"), "usr/lib/systemd/system/vaultterm-feed.service", 0o644),
        (deploy.join("debian/vaultterm.toml"), "etc/vaultterm/vaultterm.toml", 0o644),
        (deploy.join("debian/vaultterm.default"), "etc/default/vaultterm", 0o644),
        (root.join("LICENSE"), "usr/share/doc/vaultterm/copyright", 0o644),
        (root.join("docs/operations/install.md"), "usr/share/doc/vaultterm/install.md", 0o644),
        (root.join("docs/reference/server-configuration.md"), "usr/share/doc/vaultterm/server-configuration.md", 0o644),
        (deploy.join("debian/conffiles"), "DEBIAN/conffiles", 0o644),
        (deploy.join("debian/templates"), "DEBIAN/templates", 0o644),
        (deploy.join("debian/postinst"), "DEBIAN/postinst", 0o755),
        (deploy.join("debian/prerm"), "DEBIAN/prerm", 0o755),
        (deploy.join("debian/postrm"), "DEBIAN/postrm", 0o755),
    ] {
        let bytes = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        tree.put(to, &bytes, mode)?;
    }
    for (shell, to) in [
        ("bash", "usr/share/bash-completion/completions/vaultterm"),
        ("zsh", "usr/share/zsh/vendor-completions/_vaultterm"),
        ("fish", "usr/share/fish/vendor_completions.d/vaultterm.fish"),
    ] {
        tree.put(to, said(Command::new(binary).args(["completions", shell]))?.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// The files of the package. Their modes do not depend on the settings of the person who builds it.
struct Tree<'a>(&'a Path);

impl Tree<'_> {
    fn put(&self, to: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let path = self.0.join(to);
        let folder = path.parent().context("a file is in a folder")?;
        fs::create_dir_all(folder)?;
        for above in folder.ancestors().take_while(|above| above.starts_with(self.0)) {
            fs::set_permissions(above, fs::Permissions::from_mode(0o755))?;
        }
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    /// Returns the size of all files in KiB.
    fn kib(&self) -> Result<u64> {
        fn bytes(folder: &Path) -> Result<u64> {
            let mut sum = 0;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                sum += if entry.file_type()?.is_dir() { bytes(&entry.path())? } else { entry.metadata()?.len() };
            }
            Ok(sum)
        }
        Ok(bytes(self.0)?.div_ceil(1_024))
    }
}

/// Returns the newest version of the C library of which a program names a symbol (`GLIBC_2.34`).
fn glibc(program: &[u8]) -> (u32, u32) {
    const MARK: &[u8] = b"GLIBC_";
    let places = program.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let versions = places.filter_map(|(at, _)| {
        let text = &program[at + MARK.len()..];
        let length = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(text.len());
        let mut parts = std::str::from_utf8(&text[..length]).ok()?.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    versions.max().unwrap_or(GLIBC_AT_LEAST).max(GLIBC_AT_LEAST)
}

/// Runs a command and returns its output.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, told.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_needs_the_newest_library_of_which_the_program_names_a_symbol() {
        assert_eq!(glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.4\0GLIBC_PRIVATE\0"), (2, 34));
        assert_eq!(glibc(b"no names"), GLIBC_AT_LEAST);
    }
}
