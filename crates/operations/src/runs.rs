//! Runs: starting, following and cancelling them.

mod cancel;
pub(crate) mod feed;
mod follow;
pub(crate) mod start;

use uuid::Uuid;
use vaultterm_store::{CollectionRole, Paged, Scope};
use vaultterm_sync::Run;

pub use cancel::cancel;
pub use feed::{LiveEvent, LiveRuns, Told};
pub use follow::follow;
pub use start::{Start, start};

use crate::{access, caller::Caller, collections, part::Part, refusal::Refusal, services::Services};

/// The scopes of which each may look at runs.
const LOOK: [Scope; 3] = [Scope::SyncPlan, Scope::SyncRun, Scope::RecordsRead];

/// Lists the runs of a connection, the newest first.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, connection: Uuid, part: Part) -> Result<Paged<Run>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::connection(services, caller, connection, CollectionRole::Viewer).await?;
    Ok(services.store.runs(id, &part.page()?).await?)
}

/// Lists the runs of all connections of the caller's collections, the newest first.
///
/// # Errors
/// [`Refusal`].
pub async fn recent(services: &Services, caller: &Caller, part: Part) -> Result<Paged<Run>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let collections = collections::of(services, caller).await?;
    Ok(services.store.recent_runs(&collections, &part.page()?).await?)
}

/// Finds a run.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<Run, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::run(services, caller, id, CollectionRole::Viewer).await?;
    services.store.run(id).await?.ok_or_else(|| Refusal::not_found("run"))
}
