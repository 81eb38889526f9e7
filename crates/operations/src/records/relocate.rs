//! Records that move to another collection, and what that means before it is done.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_reconcile::{RecordId, Revision};
use vaultterm_store::{Collection, CollectionRole, ConnectionSummary, Member, Page, ReadRecord, Record, Scope};
use vaultterm_sync::CollectionId;

use super::{found, path};
use crate::{access, caller::Caller, read_at::ReadAt, refusal::Refusal, services::Services};

/// What a move of a record to another collection would mean.
#[derive(Clone, Debug)]
pub struct Relocation {
    /// The record as it is now.
    pub record: Record,
    /// The collection that it would leave.
    pub from: Collection,
    /// The collection that it would enter.
    pub to: Collection,
    /// Who could see it afterwards and cannot now.
    pub gains: Vec<Member>,
    /// Who can see it now and could not afterwards.
    pub loses: Vec<Member>,
    /// Who could do more or less with it afterwards.
    pub changes: Vec<RoleChange>,
    /// The connections that look after it now. For them, it is deleted.
    pub leaves: Vec<ConnectionSummary>,
    /// The connections that would look after it.
    pub enters: Vec<ConnectionSummary>,
}

/// A person whose role on a record would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// The e-mail address.
    pub email: String,
    /// The role now.
    pub before: CollectionRole,
    /// The role afterwards.
    pub after: CollectionRole,
}

/// Tells what a move of a record to another collection would mean, and changes nothing.
///
/// # Errors
/// As [`relocate`].
pub async fn relocation(services: &Services, caller: &Caller, id: Uuid, to: Uuid) -> Result<Relocation, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let (id, to) = may_move(services, caller, id, to).await?;
    let record = found(services, id).await?;
    let store = &services.store;
    let collection = async |id| store.collection(id).await?.ok_or_else(|| Refusal::not_found("collection"));
    let (before, after) = (members(services, record.collection_id).await?, members(services, to).await?);
    let only_in = |one: &BTreeMap<Uuid, Member>, other: &BTreeMap<Uuid, Member>| {
        one.values().filter(|member| !other.contains_key(&member.user_id)).cloned().collect()
    };
    let changes = before.values().filter_map(|member| {
        let role = after.get(&member.user_id)?.role;
        (role != member.role).then(|| RoleChange { email: member.email.clone(), before: member.role, after: role })
    });
    let all = Page { limit: 500, cursor: None };
    Ok(Relocation {
        from: collection(record.collection_id).await?,
        to: collection(to).await?,
        gains: only_in(&after, &before),
        loses: only_in(&before, &after),
        changes: changes.collect(),
        leaves: store.connection_summaries(Some(&[record.collection_id]), &all).await?.items,
        enters: store.connection_summaries(Some(&[to]), &all).await?.items,
        record,
    })
}

/// Moves a record with all its revisions to another collection, under another path if one is named.
///
/// # Errors
/// `Forbidden` for less than an admin of the collection that it leaves, or less than an editor of the one that it
/// enters; `Changed`; `Exists`; `Refused` while a conflict is open.
pub async fn relocate(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    read_at: ReadAt,
    to: Uuid,
    new_path: Option<String>,
) -> Result<Record, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let (id, to) = may_move(services, caller, id, to).await?;
    let record = ReadRecord { id, revision: Revision(read_at.needed()?) };
    let new_path = new_path.map(path).transpose()?;
    Ok(services.store.move_record(&caller.context(services), record, to, new_path).await?)
}

/// Leaving is like a deletion, entering like a creation.
async fn may_move(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    to: Uuid,
) -> Result<(RecordId, CollectionId), Refusal> {
    let id = access::record(services, caller, id, CollectionRole::Admin).await?;
    let to = access::collection(services, caller, to, CollectionRole::Editor).await?;
    Ok((id, to))
}

async fn members(services: &Services, id: CollectionId) -> Result<BTreeMap<Uuid, Member>, Refusal> {
    let mut found = BTreeMap::new();
    let mut page = Page { limit: 500, cursor: None };
    loop {
        let part = services.store.members(id, &page).await?;
        found.extend(part.items.into_iter().map(|member| (member.user_id, member)));
        match part.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(found),
        }
    }
}
