//! Deliberate faults, each planted in a copy of the sources: the fast tests must catch every one.
//!
//! All faults are compiled in at once, each behind a question that the environment answers, so
//! that the copy is built once. The sources themselves stay clean: `planted.toml` says what is
//! replaced by what, and a text that is not found any more, or found twice, is an error.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The crates whose tests run, and in which faults are planted.
const CRATES: [&str; 3] = ["reconcile", "store", "sync"];
/// A fault may make a test wait for ever: then it is caught as well.
const PATIENCE: Duration = Duration::from_secs(180);
/// What every planted crate is given.
const QUESTION: &str = "
pub(crate) fn planted(name: &str) -> bool {
    static PLANTED: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var(\"PLANTED\").ok());
    PLANTED.as_deref() == Some(name)
}
";

#[derive(Deserialize)]
struct Faults {
    fault: Vec<Fault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    name: String,
    file: String,
    find: String,
    plant: String,
}

/// Plants every fault and says which test caught it.
pub(crate) fn check(root: &Path) -> Result<()> {
    let text = fs::read_to_string(root.join("xtask/planted.toml")).context("cannot read xtask/planted.toml")?;
    let faults: Faults = toml::from_str(&text).context("xtask/planted.toml")?;
    let copy = root.join("target/planted");
    lay_out(root, &copy, &faults.fault)?;
    let tests = build(root, &copy)?;
    let tests = fastest_first(tests)?;
    let open = Mutex::new(faults.fault.iter());
    let caught = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(fault) = open.lock().unwrap_or_else(PoisonError::into_inner).next() {
                    let by = first_failure(&tests, &fault.name).map(|test| name(test));
                    println!("{:<60} {}", fault.name, by.as_deref().unwrap_or("NOT CAUGHT"));
                    caught.lock().unwrap_or_else(PoisonError::into_inner).insert(fault.name.clone(), by);
                }
            });
        }
    });
    let caught = caught.into_inner().unwrap_or_else(PoisonError::into_inner);
    let survivors: Vec<_> = caught.iter().filter(|(_, by)| by.is_none()).map(|(name, _)| name.as_str()).collect();
    ensure!(survivors.is_empty(), "not caught: {}", survivors.join(", "));
    println!("all {} planted faults were caught", caught.len());
    Ok(())
}

/// Copies the workspace and plants the faults in it. What is as it was keeps its time, so that it
/// is not built again.
fn lay_out(root: &Path, copy: &Path, faults: &[Fault]) -> Result<()> {
    let mut wanted = BTreeMap::new();
    for file in ["Cargo.toml", "Cargo.lock"] {
        wanted.insert(PathBuf::from(file), fs::read(root.join(file))?);
    }
    for folder in ["crates", "docs", "xtask", ".cargo"] {
        gather(root, &root.join(folder), &mut wanted)?;
    }
    for fault in faults {
        let bytes = wanted.get_mut(Path::new(&fault.file)).with_context(|| format!("no file {}", fault.file))?;
        let text = String::from_utf8(bytes.clone()).context("a source is UTF-8")?;
        let found = text.matches(&fault.find).count();
        ensure!(found == 1, "{}: its text stands {found} times in {}", fault.name, fault.file);
        let question = format!("crate::planted(\"{}\")", fault.name);
        let plant = fault.plant.replace("PLANTED", &question).replace("FIND", &fault.find);
        *bytes = text.replace(&fault.find, &plant).into_bytes();
    }
    for name in CRATES {
        let file = PathBuf::from(format!("crates/{name}/src/lib.rs"));
        let bytes = wanted.get_mut(&file).with_context(|| format!("no file {}", file.display()))?;
        bytes.extend_from_slice(QUESTION.as_bytes());
    }
    for (path, bytes) in wanted {
        let path = copy.join(path);
        if fs::read(&path).is_ok_and(|held| held == bytes) {
            continue;
        }
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn gather(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            gather(root, &path, found)?;
        } else {
            found.insert(path.strip_prefix(root)?.to_owned(), fs::read(&path)?);
        }
    }
    Ok(())
}

/// Builds the tests of the copy.
fn build(root: &Path, copy: &Path) -> Result<Vec<PathBuf>> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(copy).args([
        "test",
        "--no-run",
        "--lib",
        "--tests",
        "--locked",
        "--quiet",
        "--message-format=json",
    ]);
    for name in CRATES {
        command.args(["--package", &format!("vaultterm-{name}")]);
    }
    // The dependencies are the same: they are built once.
    command.arg("--target-dir").arg(root.join("target"));
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the planted sources do not build");
    let mut tests = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line).context("cargo speaks JSON")?;
        if let Some(executable) = message["executable"].as_str() {
            tests.push(PathBuf::from(executable));
        }
    }
    ensure!(tests.len() > CRATES.len(), "no tests were built");
    Ok(tests)
}

/// Runs every test without a fault: each must pass, and the fastest will come first.
fn fastest_first(tests: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut timed = Vec::new();
    for test in tests {
        let began = Instant::now();
        ensure!(passes(&test, ""), "without any fault `{}` fails: see `cargo xtask test`", name(&test));
        timed.push((began.elapsed(), test));
    }
    timed.sort();
    Ok(timed.into_iter().map(|(_, test)| test).collect())
}

/// Runs tests until one fails, with a fault planted.
fn first_failure<'a>(tests: &'a [PathBuf], fault: &str) -> Option<&'a PathBuf> {
    tests.iter().find(|test| !passes(test, fault))
}

fn passes(test: &Path, fault: &str) -> bool {
    let mut command = Command::new(test);
    command.env("PLANTED", fault).env("RUST_BACKTRACE", "0").args(["--quiet", "--test-threads=1"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// The name of a test program, without its hash.
fn name(test: &Path) -> String {
    let stem = test.file_stem().unwrap_or_default().to_string_lossy();
    stem.rsplit_once('-').map_or(stem.as_ref(), |(name, _)| name).to_owned()
}
