//! Runs: starting, following and cancelling them.

mod cancel;
pub(crate) mod feed;
mod follow;
mod kept;
pub(crate) mod start;

use uuid::Uuid;
use vaultterm_reconcile::UnknownName;
use vaultterm_store::{CollectionRole, Paged, RunFilter, Scope};
use vaultterm_sync::{ConnectionId, Run};

pub use cancel::cancel;
pub use feed::{LiveEvent, LiveRuns, Told};
pub use follow::follow;
pub use start::{Start, start};

use crate::{access, audit::moment, caller::Caller, collections, part::Part, refusal::Refusal, services::Services};

/// The scopes of which each may look at runs.
const LOOK: [Scope; 3] = [Scope::SyncPlan, Scope::SyncRun, Scope::RecordsRead];

/// Lists the runs of a connection, the newest first.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, connection: Uuid, part: Part) -> Result<Paged<Run>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::connection(services, caller, connection, CollectionRole::Viewer).await?;
    let collections = collections::of(services, caller).await?;
    let filter = RunFilter { connection_id: Some(id), ..RunFilter::default() };
    Ok(services.store.runs(&collections, &filter, &part.page()?).await?)
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only runs of this connection.
    pub connection: Option<Uuid>,
    /// Only runs in this state, by name.
    pub state: Option<String>,
    /// Only runs that this started, by name: `manual`, `interval`, `change`, `resolution` or `takeover`.
    pub trigger: Option<String>,
    /// Only runs of this person, and of the person's programs.
    pub actor: Option<Uuid>,
    /// Only runs that began at this moment or later, RFC 3339.
    pub since: Option<String>,
    /// Which part of the list.
    pub part: Part,
}

impl Search {
    fn filter(&self) -> Result<RunFilter, Refusal> {
        let state = self.state.as_deref().map(str::parse).transpose();
        let trigger = self.trigger.as_deref().map(str::parse).transpose();
        Ok(RunFilter {
            connection_id: self.connection.map(ConnectionId),
            state: state.map_err(|unknown: UnknownName| Refusal::field("state", unknown.either()))?,
            trigger: trigger.map_err(|unknown: UnknownName| Refusal::field("trigger", unknown.either()))?,
            actor: self.actor,
            since_us: self.since.as_deref().map(|text| moment("since", text)).transpose()?,
        })
    }
}

/// Lists runs of the connections of the caller's collections, the newest first. There are none of a connection that the
/// caller may not see.
///
/// # Errors
/// [`Refusal`].
pub async fn recent(services: &Services, caller: &Caller, search: Search) -> Result<Paged<Run>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let collections = collections::of(services, caller).await?;
    Ok(services.store.runs(&collections, &search.filter()?, &search.part.page()?).await?)
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
