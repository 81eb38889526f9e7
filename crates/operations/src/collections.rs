//! Collections of records.

use uuid::Uuid;
use vaultterm_store::{Collection, CollectionRole, Page, Paged, Scope};
use vaultterm_sync::CollectionId;

use crate::{access, caller::Caller, names, part::Part, read_at::ReadAt, refusal::Refusal, services::Services};

/// The scopes of which each may look at collections.
const LOOK: [Scope; 2] = [Scope::RecordsRead, Scope::ConnectionsWrite];

/// Lists the collections that the caller has a role on.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, part: Part) -> Result<Paged<Collection>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    Ok(services.store.collections(Some(caller.user.id), &part.page()?).await?)
}

/// Creates a collection. The caller becomes its owner.
///
/// # Errors
/// [`Refusal`].
pub async fn create(services: &Services, caller: &Caller, name: &str) -> Result<Collection, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let name = names::collection(name)?;
    Ok(services.store.create_collection(&caller.context(services), name, caller.user.id).await?)
}

/// Finds a collection.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<Collection, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::collection(services, caller, id, CollectionRole::Viewer).await?;
    services.store.collection(id).await?.ok_or_else(|| Refusal::not_found("collection"))
}

/// Renames a collection.
///
/// # Errors
/// [`Refusal`]; `Changed` when the collection is at another revision than the caller read.
pub async fn rename(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    read_at: ReadAt,
    name: &str,
) -> Result<Collection, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let id = access::collection(services, caller, id, CollectionRole::Admin).await?;
    let revision = read_at.needed()?;
    let name = names::collection(name)?;
    Ok(services.store.rename_collection(&caller.context(services), id, revision, name).await?)
}

/// Deletes a collection.
///
/// # Errors
/// [`Refusal`].
pub async fn delete(services: &Services, caller: &Caller, id: Uuid, read_at: ReadAt) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let id = access::collection(services, caller, id, CollectionRole::Owner).await?;
    Ok(services.store.delete_collection(&caller.context(services), id, read_at.if_told()?).await?)
}

/// Returns every collection that the caller has a role on.
pub(crate) async fn of(services: &Services, caller: &Caller) -> Result<Vec<CollectionId>, Refusal> {
    let mut ids = Vec::new();
    let mut page = Page { limit: 500, cursor: None };
    loop {
        let found = services.store.collections(Some(caller.user.id), &page).await?;
        ids.extend(found.items.iter().map(|collection| collection.id));
        match found.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(ids),
        }
    }
}
