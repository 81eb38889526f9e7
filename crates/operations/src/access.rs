//! Who may do what: the one place. Every operation asks here before it does anything.
//!
//! A token's scopes say what a program may do, roles what its person may: both must allow it. What a caller
//! may not see does not exist for them (`NotFound`); what they see but may not do is `Forbidden`. Every
//! denial is audited here and nowhere else; many of one caller become one entry with a count
//! (`denials.rs`). An instance role gives no access to what collections hold.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, AuditOutcome, ObjectKind, ObjectRef};
use vaultterm_reconcile::RecordId;
use vaultterm_store::{CollectionRole, Context, InstanceRole, Owned, Scope, StoreError};
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, PlanId, RunId};

use crate::{
    caller::Caller,
    denials::Summary,
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
};

/// The scopes of operations on records, for which runs leave room. Operations that also go with other scopes, such as those that
/// watch a run, are not among them: watching a run does not slow it.
const RECORDS: [Scope; 3] = [Scope::RecordsRead, Scope::RecordsReveal, Scope::RecordsWrite];

/// Requires a scope of the caller's credential.
///
/// # Errors
/// `Forbidden`.
pub async fn scope(services: &Services, caller: &Caller, scope: Scope) -> Result<(), Refusal> {
    any_scope(services, caller, &[scope]).await?;
    if RECORDS.contains(&scope) {
        services.readers.note();
    }
    Ok(())
}

/// Requires one of several scopes of the caller's credential.
///
/// # Errors
/// `Forbidden`.
pub async fn any_scope(services: &Services, caller: &Caller, scopes: &[Scope]) -> Result<(), Refusal> {
    if scopes.iter().any(|scope| caller.credential.scopes.contains(scope)) {
        return Ok(());
    }
    let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    let needs = format!("scope {}", names.join(" or "));
    denied(services, caller, None, &needs).await?;
    let why = format!("the token lacks the {needs}");
    Err(Refusal::new(RefusalKind::Forbidden, why).then(Next::CreateTokenWith(scopes.to_vec())))
}

/// Requires a role on the installation.
///
/// # Errors
/// `Forbidden`.
pub async fn instance(services: &Services, caller: &Caller, role: InstanceRole) -> Result<(), Refusal> {
    if caller.user.role >= role {
        return Ok(());
    }
    denied(services, caller, None, &format!("instance role {}", role.as_str())).await?;
    let (needs, has) = (role.as_str(), caller.user.role.as_str());
    let why = format!("this needs the role `{needs}` on the installation; yours is `{has}`");
    let owners = services.store.owners().await?;
    Err(Refusal::new(RefusalKind::Forbidden, why).then(Next::AskOwner(owners)))
}

/// Requires a role on a collection.
///
/// # Errors
/// `NotFound` without any role on it, `Forbidden` with a lesser one.
pub async fn collection(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    role: CollectionRole,
) -> Result<CollectionId, Refusal> {
    on(services, caller, Owned::Collection(CollectionId(id)), role).await
}

/// Requires a role on the collection of a record, live or in the trash.
///
/// # Errors
/// `NotFound` without any role on it, `Forbidden` with a lesser one.
pub async fn record(services: &Services, caller: &Caller, id: Uuid, role: CollectionRole) -> Result<RecordId, Refusal> {
    on(services, caller, Owned::Record(RecordId(id)), role).await?;
    Ok(RecordId(id))
}

/// Requires a role on the collection of a connection.
///
/// # Errors
/// `NotFound` without any role on it, `Forbidden` with a lesser one.
pub async fn connection(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    role: CollectionRole,
) -> Result<ConnectionId, Refusal> {
    on(services, caller, Owned::Connection(ConnectionId(id)), role).await?;
    Ok(ConnectionId(id))
}

/// Requires a role on the collection of a run's connection.
///
/// # Errors
/// `NotFound` without any role on it, `Forbidden` with a lesser one.
pub async fn run(services: &Services, caller: &Caller, id: Uuid, role: CollectionRole) -> Result<RunId, Refusal> {
    on(services, caller, Owned::Run(RunId(id)), role).await?;
    Ok(RunId(id))
}

/// Requires a role on the collection of a plan's connection.
///
/// # Errors
/// `NotFound` without any role on it, `Forbidden` with a lesser one.
pub async fn plan(services: &Services, caller: &Caller, id: Uuid, role: CollectionRole) -> Result<PlanId, Refusal> {
    on(services, caller, Owned::Plan(PlanId(id)), role).await?;
    Ok(PlanId(id))
}

/// Requires a role on the collection of a conflict's connection.
///
/// # Errors
/// `NotFound` without any role on it, `Forbidden` with a lesser one.
pub async fn conflict(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    role: CollectionRole,
) -> Result<ConflictId, Refusal> {
    on(services, caller, Owned::Conflict(ConflictId(id)), role).await?;
    Ok(ConflictId(id))
}

/// The roles of a caller on collections, for a page that offers only what the caller may do. Nothing is audited,
/// because nothing is asked for. The operation behind each button asks again.
#[derive(Clone, Debug, Default)]
pub struct Roles(BTreeMap<CollectionId, CollectionRole>);

impl Roles {
    /// Reads the roles of a caller.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(services: &Services, caller: &Caller) -> Result<Self, Refusal> {
        Ok(Self(services.store.roles_of(caller.user.id).await?))
    }

    /// Says whether the caller has at least this role on a collection.
    #[must_use]
    pub fn on(&self, collection: Uuid, role: CollectionRole) -> bool {
        suffices(self.0.get(&CollectionId(collection)).copied(), role)
    }

    /// Returns the collections on which the caller has at least this role.
    #[must_use]
    pub fn collections(&self, role: CollectionRole) -> Vec<CollectionId> {
        self.0.iter().filter(|(_, held)| suffices(Some(**held), role)).map(|(id, _)| *id).collect()
    }

    /// Says whether the caller has at least this role on any collection, or has none yet: who makes a collection owns
    /// it.
    #[must_use]
    pub fn anywhere(&self, role: CollectionRole) -> bool {
        self.0.is_empty() || self.0.values().any(|held| suffices(Some(*held), role))
    }
}

/// Says whether a role is enough where another one is needed.
fn suffices(held: Option<CollectionRole>, needed: CollectionRole) -> bool {
    held.is_some_and(|held| held >= needed)
}

/// The one comparison of roles on a collection. The object and the role are read in one statement.
async fn on(
    services: &Services,
    caller: &Caller,
    object: Owned,
    role: CollectionRole,
) -> Result<CollectionId, Refusal> {
    let what = object.what();
    let found = services.store.role_on(object, caller.user.id).await?.ok_or_else(|| Refusal::not_found(what))?;
    if suffices(found.role, role) {
        return Ok(found.collection_id);
    }
    denied(services, caller, Some(found.collection_id), &format!("collection role {}", role.as_str())).await?;
    let Some(held) = found.role else { return Err(Refusal::not_found(what)) };
    let name = services.store.collection(found.collection_id).await?.map_or_else(String::new, |found| found.name);
    let (needs, has) = (role.as_str(), held.as_str());
    let why = format!("this needs the role `{needs}` on the collection `{name}`; yours is `{has}`");
    let admins = services.store.who_can_grant(found.collection_id).await?;
    Err(Refusal::new(RefusalKind::Forbidden, why).then(Next::AskAdmin(admins)))
}

/// Requires that a token is the caller's own, or that the caller is an admin of the installation.
///
/// # Errors
/// `NotFound`.
pub async fn token(services: &Services, caller: &Caller, id: Uuid) -> Result<Uuid, Refusal> {
    let token = services.store.token(id).await?.ok_or_else(|| Refusal::not_found("token"))?;
    if token.user_id == caller.user.id || caller.user.role >= InstanceRole::Admin {
        return Ok(id);
    }
    denied(services, caller, None, &format!("instance role {}", InstanceRole::Admin.as_str())).await?;
    Err(Refusal::not_found("token"))
}

/// Requires that the caller's credential has each of these scopes: nobody gives a token more than they show.
///
/// # Errors
/// `Forbidden`.
pub async fn at_most_own_scopes(services: &Services, caller: &Caller, scopes: &[Scope]) -> Result<(), Refusal> {
    let Some(more) = scopes.iter().find(|scope| !caller.credential.scopes.contains(scope)) else { return Ok(()) };
    denied(services, caller, None, &format!("scope {}", more.as_str())).await?;
    let why = format!("the scope `{}` is more than the token that asks may do", more.as_str());
    Err(Refusal::new(RefusalKind::Forbidden, why))
}

/// Passes on values that the store took out to be shown. That a record is for programs only is a denial,
/// audited like every other one.
///
/// # Errors
/// What the store refused.
pub async fn shown<T>(services: &Services, caller: &Caller, taken: Result<T, StoreError>) -> Result<T, Refusal> {
    if let Err(StoreError::InjectOnly { collection }) = &taken {
        denied(services, caller, Some(*collection), "a record that may be seen").await?;
    }
    Ok(taken?)
}

/// Writes a denial into the audit log (`ACCESS_DENIED`): the first ones of a caller in a minute one by one,
/// the rest as one entry with a count.
pub(crate) async fn denied(
    services: &Services,
    caller: &Caller,
    collection: Option<CollectionId>,
    needs: &str,
) -> Result<(), Refusal> {
    let context = caller.context(services);
    if !services.denials.count(&context.actor, context.source_ip.as_deref(), needs, context.now_us) {
        return Ok(());
    }
    let object = collection.map(|id| ObjectRef { kind: ObjectKind::Collection, id: id.0, name: None });
    let detail = BTreeMap::from([("needs".to_owned(), needs.to_owned())]);
    let objects = object.into_iter().collect();
    services.store.audit(&context, AuditAction::AccessDenied, objects, AuditOutcome::Denied, detail).await?;
    Ok(())
}

/// Writes what was not written one by one of the denials: of the minutes that are over, or of all
/// (`ACCESS_DENIED`).
///
/// # Errors
/// When the database fails.
pub async fn sum_up_denials(services: &Services, all: bool) -> Result<(), StoreError> {
    let now_us = services.now_us();
    for summary in services.denials.due(now_us, all) {
        let Summary { actor, source_ip, count, needs } = summary;
        let context = Context { actor, source_ip, request_id: None, now_us };
        let detail = BTreeMap::from([("count".to_owned(), count.to_string()), ("needs".to_owned(), needs)]);
        services.store.audit(&context, AuditAction::AccessDenied, Vec::new(), AuditOutcome::Denied, detail).await?;
    }
    Ok(())
}
