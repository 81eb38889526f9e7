//! Records of all collections of a caller, found by words, the best matches first.

use uuid::Uuid;
use vaultterm_store::{CollectionRole, Found, Paged, RecordState, Scope, Search, SyncFilter};
use vaultterm_sync::CollectionId;

use super::record_type;
use crate::{access, caller::Caller, part::Part, refusal::Refusal, services::Services};

/// Which records to find.
#[derive(Clone, Debug, Default)]
pub struct Everywhere {
    /// Words that must be in the path. Upper and lower case count as the same.
    pub query: Option<String>,
    /// In this collection only.
    pub collection: Option<Uuid>,
    /// Only paths that begin with this.
    pub prefix: Option<String>,
    /// Only this type, by name.
    pub record_type: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// How it stands with Vault: `in_step`, `differs`, `needs_decision` or `here_only`.
    pub standing: Option<String>,
    /// `live` (unless told) or `trash`.
    pub state: Option<String>,
    /// Which part of the list.
    pub part: Part,
}

/// Finds records in all collections of the caller, the best matches first, then by path.
///
/// # Errors
/// [`Refusal`]; `NotFound` for a collection that the caller has no role on.
pub async fn everywhere(services: &Services, caller: &Caller, asked: Everywhere) -> Result<Paged<Found>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    if let Some(id) = asked.collection {
        access::collection(services, caller, id, CollectionRole::Viewer).await?;
    }
    let state = asked.state.as_deref().map_or(Ok(RecordState::Live), str::parse);
    let search = Search {
        query: asked.query,
        collection: asked.collection.map(CollectionId),
        prefix: asked.prefix,
        record_type: asked.record_type.as_deref().map(record_type).transpose()?,
        tag: asked.tag,
        standing: asked.standing.as_deref().map(standing).transpose()?,
        state: state.map_err(|unknown: vaultterm_reconcile::UnknownName| Refusal::field("state", unknown.either()))?,
    };
    Ok(services.store.search(caller.user.id, &search, &asked.part.page()?).await?)
}

fn standing(name: &str) -> Result<SyncFilter, Refusal> {
    let known = name.parse();
    known.map_err(|unknown: vaultterm_reconcile::UnknownName| Refusal::field("standing", unknown.either()))
}
