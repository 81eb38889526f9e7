//! How soon a change in Vault is here if the next look at everything is an hour away: programs change one secret of a hundred or
//! more, `vaultterm feed` follows the audit log of the server, and a `vaultterm serve` looks where it is told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::system_time;
use vaultterm_testkit::openbao::OpenBao;

use crate::{
    bare::filled,
    content::{path, value},
    house::{MOUNT, SOURCE},
    served::Served,
};

/// How many secrets programs change per second, and at least for how long.
const CHANGES_PER_SECOND: u32 = 50;
const SECONDS_MIN: usize = 10;
/// How long a change may take to come here before the measurement gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The role of the engine and of the bare client. The changes are made with another token.
const ROLE: &str = "bench";

/// What was measured.
pub(crate) struct Hinted {
    pub(crate) secrets: usize,
    /// From the answer of Vault to the moment at which the new revision was recorded here, in milliseconds, sorted.
    pub(crate) here_after_ms: Vec<f64>,
    /// The requests of the server while the changes came, and those of them about secrets that did not change.
    pub(crate) requests: usize,
    pub(crate) about_others: usize,
}

impl Hinted {
    /// Returns the requests for each changed secret.
    pub(crate) fn requests_per_change(&self) -> f64 {
        self.requests as f64 / self.here_after_ms.len() as f64
    }
}

/// Measures a server with this many secrets.
pub(crate) async fn measure(binary: &Path, secrets: usize) -> Result<Hinted> {
    let (vault, town, _) = filled(secrets).await?;

    let served = Served::start(binary).await?;
    let collection = served.collection("main").await?;
    let connection = served.connect(&vault, &town, &collection, ["pull", "pull", SOURCE], 3_600).await?;
    let first = served.begin(&connection).await?;
    served.end(&first).await?;
    let feed = served.feed(vault.audit_log()).await?;
    // The feed does not know what it missed before it began, so a look at everything comes first.
    served.ended_by(&connection, "hint").await.context("the feed asks for a look at everything")?;

    let chosen = chosen(secrets);
    let before = vault.audited().len();
    let written = change(&vault, &chosen).await?;
    let here = arrived(&served, &collection, &written).await?;
    let asked: Vec<_> = vault.audited().into_iter().skip(before).filter(|request| request.role == ROLE).collect();
    feed.stop()?;
    served.stop()?;

    let changed: BTreeSet<_> = chosen.iter().map(|n| format!("{SOURCE}/{}", path(*n))).collect();
    let about_another = |asked: &str| {
        let secret = ["data", "metadata"].iter().find_map(|api| asked.strip_prefix(&format!("{MOUNT}/{api}/")));
        secret.is_some_and(|secret| !changed.contains(secret))
    };
    Ok(Hinted {
        secrets,
        here_after_ms: here,
        requests: asked.len(),
        about_others: asked.iter().filter(|request| about_another(&request.path)).count(),
    })
}

/// Returns the numbers of the secrets to change, each once: one of a hundred, and enough for some seconds. They are spread over
/// all folders.
fn chosen(secrets: usize) -> Vec<usize> {
    let wanted = (secrets / 100).max(SECONDS_MIN * CHANGES_PER_SECOND as usize).min(secrets);
    (0..wanted).map(|n| n * (secrets / wanted)).collect()
}

/// Changes secrets in Vault, so many per second. Returns when Vault had answered for each.
async fn change(vault: &OpenBao, numbers: &[usize]) -> Result<BTreeMap<usize, UnixNanos>> {
    let began = Instant::now();
    let writes = numbers.iter().zip(0_u32..).map(|(n, turn)| async move {
        tokio::time::sleep_until((began + Duration::from_secs(1) * turn / CHANGES_PER_SECOND).into()).await;
        vault.root().put(MOUNT, &format!("{SOURCE}/{}", path(*n)), value(*n, 1)).await;
        anyhow::Ok((*n, system_time()))
    });
    Ok(try_join_all(writes).await?.into_iter().collect())
}

/// Waits until all changes are here. Returns how long each took, in milliseconds, sorted.
async fn arrived(served: &Served, collection: &str, written: &BTreeMap<usize, UnixNanos>) -> Result<Vec<f64>> {
    let numbers: BTreeMap<_, _> = written.keys().map(|n| (path(*n), *n)).collect();
    let began = Instant::now();
    loop {
        let records = served.all_records(collection).await?;
        let changed = records.iter().filter_map(|record| {
            let number = numbers.get(record["path"].as_str()?)?;
            let second = record["revision"] == json!(2);
            second.then(|| (*number, record["updated_at"].clone()))
        });
        let changed: Vec<_> = changed.collect();
        if changed.len() == written.len() {
            let took = changed.iter().map(|(number, at)| {
                // A change can be here before its writer had the answer.
                let nanos = (moment(at)?.0 - written[number].0).max(0);
                anyhow::Ok(nanos as f64 / 1_000_000.0)
            });
            let mut took = took.collect::<Result<Vec<_>>>()?;
            took.sort_by(f64::total_cmp);
            return Ok(took);
        }
        ensure!(began.elapsed() < PATIENCE, "only {} of {} changes are here", changed.len(), written.len());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn moment(text: &Value) -> Result<UnixNanos> {
    let text = text.as_str().context("a time is a text")?;
    Ok(UnixNanos(i64::try_from(text.parse::<jiff::Timestamp>()?.as_nanosecond())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_secrets_change_for_some_seconds_and_each_once() {
        for (secrets, wanted) in [(100, 100), (1_000, 500), (10_000, 500), (100_000, 1_000)] {
            let chosen = BTreeSet::from_iter(chosen(secrets));
            assert_eq!(chosen.len(), wanted);
            assert!(chosen.iter().all(|n| *n < secrets));
        }
    }

    #[test]
    fn a_time_of_the_api_is_read_to_the_part_of_a_second() {
        let at = moment(&json!("1970-01-01T00:00:01.250000Z")).expect("a time");
        assert_eq!(at, UnixNanos(1_250_000_000));
    }
}
