//! Differences between a record and its secret that people accepted.

use uuid::Uuid;
use vaultterm_store::{AcceptedDifference, CollectionRole, Scope};

use crate::{access, caller::Caller, refusal::Refusal, services::Services};

/// The scopes of which each may look at accepted differences.
const LOOK: [Scope; 4] = [Scope::ConnectionsWrite, Scope::RecordsRead, Scope::SyncPlan, Scope::SyncRun];

/// Lists the paths of a connection at which record and secret differ, and a person accepted the difference.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, id: Uuid) -> Result<Vec<AcceptedDifference>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::connection(services, caller, id, CollectionRole::Viewer).await?;
    Ok(services.store.accepted_differences(id).await?)
}

/// Takes back that a difference is accepted.
///
/// # Errors
/// [`Refusal`].
pub async fn reopen(services: &Services, caller: &Caller, id: Uuid, path: Option<&str>) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::ConflictsResolve).await?;
    let id = access::connection(services, caller, id, CollectionRole::Editor).await?;
    let path = path.ok_or_else(|| Refusal::field("path", "is missing: name the path of the difference"))?;
    Ok(services.store.reopen_difference(&caller.context(services), id, path).await?)
}
