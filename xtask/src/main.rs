//! What a person runs: `cargo xtask setup | demo | test | bench | sim | kills | planted | mutants | tamper | tidy`.
//!
//! Needs Rust and Python 3. Everything else it brings itself, into `target/tools`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person who runs it")]

mod demo;
mod mutants;
mod openbao;
mod planted;
mod programs;
mod steps;
mod tidy;
mod twin;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Set-up, tests and tidiness of VaultTerm")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Clone, Subcommand)]
enum Task {
    /// Installs what the tests need into target/tools: a real OpenBao, by pinned hash
    Setup,
    /// Starts a real OpenBao and VaultTerm, and shows credentials travelling, checked at every step
    Demo {
        /// Leave both servers up afterwards, until Ctrl-C
        #[arg(long)]
        keep: bool,
    },
    /// Runs everything that must hold: formatting, lints, all tests, docs, tidiness
    Test,
    /// Measures a sync on a real OpenBao, beside a bare client that makes the same requests
    Bench {
        /// Secrets in each scope
        #[arg(long, default_value_t = 10_000)]
        secrets: usize,
    },
    /// Runs simulated worlds, as many as are asked for
    Sim {
        /// How many
        #[arg(long, default_value_t = 20_000)]
        seeds: u64,
        /// The first one
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Kills a server in the middle of runs, as often as is asked for, and accounts for every value
    Kills {
        /// How often
        #[arg(long, default_value_t = 1_000)]
        count: u64,
        /// The first chapter of fifty kills
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Changes every byte of a log of 10,000 entries and of a backup: each change must be noticed
    Tamper,
    /// Plants deliberate faults in a copy of the sources: the fast tests must catch every one
    Planted,
    /// Tries every small change that cargo-mutants knows to a crate: its tests must notice each
    Mutants {
        /// The crate: reconcile or sync
        #[arg(default_value = "reconcile")]
        name: String,
    },
    /// Checks the rules that no compiler checks
    Tidy,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    let done = root().and_then(|root| match task {
        Task::Setup => openbao::install(&root).map(|path| println!("{}", path.display())),
        Task::Demo { keep } => demo::run(&root, keep),
        Task::Test => steps::test(&root),
        Task::Bench { secrets } => steps::bench(&root, secrets),
        Task::Sim { seeds, from } => steps::simulate(&root, seeds, from),
        Task::Kills { count, from } => steps::kill(&root, count, from),
        Task::Tamper => steps::tamper(&root),
        Task::Planted => planted::check(&root),
        Task::Mutants { name } => mutants::check(&root, &name),
        Task::Tidy => tidy::check(&root),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Finds the checkout that cargo was called in. The path that this binary was compiled with would
/// be another one's where two checkouts share a target folder.
fn root() -> Result<PathBuf> {
    let here = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    Ok(Path::new(&here).parent().context("xtask lies in the workspace")?.to_owned())
}
