//! Asking a run to stop, wherever it goes on.

use uuid::Uuid;
use vaultterm_store::{CollectionRole, Scope};
use vaultterm_sync::{Run, RunState};

use crate::{access, caller::Caller, refusal::Refusal, services::Services};

/// Asks a run to stop. What it did stays, and the next run does the rest. Returns the run as it is now.
///
/// # Errors
/// [`Refusal`].
pub async fn cancel(services: &Services, caller: &Caller, id: Uuid) -> Result<Run, Refusal> {
    access::scope(services, caller, Scope::SyncRun).await?;
    let id = access::run(services, caller, id, CollectionRole::Editor).await?;
    let run = services.store.run(id).await?.ok_or_else(|| Refusal::not_found("run"))?;
    if run.state == RunState::Running {
        match services.runs.find(run.id) {
            Some(live) => live.cancel.cancel(),
            // The server that carries the run out looks for this each second. If it is gone, the run is closed when its
            // lease expires.
            None => services.store.ask_to_cancel(run.id).await?,
        }
    }
    Ok(run)
}
