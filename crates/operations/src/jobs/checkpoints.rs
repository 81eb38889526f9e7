//! Decides when the audit log is signed. The store and the ledger know what is signed, and how.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use vaultterm_store::{StoreError, Uncovered};

use super::job::Job;
use crate::services::Services;

/// Entries that wait for a checkpoint, at most.
const ENTRIES_MAX: u64 = 1_000;
/// How long the first of them waits.
const WAIT_US: i64 = 60_000_000;
/// Says whether what is not covered is to be signed now.
fn due(uncovered: &Uncovered, now_us: i64) -> bool {
    let waited = uncovered.since_us.map_or(0, |since| now_us.saturating_sub(since));
    // A clock that was set back says nothing about how long it has been.
    uncovered.entries > 0 && (uncovered.prompt || uncovered.entries >= ENTRIES_MAX || !(0..WAIT_US).contains(&waited))
}

pub(super) fn job() -> Job {
    // What an earlier process left is signed at once.
    let first = Arc::new(AtomicBool::new(true));
    let work = move |services: Services| {
        let first = Arc::clone(&first);
        let signed = async move {
            let signed = tick(&services, first.load(Ordering::Relaxed)).await;
            if signed.is_ok() {
                first.store(false, Ordering::Relaxed);
            }
            signed.map_err(|error| told(&error)).is_ok()
        };
        Box::pin(signed) as _
    };
    Job::new("checkpoints", Duration::from_secs(1), work).at_once()
}

async fn tick(services: &Services, first: bool) -> Result<(), StoreError> {
    if first || due(&services.store.uncovered().await?, services.now_us()) { sign(services).await } else { Ok(()) }
}

async fn sign(services: &Services) -> Result<(), StoreError> {
    if let Some(signed) = services.store.checkpoint().await? {
        tracing::debug!(size = signed.checkpoint.size, "the audit log was signed");
    }
    Ok(())
}

fn told(error: &StoreError) {
    tracing::error!(%error, "the audit log could not be signed");
}

/// Signs the log for the last time, when nothing writes any more.
pub async fn sign_last(services: &Services) {
    if let Err(error) = sign(services).await {
        told(&error);
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_store::Uncovered;

    use super::due;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn waiting(entries: u64, seconds: i64, prompt: bool) -> Uncovered {
        Uncovered { entries, since_us: Some(NOW_US - seconds * 1_000_000), prompt }
    }

    #[test]
    fn a_checkpoint_is_due_after_a_minute_a_thousand_entries_or_what_must_not_wait() {
        for (uncovered, expected) in [
            (Uncovered::default(), false),
            (waiting(1, 0, false), false),
            (waiting(999, 59, false), false),
            (waiting(1, 60, false), true),
            (waiting(1_000, 0, false), true),
            (waiting(1, 0, true), true),
            // The clock was set back since.
            (waiting(1, -1, false), true),
        ] {
            assert_eq!(due(&uncovered, NOW_US), expected, "{uncovered:?}");
        }
    }
}
