//! The long proofs of several servers on one database, each by a command of its own, on a PostgreSQL server that is installed
//! and started for them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    debian,
    postgres::{self, Postgres},
    steps::{cargo, run},
    tools,
};

/// What `cargo xtask kills --nodes` is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) nodes: u8,
    pub(crate) connections: u16,
    pub(crate) minutes: u16,
    /// Seconds between two runs of a connection.
    pub(crate) interval: u16,
    pub(crate) disturbed: bool,
}

/// Secrets of each connection under load.
const SECRETS: &str = "20";

/// Kills, freezes and cuts off servers that share a PostgreSQL database, restarts the database, and prints what happened.
pub(crate) fn kill_nodes(root: &Path, count: u64, nodes: u8) -> Result<()> {
    ensure!(
        debian::has_wrong_clocks()?,
        "one server has a wrong clock, for which libfaketime is needed: install it (Debian: apt-get install libfaketime)"
    );
    let (count, nodes) = (count.to_string(), nodes.to_string());
    test(root, "nodes::kills::", &[("VAULTTERM_NODE_KILLS", &count), ("VAULTTERM_NODES", &nodes)])
}

/// Lets servers that share a PostgreSQL database carry out the runs of many connections, and prints what that takes.
pub(crate) fn load(root: &Path, load: Load) -> Result<()> {
    let Load { nodes, connections, minutes, interval, disturbed } = load;
    let seconds = (u32::from(minutes) * 60).to_string();
    let (nodes, connections, interval) = (nodes.to_string(), connections.to_string(), interval.to_string());
    let environment = [
        ("VAULTTERM_NODES", nodes.as_str()),
        ("VAULTTERM_MANY_CONNECTIONS", &connections),
        ("VAULTTERM_MANY_SECRETS", SECRETS),
        ("VAULTTERM_MANY_SECONDS", &seconds),
        ("VAULTTERM_MANY_INTERVAL", &interval),
        ("VAULTTERM_MANY_DISTURBED", if disturbed { "1" } else { "0" }),
    ];
    test(root, "nodes::many::", &environment)
}

/// Builds an older revision, and upgrades an installation of it with traffic: on a file, and on a PostgreSQL server.
pub(crate) fn upgrade(root: &Path, from: &str) -> Result<()> {
    let older = older_binary(root, from)?.display().to_string();
    test(root, "upgrade::", &[("VAULTTERM_OLDER", &older)])
}

/// Runs tests of the product from outside that need a PostgreSQL server.
fn test(root: &Path, filter: &str, environment: &[(&str, &str)]) -> Result<()> {
    let bao = tools::OPENBAO.install(root)?.display().to_string();
    let server = Postgres::start()?;
    let arguments = ["test", "--locked", "--package", "vaultterm", "--test", "black_box", "--"];
    let arguments = [&arguments[..], &[filter, "--ignored", "--nocapture", "--test-threads=1"]].concat();
    let common = [("VAULTTERM_BAO", bao.as_str()), (postgres::SERVER, &server.url)];
    cargo(root, &arguments, &[&common, environment].concat())
}

/// Builds the binary of a revision in a worktree that is removed afterwards. The binary stays below `target/older`.
fn older_binary(root: &Path, from: &str) -> Result<PathBuf> {
    let asked = ["rev-parse", "--verify", "--end-of-options", &format!("{from}^{{commit}}")].map(str::to_owned);
    let output = Command::new("git").current_dir(root).args(asked).output().context("cannot start git")?;
    ensure!(output.status.success(), "git knows no commit `{from}`");
    let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let folder = root.join("target/older");
    let binary = folder.join(format!("vaultterm-{commit}"));
    if binary.exists() {
        return Ok(binary);
    }
    let sources = folder.join("sources");
    let (place, target) = (sources.display().to_string(), folder.join("target"));
    let git = Path::new("git");
    fs::create_dir_all(&folder)?;
    if sources.exists() {
        // A build that was killed left it behind.
        run(root, git, &["worktree", "remove", "--force", &place], &[])?;
    }
    run(root, git, &["worktree", "add", "--detach", &place, &commit], &[])?;
    let to = target.display().to_string();
    let built = cargo(&sources, &["build", "--locked", "--package", "vaultterm"], &[("CARGO_TARGET_DIR", &to)]);
    run(root, git, &["worktree", "remove", "--force", &place], &[])?;
    built?;
    fs::rename(target.join("debug/vaultterm"), &binary)?;
    fs::remove_dir_all(&target)?;
    Ok(binary)
}
