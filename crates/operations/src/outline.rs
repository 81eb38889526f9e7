//! A record as a person looks at it: who can see it, where it lives in Vault, which values it holds and how long they
//! are. No value.

use uuid::Uuid;
use vaultterm_reconcile::{Change, Content, FieldChange, RecordId, Revision, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_store::{
    AgreedVersion, Collection, CollectionRole, ConnectionSummary, Found, Page, Paged, Record, RecordSync, RevisionInfo,
    Scope, Search, StoreError,
};

use crate::{access, caller::Caller, collections, refusal::Refusal, services::Services};

/// One side of Vault of a record.
#[derive(Clone, Debug)]
pub struct SideOfVault {
    /// The connection that looks after it.
    pub connection: ConnectionSummary,
    /// How the record stands with it.
    pub sync: RecordSync,
    /// What both sides agreed on last.
    pub agreed: Option<AgreedVersion>,
}

/// A record without its values.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The record.
    pub record: Record,
    /// Its collection.
    pub collection: Collection,
    /// What the caller may do there.
    pub role: CollectionRole,
    /// Digest and length of each value of the newest revision.
    pub contents: Content,
    /// The newest revision.
    pub newest: Option<RevisionInfo>,
    /// Its places in Vault.
    pub sides: Vec<SideOfVault>,
}

/// Finds records in all collections of the caller, the best matches first.
///
/// # Errors
/// `Forbidden` without the scope; `Invalid` for a cursor of another list.
pub async fn search(
    services: &Services,
    caller: &Caller,
    search: &Search,
    page: &Page,
) -> Result<Paged<Found>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    Ok(services.store.search(caller.user.id, search, page).await?)
}

/// Lists the folders directly below a prefix of a collection.
///
/// # Errors
/// `NotFound` for a collection that the caller has no role on.
pub async fn folders(
    services: &Services,
    caller: &Caller,
    collection: Uuid,
    prefix: &str,
) -> Result<Vec<String>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let id = access::collection(services, caller, collection, CollectionRole::Viewer).await?;
    Ok(services.store.folders(id, prefix).await?)
}

/// Lists the connections of the caller's collections, to name what looks after a record.
///
/// # Errors
/// When the database fails.
pub async fn connections(services: &Services, caller: &Caller) -> Result<Vec<ConnectionSummary>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let mine = collections::of(services, caller).await?;
    let mut found = Vec::new();
    let mut page = Page { limit: 500, cursor: None };
    loop {
        let part = services.store.connection_summaries(Some(&mine), &page).await?;
        found.extend(part.items);
        match part.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(found),
        }
    }
}

/// Finds a record and everything that its page shows, without a value.
///
/// # Errors
/// `NotFound` for a record that the caller has no role on; `Damaged` when the newest revision does not open.
pub async fn outline(services: &Services, caller: &Caller, id: Uuid) -> Result<Outline, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let id = access::record(services, caller, id, CollectionRole::Viewer).await?;
    found(services, caller, id).await
}

/// Puts together what the page of a record shows. The caller may see it.
async fn found(services: &Services, caller: &Caller, id: RecordId) -> Result<Outline, Refusal> {
    let store = &services.store;
    let record = store.record(id).await?.ok_or_else(|| Refusal::not_found("record"))?;
    let collection = store.collection(record.collection_id).await?.ok_or_else(|| Refusal::not_found("record"))?;
    let role = store.collection_role(collection.id, caller.user.id).await?;
    let mut agreed = store.agreed_versions(id).await?;
    let mut sides = Vec::new();
    for sync in record.sync.clone() {
        let Some(connection) = store.connection_summary(sync.connection_id).await? else { continue };
        let agreed = agreed.iter().position(|one| one.connection_id == sync.connection_id).map(|at| agreed.remove(at));
        sides.push(SideOfVault { connection, sync, agreed });
    }
    Ok(Outline {
        contents: store.contents(id, record.revision).await?.unwrap_or_default(),
        newest: store.revisions(id, &Page { limit: 1, cursor: None }).await?.items.pop(),
        role: role.unwrap_or(CollectionRole::Viewer),
        record,
        collection,
        sides,
    })
}

/// Finds a record that the caller may change, and everything that its form shows.
///
/// # Errors
/// `Forbidden` for a viewer; else as [`outline`].
pub async fn for_edit(services: &Services, caller: &Caller, id: Uuid) -> Result<Outline, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let id = access::record(services, caller, id, CollectionRole::Editor).await?;
    found(services, caller, id).await
}

/// A change before it is made.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The record as it is now.
    pub outline: Outline,
    /// What it held at the revision that the caller read.
    pub base: Content,
    /// What the caller typed.
    pub typed: Content,
}

/// Checks a change of a record and returns what it would change, without making it. `fields` is a JSON object of the
/// new values; `path` is the path afterwards.
///
/// # Errors
/// `Invalid` for a path or a value that would be refused; else as [`for_edit`].
pub async fn preview(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    read_at: u64,
    path: &str,
    fields: &str,
) -> Result<Preview, Refusal> {
    let outline = for_edit(services, caller, id).await?;
    let typed = judged(services, path, fields)?;
    let base = services.store.contents(outline.record.id, Revision(read_at)).await?;
    Ok(Preview { base: base.ok_or(StoreError::NotFound("revision"))?, typed, outline })
}

/// A new record before it is saved.
#[derive(Clone, Debug)]
pub struct PreviewOfNew {
    /// Where it would be.
    pub collection: Collection,
    /// What keeps the collection in step with Vaults.
    pub connections: Vec<ConnectionSummary>,
    /// What the caller typed.
    pub typed: Content,
}

/// Checks a new record and returns what saving it would mean, without saving it.
///
/// # Errors
/// `Exists` when the path is taken; `Invalid` for a path or a value that would be refused; `Forbidden` for a viewer.
pub async fn preview_new(
    services: &Services,
    caller: &Caller,
    collection: Uuid,
    path: &str,
    fields: &str,
) -> Result<PreviewOfNew, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let id = access::collection(services, caller, collection, CollectionRole::Editor).await?;
    let typed = judged(services, path, fields)?;
    let store = &services.store;
    let path = checked(path)?;
    if store.record_by_path(id, &path).await?.is_some() {
        return Err(StoreError::Exists { what: "record", name: path.as_str().to_owned() }.into());
    }
    let collection = store.collection(id).await?.ok_or_else(|| Refusal::not_found("collection"))?;
    let all = Page { limit: 500, cursor: None };
    let connections = store.connection_summaries(Some(&[id]), &all).await?.items;
    Ok(PreviewOfNew { collection, connections, typed })
}

/// Checks a path and values as a save would, and returns the digests of the values.
fn judged(services: &Services, path: &str, fields: &str) -> Result<Content, Refusal> {
    checked(path)?;
    Ok(services.store.contents_of(&SecretFields::parse_patch(fields.as_bytes())?))
}

fn checked(path: &str) -> Result<SecretPath, Refusal> {
    SecretPath::new(path.to_owned()).map_err(|error| Refusal::field("path", error.to_string()))
}

/// Tells which fields differ between two revisions of a record, by name.
///
/// # Errors
/// `NotFound` for a record that the caller has no role on, or a revision that it does not have.
pub async fn changes(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    from: Revision,
    to: Revision,
) -> Result<Vec<FieldChange>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let id = access::record(services, caller, id, CollectionRole::Viewer).await?;
    let find = async |revision| {
        let found = services.store.contents(id, revision).await?;
        found.ok_or(StoreError::NotFound("revision"))
    };
    Ok(differences(&find(from).await?, &find(to).await?))
}

/// Tells which fields differ between two contents, by name.
fn differences(from: &Content, to: &Content) -> Vec<FieldChange> {
    let names: std::collections::BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let change = |name: &String| match (from.get(name), to.get(name)) {
        (None, _) => Some(Change::Added),
        (_, None) => Some(Change::Removed),
        (Some(before), Some(after)) => (before.digest != after.digest).then_some(Change::Changed),
    };
    names.into_iter().filter_map(|name| Some(FieldChange { name: name.clone(), change: change(name)? })).collect()
}
