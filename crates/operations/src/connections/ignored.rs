//! Secrets that can never be taken over under their names, and that a person accepted to be left out.

use uuid::Uuid;
use vaultterm_store::{CollectionRole, IgnoredPath, Scope};

use crate::{access, caller::Caller, refusal::Refusal, services::Services};

/// Bytes of a name, and characters of a reason, at most.
const PATH_BYTES_MAX: usize = 4_096;
const REASON_CHARS_MAX: usize = 1_000;

/// The scopes of which each may look at what is left out.
const LOOK: [Scope; 4] = [Scope::ConnectionsWrite, Scope::RecordsRead, Scope::SyncPlan, Scope::SyncRun];

/// Lists the names in Vault that a connection leaves out.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, id: Uuid) -> Result<Vec<IgnoredPath>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::connection(services, caller, id, CollectionRole::Viewer).await?;
    Ok(services.store.ignored_paths(id).await?)
}

/// Accepts that a secret is left out because it can never be taken over under its name.
///
/// # Errors
/// [`Refusal`].
pub async fn accept(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    path: &str,
    reason: Option<&str>,
) -> Result<IgnoredPath, Refusal> {
    access::scope(services, caller, Scope::ConnectionsWrite).await?;
    let id = access::connection(services, caller, id, CollectionRole::Admin).await?;
    if path.is_empty() || path.len() > PATH_BYTES_MAX || path.chars().any(char::is_control) {
        return Err(Refusal::field("path", "expected the name of a secret, as the plan shows it"));
    }
    if reason.is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX || reason.contains('\0')) {
        return Err(Refusal::field("reason", format!("expected at most {REASON_CHARS_MAX} characters")));
    }
    Ok(services.store.ignore_path(&caller.context(services), id, path, reason).await?)
}

/// Takes back that a secret is left out.
///
/// # Errors
/// [`Refusal`].
pub async fn take_back(services: &Services, caller: &Caller, id: Uuid, path: Option<&str>) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::ConnectionsWrite).await?;
    let id = access::connection(services, caller, id, CollectionRole::Admin).await?;
    let path = path.ok_or_else(|| Refusal::field("path", "is missing: name what was accepted"))?;
    Ok(services.store.stop_ignoring(&caller.context(services), id, path).await?)
}
