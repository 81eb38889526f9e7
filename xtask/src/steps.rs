//! The steps of `cargo xtask test`, each named and timed.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{openbao, planted::Planted, tidy};

/// Runs everything that must hold, and stops at the first thing that does not.
pub(crate) fn test(root: &Path) -> Result<()> {
    let start = Instant::now();
    warn_of_little_room(root);
    step("tidiness", || tidy::check(root))?;
    step("formatting", || cargo(root, &["fmt", "--all", "--check"], &[]))?;
    step("lints", || {
        cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"], &[])
    })?;
    let mut bao = String::new();
    step("set-up", || {
        bao = openbao::install(root)?.display().to_string();
        println!("OpenBao: {bao}");
        Ok(())
    })?;
    let env = [("VAULTTERM_BAO", bao.as_str())];
    let faults = step("building the tests", || {
        build_tests(root, &env)?;
        Planted::build(root)
    })?;
    let evidence = Instant::now();
    step("evidence: planner, histories, worlds, kills", || evidence_tests(root, &env))?;
    step("evidence: planted faults", || faults.check())?;
    judge(evidence.elapsed());
    step("all other tests", || other_tests(root, &env))?;
    step("documentation", || {
        let arguments = ["doc", "--workspace", "--no-deps", "--locked", "--quiet"];
        cargo(root, &arguments, &[("RUSTDOCFLAGS", "-D warnings")])
    })?;
    let denied = dependencies(root)?;
    println!("── all steps ok, {:.0} s", start.elapsed().as_secs_f64());
    if !denied {
        println!("── not checked: licenses and sources of the dependencies (needs `cargo deny`)");
    }
    Ok(())
}

/// What a build from nothing writes below `target`, in GiB, and some room for the tests.
const ROOM_GIB: u64 = 10;

/// A full disk makes compilers fail without a word of why: said here, where it is known. Nothing is said where `df`
/// does not tell.
fn warn_of_little_room(root: &Path) {
    let told = Command::new("df").arg("-Pk").arg(root).output().map(|output| output.stdout).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    let free = told.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    let free_gib = free.map_or(ROOM_GIB, |kib| kib >> 20);
    if free_gib < ROOM_GIB {
        println!("── room: {free_gib} GiB are free here, and a build from nothing takes up to {ROOM_GIB}");
    }
}

fn build_tests(root: &Path, env: &[(&str, &str)]) -> Result<()> {
    let how = if there_is("nextest") { ["nextest", "run"] } else { ["test", "--quiet"] };
    cargo(root, &[&how[..], &["--workspace", "--locked", "--no-run"]].concat(), env)
}

/// How long the evidence may take on two cores.
const EVIDENCE_WITHIN: Duration = Duration::from_secs(6 * 60);

/// What shows that nothing is lost (docs/concepts/trust.md), as nextest names it: the planner by
/// enumeration and by random histories, the engine in thousands of worlds, and a server that is killed.
const EVIDENCE: &str = "package(vaultterm-reconcile) | package(vaultterm-sync) | test(/^kills::/)";

/// Runs the tests that are the evidence: with nextest where it is installed, which runs them side by
/// side, else with Cargo's own runner.
fn evidence_tests(root: &Path, env: &[(&str, &str)]) -> Result<()> {
    if there_is("nextest") {
        let arguments = ["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "-E", EVIDENCE];
        return cargo(root, &arguments, env);
    }
    let packages = ["--package", "vaultterm-reconcile", "--package", "vaultterm-sync"];
    cargo(root, &[&["test", "--locked", "--no-fail-fast"][..], &packages].concat(), env)?;
    cargo(root, &["test", "--locked", "--package", "vaultterm", "--test", "black_box", "--", "kills::"], env)
}

/// Runs all tests that are not among the evidence.
fn other_tests(root: &Path, env: &[(&str, &str)]) -> Result<()> {
    if there_is("nextest") {
        // Nextest runs no documentation tests.
        cargo(root, &["test", "--workspace", "--locked", "--quiet", "--doc"], env)?;
        let others = format!("not ({EVIDENCE})");
        return cargo(root, &["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "-E", &others], env);
    }
    let but = ["--exclude", "vaultterm-reconcile", "--exclude", "vaultterm-sync", "--", "--skip", "kills::"];
    cargo(root, &[&["test", "--workspace", "--locked", "--no-fail-fast"][..], &but].concat(), env)
}

/// Says how long the evidence took. That it took too long fails nothing: a busy machine is no fault.
fn judge(took: Duration) {
    let (took, within) = (took.as_secs_f64(), EVIDENCE_WITHIN.as_secs());
    println!("── evidence: ok, {took:.0} s of at most {within} on two cores that have nothing else to do");
    if took > EVIDENCE_WITHIN.as_secs_f64() {
        println!("── evidence: too slow. `cargo nextest run -E '{EVIDENCE}'` shows what takes how long");
    }
}

/// Measures on a real OpenBao.
pub(crate) fn bench(root: &Path, secrets: usize) -> Result<()> {
    let bao = openbao::install(root)?.display().to_string();
    let secrets = secrets.to_string();
    let arguments =
        ["run", "--profile", "measure", "--locked", "--package", "vaultterm-bench", "--", "--secrets", &secrets];
    cargo(root, &arguments, &[("VAULTTERM_BAO", &bao)])?;
    let arguments =
        ["run", "--profile", "measure", "--locked", "--package", "vaultterm-ledger", "--example", "verify_speed"];
    cargo(root, &arguments, &[])
}

/// Changes every byte of a long audit log's export, and of a backup: every change must be noticed.
pub(crate) fn tamper(root: &Path) -> Result<()> {
    let test = ["test", "--profile", "measure", "--locked"];
    let ledger = ["--package", "vaultterm-ledger", "--test", "tamper", "--", "flips::", "--nocapture"];
    cargo(root, &[&test[..], &ledger].concat(), &[("VAULTTERM_TESTS_LONG", "1")])?;
    let store = ["--package", "vaultterm-store", "--lib", "--", "backup::", "--nocapture"];
    cargo(root, &[&test[..], &store].concat(), &[("VAULTTERM_TESTS_LONG", "1")])
}

/// Runs simulated worlds with optimization, and says what they came across.
pub(crate) fn simulate(root: &Path, seeds: u64, from: u64) -> Result<()> {
    let mut arguments =
        vec!["test", "--profile", "measure", "--locked", "--package", "vaultterm-sync", "--test", "simulation"];
    arguments.extend(["--", "--ignored", "--nocapture"]);
    cargo(root, &arguments, &[("SIM_SEEDS", &seeds.to_string()), ("SIM_FROM", &from.to_string())])
}

/// Kills a server again and again, and says what the kills hit.
pub(crate) fn kill(root: &Path, count: u64, from: u64) -> Result<()> {
    let bao = openbao::install(root)?.display().to_string();
    let arguments =
        ["test", "--locked", "--package", "vaultterm", "--test", "black_box", "--", "kills::", "--nocapture"];
    let (count, from) = (count.to_string(), from.to_string());
    cargo(root, &arguments, &[("VAULTTERM_BAO", &bao), ("VAULTTERM_KILLS", &count), ("VAULTTERM_KILLS_FROM", &from)])
}

/// Checks what the dependencies may be, where `cargo deny` is installed. Its database of
/// advisories is left out: it is fetched from elsewhere, and a test must not depend on the day.
fn dependencies(root: &Path) -> Result<bool> {
    let there = there_is("deny");
    if there {
        let arguments = ["deny", "--all-features", "--locked", "check", "bans", "licenses", "sources"];
        step("dependencies", || cargo(root, &arguments, &[]))?;
    }
    Ok(there)
}

/// Says whether Cargo has a subcommand.
fn there_is(subcommand: &str) -> bool {
    let run = Command::new(env!("CARGO")).args([subcommand, "--version"]).output();
    run.is_ok_and(|output| output.status.success())
}

fn step<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("── {name}");
    let start = Instant::now();
    let answer = run().with_context(|| format!("{name} failed"))?;
    println!("── {name}: ok, {:.0} s", start.elapsed().as_secs_f64());
    Ok(answer)
}

fn cargo(root: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(arguments).envs(env.iter().copied());
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("`cargo {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}
