//! The pages in a real browser: Chromium, driven by playwright-core. Node and both libraries are for tests only.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{debian, tools};

/// Where Chromium is looked for, unless `VAULTTERM_CHROMIUM` names one.
const CHROMIUM: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/chromium-headless-shell"];

/// How large a picture of the documentation may be.
const PICTURE_BYTES_MAX: u64 = 60_000;

/// Whether the binary of the product must be built first. The build of all tests has made one already. Another build would have
/// other features of the libraries, and would compile them all again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    ToBuild,
    Built,
}

/// Runs the tests of the pages on a server of their own.
pub(crate) fn test(root: &Path, product: Product) -> Result<()> {
    let browser = Browser::set_up(root, product)?;
    let tests = ["house", "story", "people", "records", "import", "sync", "connect", "live"]
        .map(|name| format!("tools/browser/{name}.test.mjs"));
    let tests = tests.each_ref().map(String::as_str);
    browser.node(root, &[&["--test", "--test-concurrency=1", "--test-reporter=spec"][..], &tests].concat())
}

/// Writes a picture of every page below `target/screenshots`, to be looked at.
pub(crate) fn screenshots(root: &Path) -> Result<()> {
    let browser = Browser::set_up(root, Product::ToBuild)?;
    let folder = root.join("target/screenshots");
    fs::create_dir_all(&folder)?;
    browser.node(root, &["tools/browser/screenshots.mjs", &folder.display().to_string()])?;
    println!("── pictures in {}", folder.display());
    Ok(())
}

/// Makes the pictures of the documentation again, below `docs/pictures`. They have few colours, so that they stay small.
pub(crate) fn pictures(root: &Path) -> Result<()> {
    let browser = Browser::set_up(root, Product::ToBuild)?;
    let folder = root.join("docs/pictures");
    fs::create_dir_all(&folder)?;
    browser.node(root, &["tools/browser/pictures.mjs", &folder.display().to_string()])?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let mut command = Command::new("pngquant");
        command.args(["--force", "--strip", "--speed=1", "--output"]).arg(&path).args(["64", "--"]).arg(&path);
        let status =
            command.status().context("pngquant is needed for the pictures (Debian: apt-get install pngquant)")?;
        ensure!(status.success(), "pngquant ended with {status} for {}", path.display());
        let bytes = fs::metadata(&path)?.len();
        ensure!(bytes <= PICTURE_BYTES_MAX, "{} has {bytes} bytes", path.display());
    }
    println!("── pictures in {}: look at each before you commit it", folder.display());
    Ok(())
}

struct Browser {
    chromium: PathBuf,
    vaultterm: PathBuf,
    bao: PathBuf,
}

impl Browser {
    /// Finds Chromium and Node, installs the libraries by their lock file, and builds the product.
    fn set_up(root: &Path, product: Product) -> Result<Self> {
        // Each by itself and only where it is missing: a Node that does not come from the system may refuse the system's npm.
        for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
            if Command::new(program).arg("--version").output().is_err() {
                debian::install(package)?;
            }
        }
        let chromium = chromium()?;
        let folder = root.join("tools/browser");
        let installed = folder.join("node_modules/.package-lock.json");
        let is_older = |one: &Path, other: &Path| -> Result<bool> {
            Ok(fs::metadata(one)?.modified()? < fs::metadata(other)?.modified()?)
        };
        if !installed.exists() || is_older(&installed, &folder.join("package-lock.json"))? {
            let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
            let status = Command::new("npm").current_dir(&folder).args(arguments).status();
            let status = status.context("npm is needed for the tests of the pages (Debian: apt-get install npm)")?;
            ensure!(status.success(), "`npm ci` in tools/browser ended with {status}");
        }
        if product == Product::ToBuild {
            let cargo = Command::new(env!("CARGO"))
                .current_dir(root)
                .args(["build", "--locked", "--quiet", "--workspace", "--bin", "vaultterm"])
                .status()?;
            ensure!(cargo.success(), "the build of vaultterm ended with {cargo}");
        }
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { chromium, vaultterm: target.join("debug/vaultterm"), bao: tools::OPENBAO.install(root)? })
    }

    fn node(&self, root: &Path, arguments: &[&str]) -> Result<()> {
        let status = Command::new("node")
            .current_dir(root)
            .args(arguments)
            .env("VAULTTERM_CHROMIUM", &self.chromium)
            .env("VAULTTERM_BINARY", &self.vaultterm)
            .env("VAULTTERM_BAO", &self.bao)
            .status()
            .context("node is needed for the tests of the pages (Debian: apt-get install nodejs)")?;
        ensure!(status.success(), "`node {}` ended with {status}", arguments.join(" "));
        Ok(())
    }
}

/// Finds Chromium; installs it where that needs no question: as root on a system with apt.
fn chromium() -> Result<PathBuf> {
    if let Some(own) = env::var_os("VAULTTERM_CHROMIUM").filter(|own| !own.is_empty()) {
        return Ok(own.into());
    }
    let find = || CHROMIUM.iter().map(PathBuf::from).find(|path| path.exists());
    if let Some(found) = find() {
        return Ok(found);
    }
    debian::install("chromium")?;
    match find() {
        Some(found) => Ok(found),
        None => bail!(
            "the tests of the pages need Chromium: install it (Debian: apt-get install chromium nodejs npm), \
             or name one in VAULTTERM_CHROMIUM"
        ),
    }
}
