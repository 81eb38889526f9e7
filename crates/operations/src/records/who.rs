//! Who can see a record, what they can do with it, and why.

use uuid::Uuid;
use vaultterm_store::{Collection, CollectionRole, Grant, Page, Scope};

use super::found;
use crate::{access, caller::Caller, part::Part, refusal::Refusal, services::Services};

/// A person who can see a record.
#[derive(Clone, Debug)]
pub struct Seer {
    /// The person.
    pub user_id: Uuid,
    /// Their e-mail address.
    pub email: String,
    /// What they may do.
    pub role: CollectionRole,
    /// Who gave them the role, and when, as far as the audit log still tells.
    pub given: Option<Grant>,
}

/// Who can see a record: the members of its collection, and nobody else.
#[derive(Clone, Debug)]
pub struct Seers {
    /// The collection whose members they are.
    pub collection: Collection,
    /// The people, by e-mail address.
    pub people: Vec<Seer>,
    /// Programs alone get the values, so nobody is shown them.
    pub programs_only: bool,
    /// Where the next part begins.
    pub next_cursor: Option<String>,
}

/// Tells who can see a record and why. A role on the installation gives no access to it.
///
/// # Errors
/// `NotFound` for a record that the caller has no role on.
pub async fn who(services: &Services, caller: &Caller, id: Uuid, part: Part) -> Result<Seers, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let id = access::record(services, caller, id, CollectionRole::Viewer).await?;
    let record = found(services, id).await?;
    let store = &services.store;
    let page: Page = part.page()?;
    let collection = store.collection(record.collection_id).await?.ok_or_else(|| Refusal::not_found("collection"))?;
    let members = store.members(collection.id, &page).await?;
    let mut grants = store.grants(collection.id).await?;
    let people = members.items.into_iter().map(|member| Seer {
        given: grants.remove(&member.user_id),
        user_id: member.user_id,
        email: member.email,
        role: member.role,
    });
    Ok(Seers {
        people: people.collect(),
        programs_only: record.inject_only,
        next_cursor: members.next_cursor,
        collection,
    })
}
