//! When the audit log is signed. What is signed, and how, is the store's and the ledger's.

use std::time::Duration;

use vaultterm_store::{StoreError, Uncovered};

use crate::app::App;

/// Entries that wait for a checkpoint, at most.
const ENTRIES_MAX: u64 = 1_000;
/// How long the first of them waits.
const WAIT_US: i64 = 60_000_000;
/// How often it is asked whether one is due.
const TICK: Duration = Duration::from_secs(1);
/// The longest wait after the database failed.
const REST_MAX: Duration = Duration::from_secs(60);

/// Says whether what is not covered is to be signed now.
fn due(uncovered: &Uncovered, now_us: i64) -> bool {
    let waited = uncovered.since_us.map_or(0, |since| now_us.saturating_sub(since));
    // A clock that was set back says nothing about how long it has been.
    uncovered.entries > 0 && (uncovered.prompt || uncovered.entries >= ENTRIES_MAX || !(0..WAIT_US).contains(&waited))
}

/// Signs whatever is due, until the server closes; what an earlier process left, at once.
pub(crate) async fn run(app: App) {
    let mut rest = match sign(&app).await {
        Ok(()) => TICK,
        Err(error) => told(&error, TICK),
    };
    loop {
        tokio::select! {
            () = app.closing.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        rest = match tick(&app).await {
            Ok(()) => TICK,
            Err(error) => told(&error, rest),
        };
    }
}

async fn tick(app: &App) -> Result<(), StoreError> {
    if due(&app.store.uncovered().await?, app.now_us()) { sign(app).await } else { Ok(()) }
}

async fn sign(app: &App) -> Result<(), StoreError> {
    if let Some(signed) = app.store.checkpoint().await? {
        tracing::debug!(size = signed.checkpoint.size, "the audit log was signed");
    }
    Ok(())
}

fn told(error: &StoreError, rest: Duration) -> Duration {
    tracing::error!(%error, "the audit log could not be signed");
    (rest * 2).min(REST_MAX)
}

/// Signs the log for the last time, when nothing writes any more.
pub(crate) async fn last(app: &App) {
    if let Err(error) = sign(app).await {
        told(&error, TICK);
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
