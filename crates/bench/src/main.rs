//! Measures the speed of a sync. The engine, with the SQLite store and the Vault client, runs beside a bare
//! client that sends the same requests with the same token. The result is the ratio of the two within one
//! run.
//!
//! The server is a real OpenBao with raft on disk, or the HashiCorp Vault that `VAULTTERM_VAULT` names. Each
//! round pushes, pulls and runs without a change, on fresh paths and a fresh database. Bare client and engine
//! take turns directly one after the other, so that other load on the machine slows both down. The benchmark
//! fails when a result is wrong, and never because it is slow.
//!
//! Before that, it measures the cost of the audit log (`audit.rs`), of lists (`lists.rs`) and of imports (`imports.rs`) without a Vault. With
//! `--postgres` it only compares the databases (`databases.rs`).
//!
//! Start reading at [`round`]. `bare.rs` is the bare client, and `house.rs` sets up the engine.

#![allow(clippy::print_stdout, reason = "its output is for the person who runs it")]

mod audit;
mod bare;
mod databases;
mod house;
mod imports;
mod installation;
mod lists;
mod report;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use vaultterm_reconcile::Mode;
use vaultterm_testkit::openbao::{OpenBao, Setup};

use crate::{
    bare::Bare,
    house::House,
    report::{Measured, Report},
};

#[derive(Parser)]
#[command(about = "Measures a sync beside a bare client that makes the same requests")]
struct Arguments {
    /// Secrets in each scope
    #[arg(long, default_value_t = 10_000)]
    secrets: usize,
    /// Rounds; the median of the ratios counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
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
    let Arguments { secrets, rounds, audit_only, lists_only, imports_only, postgres } = Arguments::parse();
    ensure!(secrets > 0 && rounds > 0, "there is nothing to measure");
    if lists_only {
        return lists::measure().await;
    }
    if imports_only {
        return imports::measure().await;
    }
    if postgres {
        let server = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
        let town = house::prepare(&server).await;
        return databases::measure(&server, &town, secrets, rounds).await;
    }
    audit::measure().await?;
    lists::measure().await?;
    imports::measure().await?;
    if audit_only {
        return Ok(());
    }
    let server = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
    let town = house::prepare(&server).await;
    let (flavor, at_once) = (server.flavor(), house::AT_ONCE);
    println!("{secrets} secrets, {rounds} rounds, a server of flavor {flavor} with raft on disk, {at_once} at once");
    let mut report = Report::default();
    for number in 0..rounds {
        let measured = round(&server, &town, number, secrets).await?;
        println!("round {}: {measured}", number + 1);
        report.add(measured);
    }
    println!("\n{report}");
    Ok(())
}

/// Runs one round on fresh paths. The engine and the bare client go first in turns.
async fn round(server: &OpenBao, town: &house::Town, number: usize, secrets: usize) -> Result<Measured> {
    let (source, target) = (format!("bare-{number}"), format!("engine-{number}"));
    let bare = Bare::login(server, town).await?;
    let house = House::new(server, town).await?;
    let bare_push = bare.push(&source, secrets).await?;
    let pull = house.connect(Mode::Pull, &source).await?;
    let push = house.connect(Mode::Push, &target).await?;

    let (engine_pull, bare_pull);
    if number.is_multiple_of(2) {
        engine_pull = house.run(pull).await?;
        bare_pull = bare.pull(&source, secrets).await?;
    } else {
        bare_pull = bare.pull(&source, secrets).await?;
        engine_pull = house.run(pull).await?;
    }
    ensure!(engine_pull.run.counts.created_local == secrets as u64, "pulled {:?}", engine_pull.run.counts);
    let engine_push = house.run(push).await?;
    ensure!(engine_push.run.counts.created_remote == secrets as u64, "pushed {:?}", engine_push.run.counts);
    bare.check(&target, secrets).await?;

    let (mut unchanged, mut listings) = (Vec::new(), Vec::new());
    let mut requests = 0;
    for _ in 0..5 {
        let again = house.run(push).await?;
        ensure!(again.run.counts.unchanged == secrets as u64, "no change: {:?}", again.run.counts);
        requests = again.run.requests;
        unchanged.push(again.took);
        listings.push(bare.list(&target, secrets).await?);
    }
    Ok(Measured {
        push: (engine_push.took, bare_push),
        pull: (engine_pull.took, bare_pull),
        unchanged: (median(unchanged), median(listings)),
        requests: [engine_push.run.requests, engine_pull.run.requests, requests],
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
