//! Builds the test programs of some crates, and runs one of them while the environment names the active fault
//! or mutant.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::tools;

/// A built test program.
pub(crate) struct Program {
    pub(crate) name: String,
    path: PathBuf,
    /// The folder of the crate's sources.
    pub(crate) folder: String,
    /// The OpenBao binary for tests that start one.
    bao: PathBuf,
}

/// Builds the tests of some crates of a copy.
///
/// # Errors
/// Fails with the first message of the compiler if it refuses the sources.
pub(crate) fn build(root: &Path, copy: &Path, crates: &[&str]) -> Result<Vec<Program>> {
    let bao = tools::OPENBAO.install(root)?;
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(copy).args(["test", "--no-run", "--lib", "--tests", "--locked", "--quiet"]);
    command.arg("--message-format=json");
    for name in crates {
        command.args(["--package", &format!("vaultterm-{name}")]);
    }
    // The copy uses the target folder of the workspace, so that the dependencies are not built twice.
    command.arg("--target-dir").arg(root.join("target"));
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    let mut programs = Vec::new();
    let mut refusal = None;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("cargo speaks JSON")?;
        if message["message"]["level"] == "error" && refusal.is_none() {
            refusal = message["message"]["rendered"].as_str().map(str::to_owned);
        }
        if let (Some(path), Some(manifest)) = (message["executable"].as_str(), message["manifest_path"].as_str()) {
            let name = message["target"]["name"].as_str().unwrap_or_default().to_owned();
            let folder = Path::new(manifest).parent().and_then(|folder| folder.strip_prefix(copy).ok());
            let folder = folder.map(|folder| format!("{}/", folder.display())).unwrap_or_default();
            programs.push(Program { name, path: PathBuf::from(path), folder, bao: bao.clone() });
        }
    }
    if output.status.success() && programs.len() > crates.len() {
        return Ok(programs);
    }
    bail!("no tests were built: {}", refusal.as_deref().unwrap_or("the compiler gave no reason"));
}

impl Program {
    /// Runs tests with a variable set in the environment and returns the names of the failed tests. If the
    /// tests do not end in time, it returns one name, that of the first test in `which` or a text for the
    /// whole program, because it does not know which test hangs.
    pub(crate) fn failures(&self, name: &str, value: &str, which: &[&str], patience: Duration) -> Vec<String> {
        let undone = || which.first().map_or_else(|| "(the whole program)".to_owned(), |test| (*test).to_owned());
        let mut command = Command::new(&self.path);
        command.env("VAULTTERM_BAO", &self.bao).env(name, value).env("RUST_BACKTRACE", "0");
        command.args(which).arg("--test-threads=1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { return vec![undone()] };
        // A thread reads the output while the program runs, because a full pipe would stop the program.
        let reading = child.stdout.take().map(|mut stdout| {
            thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stdout.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let began = Instant::now();
        let passed = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if began.elapsed() < patience => thread::sleep(Duration::from_millis(5)),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return vec![undone()];
                }
            }
        };
        let said = reading.and_then(|reading| reading.join().ok()).unwrap_or_default();
        let ran = said.lines().filter_map(|line| line.strip_prefix("test "));
        let failed: Vec<_> = ran.filter_map(|line| line.strip_suffix(" ... FAILED")).map(str::to_owned).collect();
        // A test that does not exist did not pass.
        let nothing_ran = !which.is_empty() && said.contains("running 0 tests");
        if failed.is_empty() && (!passed || nothing_ran) { vec![undone()] } else { failed }
    }
}
