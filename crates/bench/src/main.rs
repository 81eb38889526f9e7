//! Measures the speed of a sync. The engine, with the SQLite store and the Vault client, runs beside a bare
//! client that does the same work with the same token. The result is the ratio of the two within one run.
//!
//! The server is a real OpenBao with raft on disk, or the HashiCorp Vault that `VAULTTERM_VAULT` names. Bare client and
//! engine take turns directly one after the other, so that other load on the machine slows both down. The benchmark
//! fails when a result is wrong, and never because it is slow.
//!
//! `works.rs` says what is measured. Start reading at `rounds.rs`, the loop; `stand.rs` does each work, with `bare.rs`, the
//! bare client, and `house.rs`, the engine. `people.rs` and `hinted.rs` measure a `vaultterm serve` (`served.rs`), `paced.rs` a run with a limit, and
//! `peers.rs` other programs.
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
mod hinted;
mod house;
mod imports;
mod installation;
mod lists;
mod paced;
mod parts;
mod peers;
mod people;
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
    parts::Part,
    people::percentile,
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
    /// Only these parts, with commas between them
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Also other programs, which `cargo xtask bench --peers` installs
    #[arg(long)]
    peers: bool,
    /// Write a JSON line for each figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
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
    if arguments.postgres {
        let server = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
        let town = house::prepare(&server).await;
        for secrets in secrets {
            databases::measure(&server, &town, *secrets, rounds).await?;
        }
        return Ok(());
    }
    let mut parts = if arguments.only.is_empty() { Part::value_variants().to_vec() } else { arguments.only.clone() };
    // The works follow one another on the same scopes, so their order is fixed.
    parts.sort();
    parts.dedup();
    for part in &parts {
        match part {
            Part::Audit => audit::measure().await?,
            Part::Lists => lists::measure().await?,
            Part::Imports => imports::measure().await?,
            Part::Sync(_) | Part::Served | Part::Hinted | Part::Paced => {}
        }
    }
    syncs(&arguments, &parts).await
}

/// Measures syncs, and prints the table and whether the goals are met.
async fn syncs(arguments: &Arguments, parts: &[Part]) -> Result<()> {
    let Arguments { secrets, rounds, .. } = arguments;
    let works: Vec<_> = parts.iter().filter_map(|part| part.work()).collect();
    let server = if Product::chosen().is_vault() { "HashiCorp Vault" } else { "OpenBao" };
    println!("{server} with raft on disk, {} requests at once", house::AT_ONCE);
    let (mut all, mut lines) = (All::default(), Lines::default());
    for &secrets in secrets {
        if !works.is_empty() {
            println!("{secrets} secrets, {rounds} rounds");
            all.figures.extend(rounds::measure(&works, secrets, *rounds).await?);
        }
        for part in parts {
            match part {
                Part::Served => measure_served(&mut all, &mut lines, secrets).await?,
                Part::Hinted => measure_hinted(&mut all, &mut lines, secrets).await?,
                Part::Paced => measure_paced(&mut all, &mut lines, secrets).await?,
                Part::Sync(_) | Part::Audit | Part::Lists | Part::Imports => {}
            }
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

fn binary() -> Result<PathBuf> {
    served::binary().context(
        "there is no `vaultterm` to measure: run `cargo xtask bench`, or name a binary in VAULTTERM_BENCH_BINARY",
    )
}

/// Measures a `vaultterm serve`.
async fn measure_served(all: &mut All, lines: &mut Lines, secrets: usize) -> Result<()> {
    let measured = people::measure(&binary()?, secrets).await?;
    println!("a `vaultterm serve` with {secrets} secrets: {} MB after its start and a login", measured.started_mb);
    for (work, peak) in &measured.peaks_mb {
        println!("  {work:<15} {peak} MB at most");
        let mut figures = all.figures.iter_mut();
        match figures.find(|figure| figure.work == *work && figure.secrets == secrets) {
            Some(figure) => figure.rss_mb = Some(*peak),
            None => lines.add(work, secrets, json!({"rss_mb": peak})),
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

/// Measures how soon changes in Vault are here.
async fn measure_hinted(all: &mut All, lines: &mut Lines, secrets: usize) -> Result<()> {
    let measured = hinted::measure(&binary()?, secrets).await?;
    let [p50, p95] = [50, 95].map(|share| rounded(percentile(&measured.here_after_ms, share)));
    let (changes, per_change) = (measured.here_after_ms.len(), rounded(measured.requests_per_change()));
    let others = measured.about_others;
    println!(
        "{changes} of {secrets} secrets changed in Vault, with hints: here after {p50} ms (p50) and {p95} ms (p95); \
         {per_change} requests for each, {others} about other secrets"
    );
    let line = json!({
        "requests": measured.requests, "changes": changes, "requests_per_change": per_change,
        "requests_about_others": others, "p50_ms": p50, "p95_ms": p95,
    });
    lines.add("hinted", secrets, line);
    all.hinted.push(measured);
    Ok(())
}

/// Measures a run with a limit of requests.
async fn measure_paced(all: &mut All, lines: &mut Lines, secrets: usize) -> Result<()> {
    let measured = paced::measure(secrets).await?;
    let [idle50, idle99] = [50, 99].map(|share| rounded(percentile(&measured.idle, share)));
    let [p50, p99] = [50, 99].map(|share| rounded(percentile(&measured.during, share)));
    let (rate, budget) = (rounded(measured.rate), measured.budget);
    println!(
        "a pull of {} with at most {budget} requests per second made {rate}; another client of Vault: p50 {idle50} ms, p99 \
         {idle99} ms; during the pull p50 {p50} ms, p99 {p99} ms",
        measured.secrets
    );
    let line = json!({
        "ratio": rounded(measured.slowdown()), "requests_per_second": rate, "budget": budget, "p50_ms": p50, "p99_ms": p99,
        "idle_p50_ms": idle50, "idle_p99_ms": idle99,
    });
    lines.add("paced", measured.secrets, line);
    all.paced.push(measured);
    Ok(())
}
