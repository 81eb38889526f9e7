//! Measures the speed of a sync. The engine, with the SQLite store and the Vault client, runs beside a bare
//! client that does the same work with the same token. The result is the ratio of the two within one run.
//!
//! The server is a real OpenBao with raft on disk, or the HashiCorp Vault that `VAULTTERM_VAULT` names. Bare client and
//! engine take turns directly one after the other, so that other load on the machine slows both down. The benchmark
//! fails when a result is wrong, and never because it is slow.
//!
//! `works.rs` says what is measured. Start reading at `rounds.rs`, the loop; `stand.rs` does each work, with `bare.rs`, the
//! bare client, and `house.rs`, the engine. `served.rs` measures a `vaultterm serve`, and `peers.rs` other programs.
//! `goals.rs` judges.
//!
//! Before that, it measures the cost of the audit log (`audit.rs`), of lists (`lists.rs`) and of imports (`imports.rs`) without a Vault. With
//! `--postgres` it only compares the databases (`databases.rs`).

#![allow(clippy::print_stdout, reason = "its output is for the person who runs it")]

mod audit;
mod bare;
mod content;
mod databases;
mod figures;
mod goals;
mod house;
mod imports;
mod installation;
mod lists;
mod peers;
mod process;
mod rounds;
mod served;
mod stand;
mod works;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum as _};
use serde_json::json;
use vaultterm_testkit::openbao::{OpenBao, Product, Setup};

use crate::{
    figures::{Lines, rounded, table},
    goals::All,
    served::percentile,
    works::Work,
};

/// The fewest secrets, so that one of a hundred can change.
const SECRETS_MIN: usize = 100;

#[derive(Parser)]
#[command(about = "Measures a sync beside a bare client that does the same work")]
struct Arguments {
    /// Secrets in each scope; several numbers, with commas between them, are measured one after another
    #[arg(long, default_value = "10000", value_delimiter = ',')]
    secrets: Vec<usize>,
    /// Rounds; the medians count
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these works, with commas between them; the audit log, lists, imports and the server are left out
    #[arg(long, value_delimiter = ',')]
    only: Vec<Work>,
    /// Also other programs, which `cargo xtask bench --peers` installs
    #[arg(long)]
    peers: bool,
    /// Only what a `vaultterm serve` needs, and how long people wait at it
    #[arg(long)]
    served_only: bool,
    /// Write a JSON line for each figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only the audit log
    #[arg(long)]
    audit_only: bool,
    /// Only the lists of records
    #[arg(long)]
    lists_only: bool,
    /// Only the import of a file
    #[arg(long)]
    imports_only: bool,
    /// Only PostgreSQL beside SQLite
    #[arg(long)]
    postgres: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    measure(Arguments::parse()).await
}

async fn measure(arguments: Arguments) -> Result<()> {
    let Arguments { ref secrets, rounds, .. } = arguments;
    ensure!(rounds > 0, "there is nothing to measure: `--rounds` is 0");
    ensure!(secrets.iter().all(|secrets| *secrets >= SECRETS_MIN), "`--secrets` must be at least {SECRETS_MIN}");
    if arguments.lists_only {
        return lists::measure().await;
    }
    if arguments.imports_only {
        return imports::measure().await;
    }
    if arguments.audit_only {
        return audit::measure().await;
    }
    if arguments.postgres {
        let server = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
        let town = house::prepare(&server).await;
        for secrets in secrets {
            databases::measure(&server, &town, *secrets, rounds).await?;
        }
        return Ok(());
    }
    if arguments.only.is_empty() && !arguments.served_only {
        audit::measure().await?;
        lists::measure().await?;
        imports::measure().await?;
    }
    syncs(&arguments).await
}

/// Measures syncs, and prints the table and whether the goals are met.
async fn syncs(arguments: &Arguments) -> Result<()> {
    let Arguments { secrets, rounds, only, .. } = arguments;
    let everything = only.is_empty() && !arguments.served_only;
    // The works follow one another on the same scopes, so their order is fixed.
    let mut works = if everything { Work::value_variants().to_vec() } else { only.clone() };
    works.sort();
    works.dedup();
    let server = if Product::chosen().is_vault() { "HashiCorp Vault" } else { "OpenBao" };
    println!("{server} with raft on disk, {} requests at once", house::AT_ONCE);
    let (mut all, mut lines) = (All::default(), Lines::default());
    for &secrets in secrets {
        if !works.is_empty() {
            println!("{secrets} secrets, {rounds} rounds");
            all.figures.extend(rounds::measure(&works, secrets, *rounds).await?);
        }
        if everything || arguments.served_only {
            measure_served(&mut all, &mut lines, secrets).await?;
        }
        if arguments.peers {
            all.peers.extend(peers::measure(&all.figures, &mut lines, secrets).await?);
        }
    }
    if !all.figures.is_empty() {
        println!("\n{}", table(&all.figures));
    }
    goals::judged(&all).iter().for_each(|goal| println!("{goal}"));
    lines.add_figures(&all.figures);
    match &arguments.json {
        Some(file) => lines.write(file),
        None => Ok(()),
    }
}

/// Measures a `vaultterm serve`.
async fn measure_served(all: &mut All, lines: &mut Lines, secrets: usize) -> Result<()> {
    let binary = served::binary().context(
        "there is no `vaultterm` to measure: run `cargo xtask bench`, or name a binary in VAULTTERM_BENCH_BINARY",
    )?;
    let measured = served::measure(&binary, secrets).await?;
    println!("a `vaultterm serve` with {secrets} secrets: {} MB after its start and a login", measured.started_mb);
    for (work, peak) in &measured.peaks_mb {
        println!("  {:<15} {peak} MB at most", work.name());
        let mut figures = all.figures.iter_mut();
        match figures.find(|figure| figure.work == work.name() && figure.secrets == secrets) {
            Some(figure) => figure.rss_mb = Some(*peak),
            None => lines.add(&work.name(), secrets, json!({"rss_mb": peak})),
        }
    }
    for waiting in &measured.waiting {
        let [idle50, idle99] = [50, 99].map(|share| rounded(percentile(&waiting.idle, share)));
        let [p50, p99] = [50, 99].map(|share| rounded(percentile(&waiting.during, share)));
        let (what, times) = (waiting.what, waiting.during.len());
        println!(
            "  {what:<15} p50 {idle50} ms, p99 {idle99} ms; during a pull, {times} times: p50 {p50} ms, p99 {p99} ms"
        );
        let line = json!({
            "ratio": rounded(waiting.slowdown()), "times": times, "p50_ms": p50, "p99_ms": p99,
            "idle_p50_ms": idle50, "idle_p99_ms": idle99,
        });
        lines.add(&format!("{what}_during_pull"), secrets, line);
    }
    all.served.push(measured);
    Ok(())
}
