//! Connections: a collection kept in step with a place in Vault.

pub mod accepted;
mod checks;
mod credentials;
pub mod ignored;
pub mod policy;
mod wanted;

use uuid::Uuid;
use vaultterm_contract::Standing;
use vaultterm_hcv::TestReport;
use vaultterm_reconcile::UnixNanos;
use vaultterm_store::{CollectionRole, ConnectionSummary, ConnectionUpdate, Paged, Scope, StoreError};
use vaultterm_sync::{
    Connection, ConnectionId, ConnectionSecrets, Connector as _, Credential, Entitlement as _, Journal as _,
    JournalError,
};

pub use wanted::{Wanted, WantedAuth, WantedCredential, WantedOptions, WantedTls};

use crate::{
    access,
    caller::Caller,
    collections,
    fresh::{Act, fresh},
    insist::insist,
    part::Part,
    read_at::ReadAt,
    refusal::{Refusal, is_busy},
    services::Services,
    standing,
};

/// The scopes of which each may look at connections.
const LOOK: [Scope; 4] = [Scope::ConnectionsWrite, Scope::RecordsRead, Scope::SyncPlan, Scope::SyncRun];

/// A connection and its state at this moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The connection, with its last run and its conflicts.
    pub summary: ConnectionSummary,
    /// How it stands.
    pub standing: Standing,
    /// Why, where the standing alone does not say it.
    pub why: Option<String>,
    /// After refused logins: before this moment the schedule does not log in again.
    pub next_login: Option<UnixNanos>,
}

impl Seen {
    fn of(services: &Services, summary: ConnectionSummary) -> Self {
        let (standing, why) = standing::of(&summary, services.license.missing().as_ref());
        Self { standing, why, next_login: standing::next_login(&summary), summary }
    }
}

/// Lists the connections of the caller's collections, by name.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, part: Part) -> Result<Paged<Seen>, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let collections = collections::of(services, caller).await?;
    let found = services.store.connection_summaries(Some(&collections), &part.page()?).await?;
    let items = found.items.into_iter().map(|summary| Seen::of(services, summary)).collect();
    Ok(Paged { items, next_cursor: found.next_cursor })
}

/// Creates a connection. VaultTerm reads and writes nothing in Vault, except that it unwraps a wrapped
/// `SecretID` at once, because a wrapping token does not hold for long. With a namespace, it asks the server
/// whether it has namespaces, if it can be reached.
///
/// # Errors
/// [`Refusal`]: no connection is left.
pub async fn create(
    services: &Services,
    caller: &Caller,
    collection: Uuid,
    wanted: Wanted,
    credential: &WantedCredential,
) -> Result<Seen, Refusal> {
    access::scope(services, caller, Scope::ConnectionsWrite).await?;
    let collection = access::collection(services, caller, collection, CollectionRole::Admin).await?;
    fresh(services, caller, Act::CreateConnection).await?;
    let new = checks::new_connection(collection, wanted, credential, services.connector.allows_plaintext())?;
    services.connector.refuse_ignored_namespace(&new.connection, &new.secrets).await?;
    let made = services.store.create_connection(&caller.context(services), new).await?;
    if let Err(refusal) = unwrap(services, made.id).await {
        // The wrapped SecretID could not be had, so the connection can never log in: it is deleted again.
        services.store.delete_connection(&caller.context(services), made.id, None).await?;
        return Err(refusal);
    }
    seen(services, made.id).await
}

/// Asks the server of a connection that does not exist yet for its health, without a login. Nothing is stored.
///
/// # Errors
/// [`Refusal`]; `Invalid` for an address that may not be asked. A server that does not answer is part of the report.
pub async fn reach(
    services: &Services,
    caller: &Caller,
    collection: Uuid,
    wanted: Wanted,
) -> Result<TestReport, Refusal> {
    access::scope(services, caller, Scope::ConnectionsWrite).await?;
    let collection = access::collection(services, caller, collection, CollectionRole::Admin).await?;
    let new = checks::address_alone(collection, wanted, services.connector.allows_plaintext())?;
    Ok(services.connector.reachable(&new.connection, &new.secrets).await)
}

/// Unwraps the `SecretID` of a connection, if it came wrapped, and keeps it.
async fn unwrap(services: &Services, id: ConnectionId) -> Result<(Connection, ConnectionSecrets), Refusal> {
    let loaded = services.store.connection(id).await?;
    let (connection, mut secrets) = loaded.ok_or_else(|| Refusal::not_found("connection"))?;
    if let Credential::WrappingToken(token) = &secrets.credential
        && let Some(secret_id) = services.connector.unwrap_secret_id(&connection, &secrets).await?
    {
        insist(
            |error| matches!(error, JournalError::Database(source) if is_busy(source.as_ref())),
            || services.store.store_unwrapped(id, token, &secret_id),
        )
        .await?;
        secrets.credential = Credential::SecretId(secret_id);
    }
    Ok((connection, secrets))
}

/// Finds a connection and its state.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<Seen, Refusal> {
    access::any_scope(services, caller, &LOOK).await?;
    let id = access::connection(services, caller, id, CollectionRole::Viewer).await?;
    seen(services, id).await
}

/// Changes a connection.
///
/// # Errors
/// [`Refusal`]; `Changed` when the connection is at another revision than the caller read.
pub async fn update(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    read_at: ReadAt,
    wanted: Wanted,
) -> Result<Seen, Refusal> {
    access::scope(services, caller, Scope::ConnectionsWrite).await?;
    let id = access::connection(services, caller, id, CollectionRole::Admin).await?;
    fresh(services, caller, Act::ChangeConnection).await?;
    let revision = read_at.needed()?;
    let before = found(services, id).await?.connection;
    let update = checks::update(wanted, &before, services.connector.allows_plaintext())?;
    refuse_ignored_namespace(services, &before, &update).await?;
    services.store.update_connection(&caller.context(services), id, revision, update).await?;
    seen(services, id).await
}

/// Refuses an edit after which the server would ignore the connection's namespace.
async fn refuse_ignored_namespace(
    services: &Services,
    before: &Connection,
    update: &ConnectionUpdate,
) -> Result<(), Refusal> {
    let ConnectionUpdate { address, namespace, auth_namespace, tls, .. } = update;
    if address.is_none() && namespace.is_none() && auth_namespace.is_none() {
        return Ok(());
    }
    let after = Connection {
        address: address.clone().unwrap_or_else(|| before.address.clone()),
        namespace: namespace.clone().unwrap_or_else(|| before.namespace.clone()),
        auth_namespace: auth_namespace.clone().unwrap_or_else(|| before.auth_namespace.clone()),
        tls: tls.clone().unwrap_or_else(|| before.tls.clone()),
        ..before.clone()
    };
    let Some(secrets) = services.store.connection_secrets(before.id).await? else { return Ok(()) };
    Ok(services.connector.refuse_ignored_namespace(&after, &secrets).await?)
}

/// Deletes a connection. Records and secrets stay as they are.
///
/// # Errors
/// [`Refusal`].
pub async fn delete(services: &Services, caller: &Caller, id: Uuid, read_at: ReadAt) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::ConnectionsWrite).await?;
    let id = access::connection(services, caller, id, CollectionRole::Admin).await?;
    fresh(services, caller, Act::DeleteConnection).await?;
    Ok(services.store.delete_connection(&caller.context(services), id, read_at.if_told()?).await?)
}

/// Checks everything that a run needs. Changes nothing on either side.
///
/// # Errors
/// [`Refusal`]; a check that fails is part of the report.
pub async fn test(services: &Services, caller: &Caller, id: Uuid) -> Result<TestReport, Refusal> {
    access::scope(services, caller, Scope::ConnectionsWrite).await?;
    let id = access::connection(services, caller, id, CollectionRole::Admin).await?;
    let (connection, secrets) = unwrap(services, id).await?;
    let report = services.connector.test(&connection, &secrets).await;
    let expires_us = report.secret_id_expires.map(|moment| moment.0.div_euclid(1_000));
    services.store.record_connection_test(&caller.context(services), id, report.ok, expires_us).await?;
    Ok(report)
}

/// Replaces the `SecretID`. A wrapped one is unwrapped at once.
///
/// # Errors
/// [`Refusal`]: the `SecretID` before holds.
pub async fn rotate_secret_id(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    credential: &WantedCredential,
) -> Result<Seen, Refusal> {
    access::scope(services, caller, Scope::ConnectionsWrite).await?;
    let id = access::connection(services, caller, id, CollectionRole::Admin).await?;
    fresh(services, caller, Act::RotateSecretId).await?;
    let mut credential = credentials::credential("", credential)?;
    if matches!(credential, Credential::WrappingToken(_)) {
        let connection = found(services, id).await?.connection;
        let client_key_pem = services.store.connection_secrets(id).await?.and_then(|held| held.client_key_pem);
        let secrets = ConnectionSecrets { credential, client_key_pem };
        let unwrapped = services.connector.unwrap_secret_id(&connection, &secrets).await?;
        credential = unwrapped.map_or(secrets.credential, Credential::SecretId);
    }
    let context = caller.context(services);
    let busy = |error: &StoreError| matches!(error, StoreError::Busy);
    insist(busy, || services.store.rotate_secret_id(&context, id, &credential)).await?;
    seen(services, id).await
}

/// Stops runs of a connection from starting, or lets them start again.
///
/// # Errors
/// [`Refusal`].
pub async fn set_paused(services: &Services, caller: &Caller, id: Uuid, paused: bool) -> Result<Seen, Refusal> {
    access::any_scope(services, caller, &[Scope::ConnectionsWrite, Scope::SyncRun]).await?;
    let id = access::connection(services, caller, id, CollectionRole::Editor).await?;
    services.store.pause_connection(&caller.context(services), id, paused).await?;
    seen(services, id).await
}

async fn seen(services: &Services, id: ConnectionId) -> Result<Seen, Refusal> {
    Ok(Seen::of(services, found(services, id).await?))
}

async fn found(services: &Services, id: ConnectionId) -> Result<ConnectionSummary, Refusal> {
    services.store.connection_summary(id).await?.ok_or_else(|| Refusal::not_found("connection"))
}
