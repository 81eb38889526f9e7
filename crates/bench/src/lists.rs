//! Measures how long lists of records take, over HTTP on loopback, in collections of ten thousand and of a hundred
//! thousand records: the whole list, its narrowing by words, type, label and state, and its last page.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reqwest::Method;
use vaultterm_reconcile::{Mode, RecordId, RecordType, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_store::Scope;
use vaultterm_sync::{BaseChange, Journal as _, LocalChange, Outcome};

use crate::{audit::met, installation::Installation};

/// Records of one transaction.
const BATCH: usize = 500;
/// How often each list is asked for.
const TIMES: usize = 21;
/// The target for the median of each list.
const TARGET: Duration = Duration::from_millis(50);
/// The lists: what they are called, and their query.
const LISTS: [(&str, &str); 9] = [
    ("all", ""),
    ("a name that exists", "q=service-004242"),
    ("a word of one in eight", "q=mail"),
    ("a word of all", "q=credentials"),
    ("a word of none", "q=zzz"),
    ("two words", "q=mail+service-0042"),
    ("a label of none", "tag=none"),
    ("a type of none", "type=TOTP"),
    ("only here", "standing=here_only"),
];

/// Runs the measurements and prints whether they meet the target.
pub(crate) async fn measure() -> Result<()> {
    for records in [10_000, 100_000] {
        measure_with(records).await?;
    }
    Ok(())
}

async fn measure_with(records: usize) -> Result<()> {
    let installation = Installation::new().await?;
    fill(&installation, records).await?;
    let serving = installation.serve(Scope::RecordsRead).await?;
    println!("lists of {records} records, {TIMES} times each; target {} ms at the median", TARGET.as_millis());
    let ask = async |query: &str| -> Result<Duration> {
        let began = Instant::now();
        serving.request(Method::GET, &format!("/records?{query}")).send().await?.error_for_status()?.bytes().await?;
        Ok(began.elapsed())
    };
    let first = ask("q=first").await?;
    println!("  {:<24} {:>8.1} ms, once after a start", "the first search", first.as_secs_f64() * 1_000.0);
    for (name, query) in LISTS {
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            times.push(ask(query).await?);
        }
        times.sort();
        let (median, most) = (times[TIMES / 2], times[TIMES - 1]);
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        println!("  {name:<24} {:>8.1} ms, at most {:.1} {}", ms(median), ms(most), met(median <= TARGET));
    }
    serving.stop().await
}

/// Fills the collection, as a pull would.
async fn fill(installation: &Installation, records: usize) -> Result<()> {
    let (lease, run_id) = installation.begin_run(Mode::Pull).await?;
    let mut made = 0;
    while made < records {
        let batch = (made..records.min(made + BATCH)).map(outcome).collect::<Result<Vec<_>>>()?;
        made += batch.len();
        installation.store.commit(lease, run_id, batch).await?;
    }
    ensure!(made == records, "all records are there");
    Ok(())
}

fn outcome(n: usize) -> Result<Outcome> {
    const KINDS: [&str; 8] = ["api", "worker", "db", "cache", "queue", "web", "mail", "search"];
    let kind = KINDS[n % KINDS.len()];
    Ok(Outcome {
        path: SecretPath::new(format!("apps/{kind}-{:03}/service-{n:06}/{kind}-credentials", n / 800))?,
        local: LocalChange::Create {
            record_id: RecordId(vaultterm_sync::new_id()),
            record_type: RecordType::Password,
            fields: SecretFields::parse(br#"{"username": "ann", "password": "correct horse battery staple"}"#)?,
        },
        base: BaseChange::Keep,
        base_removed: None,
        audit: None,
        resolves: None,
        wrote_remote: false,
    })
}
