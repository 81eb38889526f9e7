//! The people who may use a collection.

use uuid::Uuid;
use vaultterm_reconcile::UnknownName;
use vaultterm_store::{CollectionRole, Grant, JudgedRoles, Member, Paged, Scope, StoreError};
use vaultterm_sync::CollectionId;

use crate::{
    access,
    caller::Caller,
    fresh::{Act, fresh},
    part::Part,
    refusal::{Refusal, RefusalKind},
    services::Services,
};

/// How often a change is judged again because a role moved while it was judged.
const ATTEMPTS: u32 = 3;

/// A member of a collection, and where the role comes from.
#[derive(Clone, Debug)]
pub struct Sourced {
    /// The member.
    pub member: Member,
    /// Who gave the role and when, as far as the audit log still tells.
    pub source: Option<Grant>,
}

/// Lists the members of a collection.
///
/// # Errors
/// [`Refusal`].
pub async fn list(
    services: &Services,
    caller: &Caller,
    collection: Uuid,
    part: Part,
) -> Result<Paged<Sourced>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let id = access::collection(services, caller, collection, CollectionRole::Viewer).await?;
    let Paged { items, next_cursor } = services.store.members(id, &part.page()?).await?;
    let mut grants = services.store.grants(id).await?;
    let sourced = |member: Member| Sourced { source: grants.remove(&member.user_id), member };
    Ok(Paged { items: items.into_iter().map(sourced).collect(), next_cursor })
}

/// Finds a member of a collection.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, collection: Uuid, user: Uuid) -> Result<Sourced, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let id = access::collection(services, caller, collection, CollectionRole::Viewer).await?;
    let role = services.store.collection_role(id, user).await?.ok_or_else(no_member)?;
    let email = services.store.user(user).await?.map(|user| user.email).unwrap_or_default();
    sourced(services, id, Member { user_id: user, email, role }).await
}

/// Adds to a member where the role comes from.
async fn sourced(services: &Services, collection: CollectionId, member: Member) -> Result<Sourced, Refusal> {
    let source = services.store.grants(collection).await?.remove(&member.user_id);
    Ok(Sourced { member, source })
}

/// Gives a person a role on a collection. A caller gives, and takes, at most the role that they have.
///
/// # Errors
/// [`Refusal`].
pub async fn grant(
    services: &Services,
    caller: &Caller,
    collection: Uuid,
    user: Uuid,
    role: &str,
) -> Result<Sourced, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let id = access::collection(services, caller, collection, CollectionRole::Admin).await?;
    fresh(services, caller, Act::ChangeRoles).await?;
    let role = role.parse().map_err(|unknown: UnknownName| Refusal::field("role", unknown.one_of()))?;
    if services.store.user(user).await?.is_none() {
        return Err(Refusal::not_found("user"));
    }
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        let judged = may_change(services, caller, id, user, Some(role)).await?;
        match services.store.grant(&caller.context(services), id, user, role, &judged).await {
            Err(StoreError::RolesMoved) if left > 0 => {}
            granted => return sourced(services, id, granted?).await,
        }
    }
}

/// Takes a person's role on a collection away. Every member may leave.
///
/// # Errors
/// [`Refusal`].
pub async fn revoke(services: &Services, caller: &Caller, collection: Uuid, user: Uuid) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let least = if user == caller.user.id { CollectionRole::Viewer } else { CollectionRole::Admin };
    let id = access::collection(services, caller, collection, least).await?;
    if user != caller.user.id {
        fresh(services, caller, Act::ChangeRoles).await?;
    }
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        let judged = may_change(services, caller, id, user, None).await?;
        match services.store.revoke(&caller.context(services), id, user, &judged).await {
            Err(StoreError::RolesMoved) if left > 0 => {}
            revoked => return Ok(revoked?),
        }
    }
}

/// Judges whether the caller may give a person a role, or take it away. Returns the roles that this holds
/// for; the store compares them again in the transaction of the change.
async fn may_change(
    services: &Services,
    caller: &Caller,
    id: CollectionId,
    user: Uuid,
    to: Option<CollectionRole>,
) -> Result<JudgedRoles, Refusal> {
    let by = caller.user.id;
    let by_role = services.store.collection_role(id, by).await?;
    let member_role = services.store.collection_role(id, user).await?;
    let judged = JudgedRoles { by, by_role, member_role };
    let needed = match (to, member_role) {
        (None, None) => return Err(no_member()),
        (None, Some(_)) if user == by => return Ok(judged),
        (to, held) => to.max(held).unwrap_or(CollectionRole::Admin).max(CollectionRole::Admin),
    };
    if by_role.is_none_or(|held| held < needed) {
        // Says what is missing, and audits it.
        access::collection(services, caller, id.0, needed).await?;
    }
    Ok(judged)
}

fn no_member() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "the collection has no such member")
}
