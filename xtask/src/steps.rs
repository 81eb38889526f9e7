//! The steps of `cargo xtask test`, each with a name and a duration.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    browser, debian, deploy,
    planted::Planted,
    postgres::{self, Postgres},
    tidy, tools,
};

/// Runs all checks and stops at the first that fails.
pub(crate) fn test(root: &Path) -> Result<()> {
    let start = Instant::now();
    warn_of_little_room(root);
    step("tidiness", || tidy::check(root))?;
    step("formatting", || cargo(root, &["fmt", "--all", "--check"], &[]))?;
    step("packaging and alerts", || deploy::check(root))?;
    let tools = step("set-up", || Tools::install(root))?;
    step("lints", || {
        cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"], &[])
    })?;
    step("dependencies", || {
        tools.deny(root)?;
        // The tool needs neither the network nor a build, because it compares manifests with the names in the
        // sources.
        run(root, &tools.shear, &["shear"], &[])
    })?;
    let faults = step("building the tests", || {
        tools.nextest(root, &["--workspace", "--no-run"])?;
        Planted::build(root)
    })?;
    let evidence = Instant::now();
    step("evidence: planner, histories, worlds, kills", || {
        tools.nextest(root, &["--workspace", "--no-fail-fast", "-E", EVIDENCE])
    })?;
    step("evidence: planted faults", || faults.check())?;
    judge(evidence.elapsed());
    step("all other tests", || {
        // Nextest does not run documentation tests.
        cargo(root, &["test", "--workspace", "--locked", "--quiet", "--doc"], &tools.env())?;
        tools.nextest(root, &["--workspace", "--no-fail-fast", "-E", &format!("not ({EVIDENCE})")])
    })?;
    step("PostgreSQL", || tools.postgres(root))?;
    step("pages in a browser", || browser::test(root, browser::Product::Built))?;
    step("documentation", || {
        let arguments = ["doc", "--workspace", "--no-deps", "--locked", "--quiet"];
        cargo(root, &arguments, &[("RUSTDOCFLAGS", "-D warnings")])
    })?;
    println!("── all steps ok, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// A nextest filter for the tests that must pass on any server: the facts about Vault that the stand-in
/// imitates, the contract, the client, whole runs, and the black-box tests of the product.
const CONFORMANCE: &str =
    "package(vaultterm-testkit) | package(vaultterm-hcv) & kind(test) | package(vaultterm) & binary(black_box)";

/// Runs the tests that must pass on any server, on the server that the environment names.
pub(crate) fn conform(root: &Path) -> Result<()> {
    let server = env::var("VAULTTERM_VAULT").unwrap_or_default();
    ensure!(
        !server.is_empty(),
        "name a server: VAULTTERM_VAULT=/path/to/vault, or VAULTTERM_VAULT=stand-in for the one that plays it"
    );
    let tools = step("set-up", || Tools::install(root))?;
    if server != "stand-in" {
        let version = Command::new(&server).arg("version").output().with_context(|| format!("cannot run {server}"))?;
        print!("── server: {}", String::from_utf8_lossy(&version.stdout));
    }
    step("conformance", || {
        // Tests that are left out print the reason to stderr.
        let arguments = ["--workspace", "--no-fail-fast", "--success-output", "final", "-E", CONFORMANCE];
        tools.nextest(root, &arguments)
    })
}

/// A nextest filter for the tests that run on PostgreSQL as well: those of the database, whole runs of the engine, the rules of
/// the product and who may do what, and the product from outside. What only a file has is left out, and so are the faults of
/// Vault, which take long, and the upgrade, which needs an older binary.
const POSTGRES: &str = "package(vaultterm-store) - test(/^engine::sqlite/) | package(vaultterm-testkit) & binary(end_to_end) \
     | package(vaultterm-operations) - test(/^(licensing|root_key)::/) | package(vaultterm-server) & test(/^matrix::/) \
     | package(vaultterm) & binary(black_box) - test(/^(kills|faults|upgrade)::/)";

/// Runs the tests that must pass on every database, on PostgreSQL.
pub(crate) fn on_postgres(root: &Path) -> Result<()> {
    let tools = step("set-up", || Tools::install(root))?;
    step("PostgreSQL", || tools.postgres(root))
}

/// The absolute paths of the tools that the tests need.
struct Tools {
    bao: String,
    nextest: PathBuf,
    deny: PathBuf,
    shear: PathBuf,
}

impl Tools {
    fn install(root: &Path) -> Result<Self> {
        tools::set_up(root)?;
        Ok(Self {
            bao: tools::OPENBAO.install(root)?.display().to_string(),
            nextest: tools::NEXTEST.install(root)?,
            deny: tools::DENY.install(root)?,
            shear: tools::SHEAR.install(root)?,
        })
    }

    fn env(&self) -> [(&str, &str); 1] {
        [("VAULTTERM_BAO", &self.bao)]
    }

    fn nextest(&self, root: &Path, arguments: &[&str]) -> Result<()> {
        run(root, &self.nextest, &[&["nextest", "run", "--locked"][..], arguments].concat(), &self.env())
    }

    /// Starts a PostgreSQL server and runs the tests on it, those too that need one.
    fn postgres(&self, root: &Path) -> Result<()> {
        if !debian::has_wrong_clocks()? {
            println!("── left out, because libfaketime is not installed: a server with a wrong clock");
        }
        let server = Postgres::start()?;
        let arguments =
            ["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--run-ignored", "all", "-E", POSTGRES];
        let environment = [self.env()[0], (postgres::SERVER, &server.url)];
        run(root, &self.nextest, &arguments, &environment)
    }

    /// Checks licenses, sources and bans of the dependencies. Advisories are not checked: their database
    /// comes from the network, and a test must not depend on the day.
    fn deny(&self, root: &Path) -> Result<()> {
        run(root, &self.deny, &["--all-features", "--locked", "check", "bans", "licenses", "sources"], &[])
    }
}

/// The disk space that a build from scratch needs below `target`, in GiB, with some room for the tests.
const ROOM_GIB: u64 = 10;

/// Warns of a nearly full disk, because compilers fail on a full disk without saying why. Prints nothing if
/// `df` does not report the free space.
fn warn_of_little_room(root: &Path) {
    let told = Command::new("df").arg("-Pk").arg(root).output().map(|output| output.stdout).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    let free = told.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    let free_gib = free.map_or(ROOM_GIB, |kib| kib >> 20);
    if free_gib < ROOM_GIB {
        println!("── room: {free_gib} GiB are free here, and a build from nothing takes up to {ROOM_GIB}");
    }
}

/// The time in which the evidence must finish on two cores.
const EVIDENCE_WITHIN: Duration = Duration::from_secs(6 * 60);

/// A nextest filter for the tests which show that no value is lost (docs/concepts/trust.md): the planner by
/// enumeration and by random histories, the engine in thousands of worlds, and a server that is killed.
const EVIDENCE: &str = "package(vaultterm-reconcile) | package(vaultterm-sync) | test(/^kills::/)";

/// Prints how long the evidence took. Too long a time is not an error, because the machine may be busy.
fn judge(took: Duration) {
    let (took, within) = (took.as_secs_f64(), EVIDENCE_WITHIN.as_secs());
    println!("── evidence: ok, {took:.0} s of at most {within} on two cores that have nothing else to do");
    if took > EVIDENCE_WITHIN.as_secs_f64() {
        println!("── evidence: too slow. `cargo nextest run -E '{EVIDENCE}'` shows what takes how long");
    }
}

/// Changes each byte of the export of a long audit log, and each byte of a backup. Every change must be
/// noticed.
pub(crate) fn tamper(root: &Path) -> Result<()> {
    let test = ["test", "--profile", "measure", "--locked"];
    let ledger = ["--package", "vaultterm-ledger", "--test", "tamper", "--", "flips::", "--nocapture"];
    cargo(root, &[&test[..], &ledger].concat(), &[("VAULTTERM_TESTS_LONG", "1")])?;
    let store = ["--package", "vaultterm-store", "--lib", "--", "backup::", "--nocapture"];
    cargo(root, &[&test[..], &store].concat(), &[("VAULTTERM_TESTS_LONG", "1")])
}

/// Runs simulated worlds in an optimized build, and prints which events occurred in them.
pub(crate) fn simulate(root: &Path, seeds: u64, from: u64, nodes: u8) -> Result<()> {
    let mut arguments =
        vec!["test", "--profile", "measure", "--locked", "--package", "vaultterm-sync", "--test", "simulation"];
    arguments.extend(["--", "--ignored", "--nocapture"]);
    let (seeds, from, nodes) = (seeds.to_string(), from.to_string(), nodes.to_string());
    cargo(root, &arguments, &[("SIM_SEEDS", &seeds), ("SIM_FROM", &from), ("SIM_NODES", &nodes)])
}

/// Kills a server repeatedly, and prints what the server was doing when it was killed.
pub(crate) fn kill(root: &Path, count: u64, from: u64) -> Result<()> {
    let bao = tools::OPENBAO.install(root)?.display().to_string();
    let arguments =
        ["test", "--locked", "--package", "vaultterm", "--test", "black_box", "--", "kills::", "--nocapture"];
    let (count, from) = (count.to_string(), from.to_string());
    cargo(root, &arguments, &[("VAULTTERM_BAO", &bao), ("VAULTTERM_KILLS", &count), ("VAULTTERM_KILLS_FROM", &from)])
}

fn step<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("── {name}");
    let start = Instant::now();
    let answer = run().with_context(|| format!("{name} failed"))?;
    println!("── {name}: ok, {:.0} s", start.elapsed().as_secs_f64());
    Ok(answer)
}

/// Runs cargo in a folder, with these variables.
pub(crate) fn cargo(root: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Result<()> {
    run(root, Path::new(env!("CARGO")), arguments, env)
}

/// Runs a program in a folder, with these variables.
pub(crate) fn run(root: &Path, program: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(program);
    command.current_dir(root).args(arguments).envs(env.iter().copied());
    let status = command.status().with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        bail!("`{name} {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}
