//! Asking a run to stop.

use uuid::Uuid;
use vaultterm_store::{CollectionRole, Scope};
use vaultterm_sync::{Run, RunState};

use crate::{
    access,
    caller::Caller,
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
};

/// Asks a run to stop. What it did stays, and the next run does the rest. Returns the run as it is now.
///
/// # Errors
/// [`Refusal`]; `Refused` for a run that goes on in another process.
pub async fn cancel(services: &Services, caller: &Caller, id: Uuid) -> Result<Run, Refusal> {
    access::scope(services, caller, Scope::SyncRun).await?;
    let id = access::run(services, caller, id, CollectionRole::Editor).await?;
    let run = services.store.run(id).await?.ok_or_else(|| Refusal::not_found("run"))?;
    if run.state == RunState::Running {
        let Some(live) = services.runs.find(run.id) else {
            let hint = "it is closed by itself when its lease expires, within a minute";
            return Err(Refusal::new(RefusalKind::Refused, "the run does not go on in this process")
                .then(Next::Text(hint.to_owned())));
        };
        live.cancel.cancel();
    }
    Ok(run)
}
