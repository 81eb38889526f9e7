//! `cargo xtask bench`: builds the benchmark, `vaultterm` and, if asked, installs other programs, and measures.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    demo::servers,
    peers,
    postgres::{self, Postgres},
    steps::{self, cargo},
    tools,
};

/// The optimized profile, which is built faster than a release.
const PROFILE: &str = "measure";

/// What `cargo xtask bench` is asked for. The benchmark itself knows the parts and the limits.
#[derive(Args, Clone, Debug)]
pub(crate) struct Wanted {
    /// Secrets in each scope; several numbers, with commas between them, are measured one after another
    #[arg(long, default_value = "10000")]
    secrets: String,
    /// Rounds; the medians count
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these parts, with commas between them: `initial_push`, `served` … (docs/reference/benchmarks.md)
    #[arg(long, value_name = "PARTS")]
    only: Option<String>,
    /// Also measure other programs, which are installed below target/tools
    #[arg(long)]
    peers: bool,
    /// Write a JSON line for each figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Compares PostgreSQL with SQLite instead
    #[arg(long, conflicts_with_all = ["only", "peers", "json"])]
    postgres: bool,
}

/// Runs the benchmark on a real server: OpenBao, or the server that `VAULTTERM_VAULT` names.
pub(crate) fn run(root: &Path, wanted: &Wanted) -> Result<()> {
    let bao = tools::OPENBAO.install(root)?.display().to_string();
    // The databases of both sides lie on the disk. The folder for temporary files may be in memory.
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = folder.display().to_string();
    let mut environment = vec![("VAULTTERM_BAO", bao), ("TMPDIR", folder)];
    let mut arguments = vec!["--secrets".to_owned(), wanted.secrets.clone()];
    arguments.extend(["--rounds".to_owned(), wanted.rounds.to_string()]);
    if wanted.postgres {
        let server = Postgres::start_durable()?;
        arguments.push("--postgres".to_owned());
        environment.push((postgres::SERVER, server.url.clone()));
        return measure(root, &arguments, &environment);
    }
    if let Some(parts) = &wanted.only {
        arguments.extend(["--only".to_owned(), parts.clone()]);
    }
    if wanted.peers {
        arguments.push("--peers".to_owned());
        environment.push(("VAULTTERM_BENCH_PEERS", peers::install(root)?.display().to_string()));
    }
    if let Some(file) = &wanted.json {
        // Cargo runs the benchmark in the checkout, and the caller may be anywhere.
        let file = std::path::absolute(file).context("there is no current folder")?;
        arguments.extend(["--json".to_owned(), file.display().to_string()]);
    }
    measure(root, &arguments, &environment)?;
    if wanted.only.is_some() {
        return Ok(());
    }
    let speed = ["run", "--profile", PROFILE, "--locked", "--package", "vaultterm-ledger", "--example", "verify_speed"];
    cargo(root, &speed, &[])
}

/// Builds the benchmark and `vaultterm`, and measures. One command builds both, because two would build most dependencies twice,
/// with the features of either.
fn measure(root: &Path, arguments: &[String], environment: &[(&str, String)]) -> Result<()> {
    let programs = [("vaultterm-bench", "vaultterm-bench"), ("vaultterm", "vaultterm")];
    let [benchmark, vaultterm] = servers::build(root, programs, PROFILE)?;
    let vaultterm = vaultterm.display().to_string();
    let mut environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("VAULTTERM_BENCH_BINARY", &vaultterm));
    steps::run(root, &benchmark, &Vec::from_iter(arguments.iter().map(String::as_str)), &environment)
}
