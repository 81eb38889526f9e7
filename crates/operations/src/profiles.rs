//! People as an admin of the installation sees them: the state of an account, its roles and where they come from, and
//! what the person loses when the account is disabled.

use uuid::Uuid;
use vaultterm_store::{Grant, InstanceRole, Membership, Paged, PersonLink, Scope, TokenKind, User};

use crate::{access, caller::Caller, part::Part, refusal::Refusal, services::Services};

/// A person in the list.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The person.
    pub user: User,
    /// When the person was seen last, in microseconds. Only an admin of the installation learns it.
    pub seen_us: Option<i64>,
    /// Whether the person has a second factor. Only an admin of the installation learns it.
    pub has_factor: Option<bool>,
}

/// Everything about one person.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The person.
    pub user: User,
    /// When the person was seen last, in microseconds.
    pub seen_us: Option<i64>,
    /// Whether the person has a second factor.
    pub has_factor: bool,
    /// How many sessions and logins are open.
    pub sessions: usize,
    /// How many API tokens the person has.
    pub tokens: usize,
    /// Who gave the role on the installation, and when, as far as the audit log still tells.
    pub source: Option<Grant>,
    /// The roles on collections that the caller has a role on, too.
    pub roles: Vec<SourcedRole>,
    /// How many roles the person has on collections that the caller may not see.
    pub hidden_roles: usize,
    /// Invitations and reset links, the newest first.
    pub links: Vec<PersonLink>,
}

/// A role on a collection, and where it comes from.
#[derive(Clone, Debug)]
pub struct SourcedRole {
    /// The role.
    pub role: Membership,
    /// Who gave it and when, as far as the audit log still tells.
    pub source: Option<Grant>,
}

/// Lists people by e-mail address.
///
/// # Errors
/// [`Refusal`].
pub async fn all(services: &Services, caller: &Caller, part: Part) -> Result<Paged<Glance>, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    let found = services.store.users(&part.page()?).await?;
    let is_admin = caller.user.role >= InstanceRole::Admin;
    let sights = if is_admin { Some(services.store.last_sights().await?) } else { None };
    let glance = |user: User| Glance {
        seen_us: sights.as_ref().and_then(|sights| sights.seen_us.get(&user.id).copied()),
        has_factor: sights.as_ref().map(|sights| sights.with_factor.contains(&user.id)),
        user,
    };
    Ok(Paged { items: found.items.into_iter().map(glance).collect(), next_cursor: found.next_cursor })
}

/// Finds everything about one person. The caller is an admin of the installation. A collection on which the caller has no
/// role is counted and not named.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<Profile, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Admin).await?;
    let store = &services.store;
    let user = store.user(id).await?.ok_or_else(|| Refusal::not_found("user"))?;
    let now_us = services.now_us();
    let own: Vec<_> = store.memberships(caller.user.id).await?.iter().map(|role| role.collection_id).collect();
    let all = store.memberships(id).await?;
    let count = all.len();
    let mut grants = store.grants_of(id).await?;
    let seen = all.into_iter().filter(|role| own.contains(&role.collection_id));
    let roles: Vec<_> = seen.map(|role| SourcedRole { source: grants.remove(&role.collection_id), role }).collect();
    let tokens = store.tokens(Some(id), &Part::default().page()?).await?.items;
    let holds = |ends_us: Option<i64>| ends_us.is_none_or(|ends_us| ends_us > now_us);
    let open = tokens.iter().filter(|token| holds(token.expires_us));
    let (logins, programs): (Vec<_>, Vec<_>) = open.partition(|token| token.kind == TokenKind::Login);
    let sights = store.last_sights().await?;
    Ok(Profile {
        seen_us: sights.seen_us.get(&id).copied(),
        has_factor: sights.with_factor.contains(&id),
        sessions: store.sessions(id, now_us).await?.len() + logins.len(),
        tokens: programs.len(),
        source: store.account_grant(id).await?,
        hidden_roles: count - roles.len(),
        roles,
        links: store.links(id).await?,
        user,
    })
}
