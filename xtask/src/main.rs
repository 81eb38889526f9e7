//! The commands for people who work on VaultTerm: `cargo xtask setup | demo | test | screenshots | bench | sim | kills |
//! upgrade | planted | mutants | tamper | tidy | package | sbom`.
//!
//! They need Rust and Python 3. They install all other tools themselves, into `target/tools`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person who runs it")]

mod bench;
mod browser;
mod debian;
mod demo;
mod deploy;
mod mutants;
mod package;
mod peers;
mod planted;
mod postgres;
mod programs;
mod sbom;
mod several;
mod steps;
mod tidy;
mod tools;
mod twin;
mod wheel;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};

use self::{mutants::Wanted, several::Load};

#[derive(Parser)]
#[command(about = "Set-up, tests and tidiness of VaultTerm")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Clone, Subcommand)]
enum Task {
    /// Installs what the tests need into target/tools, by pinned hash: OpenBao, cargo-nextest, cargo-deny
    Setup,
    /// Starts a real server and VaultTerm, and shows credentials travelling, checked at every step.
    /// The server is OpenBao, or the HashiCorp Vault that `VAULTTERM_VAULT` names
    Demo {
        /// Leave both servers up afterwards, until Ctrl-C
        #[arg(long)]
        keep: bool,
    },
    /// Runs everything that must hold: formatting, lints, all tests, docs, tidiness
    Test {
        /// Only a part of it
        part: Option<Part>,
    },
    /// Writes a picture of every page below target/screenshots, to be looked at
    Screenshots {
        /// Make the pictures of the documentation again, in docs/pictures. Needs pngquant
        #[arg(long)]
        docs: bool,
    },
    /// Measures a sync on a real server, beside a bare client that does the same work.
    /// The server is OpenBao, or the HashiCorp Vault that `VAULTTERM_VAULT` names
    Bench(bench::Wanted),
    /// Runs simulated worlds and checks them
    Sim {
        /// The number of worlds
        #[arg(long, default_value_t = 20_000)]
        seeds: u64,
        /// The seed of the first world
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Worlds of two nodes that share a database
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
        nodes: u8,
    },
    /// Kills a server in the middle of runs, and accounts for every value
    Kills {
        /// The number of kills
        #[arg(long, default_value_t = 1_000)]
        count: u64,
        /// The number of the first chapter of fifty kills
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Kill, freeze and cut off so many servers on one PostgreSQL database instead, and restart the database
        #[arg(long, value_name = "SERVERS", value_parser = clap::value_parser!(u8).range(2..=5), conflicts_with = "from")]
        nodes: Option<u8>,
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Upgrades an installation of an older version while people and runs work with it: in a file, and on PostgreSQL
    Upgrade {
        /// The revision of the older version, from before servers could share a database; it is built, which takes minutes
        #[arg(long, value_name = "REVISION")]
        from: String,
    },
    /// Changes every byte of a log of 10,000 entries and of a backup: each change must be noticed
    Tamper,
    /// Plants deliberate faults in a copy of the sources: the fast tests must catch every one
    Planted,
    /// Tries small changes to the sources with cargo-mutants: the tests must notice each
    Mutants {
        /// Try the changes in the lines that differ from this revision
        #[arg(long, default_value = "main", conflicts_with = "all")]
        since: String,
        /// Try all changes to this crate, reconcile for example; this takes hours
        #[arg(long, value_name = "CRATE")]
        all: Option<String>,
    },
    /// Checks the rules that no compiler checks
    Tidy,
    /// Builds a package below target/package
    Package {
        /// Which
        format: Format,
        /// The binary to package, instead of a release build
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
    },
    /// Writes what the server is built from (CycloneDX) to target/sbom
    Sbom,
}

/// The load under which several servers are watched instead of being killed at random.
#[derive(Args, Clone, Copy, Debug)]
struct LoadArgs {
    /// Watch the runs of so many connections with 20 secrets each
    #[arg(long, requires = "nodes", conflicts_with = "count", value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// For so many minutes
    #[arg(long, default_value_t = 5, requires = "connections", value_parser = clap::value_parser!(u16).range(1..))]
    minutes: u16,
    /// Seconds between two runs of a connection
    #[arg(long, default_value_t = 60, requires = "connections", value_parser = clap::value_parser!(u16).range(1..))]
    interval: u16,
    /// Kill, freeze or cut off a server, or restart the database, every 20 seconds meanwhile
    #[arg(long, requires = "connections")]
    disturbed: bool,
}

/// A form of package.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For Debian and its relatives. Needs dpkg-deb
    Deb,
}

/// A part of the tests.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// The tests that must pass on any server, on the one that `VAULTTERM_VAULT` names: the path of a `vault`
    /// binary, or `stand-in`
    Conformance,
    /// The tests of the database and of the product on a PostgreSQL server, which is installed and started for them
    Postgres,
    /// The unit of systemd, the alerts and the Helm chart, with the tools that are installed
    Deploy,
    /// The pages in a real browser. Chromium is the system's, or the one that `VAULTTERM_CHROMIUM` names
    Browser,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    let done = root().and_then(|root| match task {
        Task::Setup => tools::set_up(&root),
        Task::Demo { keep } => demo::run(&root, keep),
        Task::Test { part: None } => steps::test(&root),
        Task::Test { part: Some(Part::Conformance) } => steps::conform(&root),
        Task::Test { part: Some(Part::Postgres) } => steps::on_postgres(&root),
        Task::Test { part: Some(Part::Deploy) } => deploy::check(&root),
        Task::Test { part: Some(Part::Browser) } => browser::test(&root, browser::Product::ToBuild),
        Task::Screenshots { docs: false } => browser::screenshots(&root),
        Task::Screenshots { docs: true } => browser::pictures(&root),
        Task::Bench(wanted) => bench::run(&root, &wanted),
        Task::Sim { seeds, from, nodes } => steps::simulate(&root, seeds, from, nodes),
        Task::Kills { count, from, nodes: None, .. } => steps::kill(&root, count, from),
        Task::Kills {
            nodes: Some(nodes),
            load: LoadArgs { connections: Some(connections), minutes, interval, disturbed },
            ..
        } => several::load(&root, Load { nodes, connections, minutes, interval, disturbed }),
        Task::Kills { count, nodes: Some(nodes), .. } => several::kill_nodes(&root, count, nodes),
        Task::Upgrade { from } => several::upgrade(&root, &from),
        Task::Tamper => steps::tamper(&root),
        Task::Planted => planted::check(&root),
        Task::Mutants { since, all } => mutants::check(&root, &all.map_or(Wanted::Since(since), Wanted::Crate)),
        Task::Tidy => tidy::check(&root),
        Task::Package { format: Format::Deb, binary } => package::deb(&root, binary),
        Task::Sbom => sbom::write(&root),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the checkout in which cargo was called. The path that was compiled into this binary does not do,
/// because it can be that of another checkout that shares the target folder.
fn root() -> Result<PathBuf> {
    let here = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    Ok(Path::new(&here).parent().context("xtask lies in the workspace")?.to_owned())
}
