//! Starts the runs that are due, by interval or change, if the license includes them. Closes the runs that a
//! crash left open, and notices that the license changed or ran out.
//!
//! `vaultterm_sync::schedule` decides when a run is due. This job asks it once a second.

use std::{collections::BTreeSet, time::Duration};

use vaultterm_ledger::Actor;
use vaultterm_reconcile::SecretPath;
use vaultterm_store::StoreError;
use vaultterm_sync::{
    Clock as _, ConnectionId, EngineError, Entitlement as _, JournalError, RunId, RunRequest, Trigger, schedule,
};

use super::job::Job;
use crate::{access, clock::SystemClock, runs::start::begin, services::Services};

pub(super) fn job() -> Job {
    Job::with_database("due runs", Duration::from_secs(1), "the scheduler could not read the database", tick)
        .on_each_server()
}

/// The largest number of paths that a run looks at because of hints. More of them wait for the next run.
const HINTED_MAX: u64 = 1_000;

/// Returns where hints say that a run should look (everywhere if there are no paths), and the number of the last hint that it
/// answers. Returns `None` if none waits any more.
async fn hinted(
    services: &Services,
    id: ConnectionId,
) -> Result<Option<(BTreeSet<SecretPath>, Option<u64>)>, StoreError> {
    let Some(waiting) = services.store.waiting_hints(id, 0, HINTED_MAX).await? else { return Ok(None) };
    if waiting.everything {
        return Ok(Some((BTreeSet::new(), None)));
    }
    let paths: BTreeSet<SecretPath> = waiting.paths.into_keys().collect();
    Ok((!paths.is_empty()).then_some((paths, Some(waiting.up_to))))
}

/// Starts everything that is due.
async fn tick(services: Services) -> Result<(), StoreError> {
    let services = &services;
    services.license.refresh(&services.store).await?;
    access::sum_up_denials(services, false).await?;
    let failed = services.store.fail_abandoned_runs(&Actor::vaultterm(), services.now_us()).await?;
    if failed > 0 {
        tracing::warn!(failed, "runs that a crash had left open were closed; the next ones continue them");
    }
    // Without a license a run would only halt, so none is started.
    if services.license.missing().is_some() {
        return Ok(());
    }
    let mut schedulable = services.store.schedulable().await?;
    // Servers begin at different places of the list, so that each of them gets a share.
    if !schedulable.is_empty() {
        // The random bits of an id are enough to spread servers.
        let [.., random] = services.ids.draw(SystemClock.now()).into_bytes();
        let begin_at = usize::from(random) * schedulable.len() / 256;
        schedulable.rotate_left(begin_at);
    }
    for scheduled in schedulable {
        let Some(trigger) = schedule::due(&scheduled.facts(), SystemClock.now()) else { continue };
        let id = scheduled.connection.id;
        let (at, answers) = if trigger == Trigger::Hint {
            let Some(hinted) = hinted(services, id).await? else { continue };
            hinted
        } else {
            (BTreeSet::new(), None)
        };
        let request = RunRequest {
            run_id: RunId(services.ids.draw(SystemClock.now())),
            plan_id: None,
            skip: BTreeSet::new(),
            at,
            acknowledge: BTreeSet::new(),
            follows: scheduled.last_begun,
            trigger,
            actor: Actor::vaultterm(),
        };
        match begin(services, id, request, answers).await {
            // A person or another server started a run, or a person paused the connection, in the meantime.
            Ok(_) | Err(EngineError::RunInProgress | EngineError::Journal(JournalError::Paused)) => {}
            // Nobody has looked at the whole connection since its place changed: a run of it comes first.
            Err(EngineError::PlanNotApplicable(_)) if trigger == Trigger::Hint => {}
            Err(error) => {
                tracing::error!(%error, connection = scheduled.connection.name, "a run that was due could not begin");
            }
        }
    }
    Ok(())
}
