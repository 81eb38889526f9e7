//! Measures the cost of the audit log on a SQLite file that is flushed with each commit. One measurement
//! appends entries in batches, as a run records them. The other reveals a value over HTTP and commits its
//! entry.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::json;
use vaultterm_ledger::RemoteRef;
use vaultterm_reconcile::{Mode, RecordId, RecordType, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_store::{NewRecord, Scope};
use vaultterm_sync::{BaseChange, Journal as _, LocalChange, Outcome, SyncedAudit};

use crate::installation::{Installation, context};

/// The number of entries to append, and the number per transaction. The engine uses the same batch size.
const ENTRIES: usize = 20_000;
const BATCH: usize = 200;
/// The number of values to reveal.
const REVEALS: usize = 2_000;
/// The targets.
const ENTRIES_A_SECOND: f64 = 2_000.0;
const REVEAL_P99: Duration = Duration::from_millis(25);

/// Runs both measurements and prints whether they meet the targets.
pub(crate) async fn measure() -> Result<()> {
    println!("the audit log, {ENTRIES} entries in batches of {BATCH}, {REVEALS} reveals over HTTP");
    append(&Installation::new().await?).await?;
    reveal(Installation::new().await?).await
}

async fn append(installation: &Installation) -> Result<()> {
    let store = &installation.store;
    let (lease, run_id) = installation.begin_run(Mode::Push).await?;
    let before = store.audit_size().await?;
    let outcomes = (0..ENTRIES).map(outcome).collect::<Result<Vec<_>>>()?;
    let mut outcomes = outcomes.into_iter();
    let began = Instant::now();
    loop {
        let batch: Vec<_> = outcomes.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        store.commit(lease, run_id, batch).await?;
    }
    let took = began.elapsed();
    ensure!(store.audit_size().await? - before == ENTRIES as u64, "an entry each");
    let speed = rate(ENTRIES, took);
    println!("append     {speed:>9.0} entries/s; target {ENTRIES_A_SECOND:.0} {}", met(speed >= ENTRIES_A_SECOND));
    let began = Instant::now();
    store.checkpoint().await?.context("there is something to sign")?;
    println!("checkpoint {:>9.1} ms over all of them", began.elapsed().as_secs_f64() * 1_000.0);
    let began = Instant::now();
    let verdict = store.verify_audit().await?;
    ensure!(verdict.broken.is_none(), "{verdict:?}");
    println!("verify     {:>9.0} entries/s, in the database", rate(ENTRIES, began.elapsed()));
    Ok(())
}

/// Returns the outcome that a run records for a secret that it wrote.
fn outcome(n: usize) -> Result<Outcome> {
    let path = SecretPath::new(format!("team-{}/service-{n}/database", n % 100))?;
    let remote = RemoteRef {
        cluster: Some("4b2e1d60-6d2a-7f3c-1d5a-0c7d7e0f2a11".to_owned()),
        path: format!("secret/{path}"),
        version: Some(1),
        request_id: Some("c1f4a5de-9f3f-4f3e-8f6b-6a9f5d3e2b10".to_owned()),
    };
    let record_id = Some(RecordId(vaultterm_sync::new_id()));
    Ok(Outcome {
        path,
        local: LocalChange::None,
        base: BaseChange::Keep,
        base_removed: None,
        audit: Some(SyncedAudit { what: "updated_remote", record_id, revision: None, remote }),
        resolves: None,
        wrote_remote: false,
    })
}

async fn reveal(installation: Installation) -> Result<()> {
    let store = installation.store.clone();
    let fields = SecretFields::parse(br#"{"username": "ann", "password": "correct horse battery staple"}"#)?;
    let record = NewRecord {
        path: SecretPath::new("db/main")?,
        record_type: RecordType::Password,
        fields,
        tags: Vec::new(),
        inject_only: false,
        ask_again: false,
    };
    let record = store.create_record(&context(), installation.collection, record).await?;
    let before = store.audit_size().await?;
    let serving = installation.serve(Scope::RecordsReveal).await?;
    let path = format!("/records/{}/reveal", record.id.0);
    let mut times = Vec::new();
    for _ in 0..REVEALS {
        let began = Instant::now();
        let request = serving.request(Method::POST, &path).json(&json!({}));
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        times.push(began.elapsed());
        ensure!(answer.windows(7).any(|part| part == b"battery"), "the value is answered");
    }
    ensure!(store.audit_size().await? - before == REVEALS as u64, "an entry each");
    times.sort();
    let at = |share: usize| times[times.len() * share / 100];
    let (median, p99) = (at(50), at(99));
    println!(
        "reveal     {:>9.2} ms at the median, {:.2} ms at p99; target {} ms {}",
        median.as_secs_f64() * 1_000.0,
        p99.as_secs_f64() * 1_000.0,
        REVEAL_P99.as_millis(),
        met(p99 <= REVEAL_P99)
    );
    serving.stop().await
}

fn rate(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

pub(crate) const fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
