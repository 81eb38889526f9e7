//! What starts by itself: runs by interval or change (none without a license for them), closing the runs
//! that a crash left open, and looking whether the license changed or ran out.
//!
//! When a run is due is decided by `vaultterm_sync::schedule`; this asks once a second.

use std::{collections::BTreeSet, time::Duration};

use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_store::StoreError;
use vaultterm_sync::{Clock as _, EngineError, Entitlement as _, JournalError, RunId, RunRequest, schedule};

use crate::{app::App, clock::SystemClock};

/// How often it is asked what is due.
const TICK: Duration = Duration::from_secs(1);
/// The longest wait after the database failed.
const REST_MAX: Duration = Duration::from_secs(60);

/// Runs until the server closes.
pub(crate) async fn run(app: App) {
    let mut rest = TICK;
    loop {
        tokio::select! {
            () = app.closing.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        rest = match tick(&app).await {
            Ok(()) => TICK,
            Err(error) => {
                tracing::error!(%error, "the scheduler could not read the database");
                (rest * 2).min(REST_MAX)
            }
        };
    }
}

/// Starts everything that is due.
async fn tick(app: &App) -> Result<(), StoreError> {
    app.license.refresh(&app.store).await?;
    app.sum_up_denials(false).await?;
    let failed = app.store.fail_abandoned_runs(&system(), app.now_us()).await?;
    if failed > 0 {
        tracing::warn!(failed, "runs that a crash had left open were closed; the next ones continue them");
    }
    // A run would only halt: not one an interval.
    if app.license.missing().is_some() {
        return Ok(());
    }
    for scheduled in app.store.schedulable().await? {
        let Some(trigger) = schedule::due(&scheduled.standing(), SystemClock.now()) else { continue };
        let request = RunRequest {
            run_id: RunId(Uuid::now_v7()),
            plan_id: None,
            acknowledge: BTreeSet::new(),
            trigger,
            actor: system(),
        };
        match app.start_run(scheduled.connection.id, request).await {
            // A person was quicker: with a run of their own, or with a pause.
            Ok(_) | Err(EngineError::RunInProgress | EngineError::Journal(JournalError::Paused)) => {}
            Err(error) => {
                tracing::error!(%error, connection = scheduled.connection.name, "a run that was due could not begin");
            }
        }
    }
    Ok(())
}

/// Who the audit log names for what nobody asked for.
pub(crate) fn system() -> Actor {
    Actor { kind: ActorKind::System, id: Uuid::nil(), name: "scheduler".to_owned() }
}
