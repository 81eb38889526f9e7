//! Connections: a collection kept in step with a place in Vault.
//!
//! Bodies and answers are in `connections/body.rs` and `connections/view.rs`.

pub(crate) mod accepted;
mod body;
pub(crate) mod ignored;
mod view;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_sealing::SecretText;
use vaultterm_store::{CollectionRole, ConnectionSummary, ConnectionUpdate, Scope, StoreError};
use vaultterm_sync::{
    Connection, ConnectionId, ConnectionSecrets, Connector as _, Credential, Entitlement as _, Journal as _,
    JournalError,
};

use body::{ConnectionCreate, ConnectionPatch, CredentialBody};
pub(crate) use body::{named, place};
use view::ConnectionView;

use super::{
    collections::etag,
    list::{ListView, PageQuery, listed},
    members::collections_of,
    plans::Nothing,
};
use crate::{
    app::App,
    caller::Caller,
    carry_out::insist,
    moment,
    problem::{Kind, Problem, is_busy},
    request::{Body, Id, IfMatch, Parameters},
};

type Answer = Result<(HeaderMap, Json<ConnectionView>), Problem>;

/// What may look at connections.
const LOOK: [Scope; 4] = [Scope::ConnectionsWrite, Scope::RecordsRead, Scope::SyncPlan, Scope::SyncRun];

/// A connection as it is answered at this moment.
fn view(app: &App, summary: &ConnectionSummary) -> ConnectionView {
    ConnectionView::of(summary, app.license.missing().as_ref())
}

async fn answer(app: &App, id: ConnectionId) -> Answer {
    let summary = app.store.connection_summary(id).await?.ok_or_else(|| Problem::not_found("connection"))?;
    Ok((etag(summary.connection.revision), Json(view(app, &summary))))
}

/// Lists the connections of the caller's collections, by name.
#[utoipa::path(get, path = "/connections", tag = "connections", params(PageQuery),
    responses((status = 200, body = ListView<ConnectionView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<ConnectionView>>, Problem> {
    app.need_any_scope(&caller, &LOOK).await?;
    let collections = collections_of(&app, caller.user.id).await?;
    let found = app.store.connection_summaries(Some(&collections), &query.page()?).await?;
    Ok(listed(found, |summary| view(&app, summary)))
}

/// Creates a connection. Nothing is read from or written to Vault, but for a wrapped `SecretID`,
/// which is unwrapped at once: its token does not hold for long. With a namespace, the server is asked
/// whether it has namespaces, if it can be reached.
#[utoipa::path(post, path = "/connections", tag = "connections", request_body = ConnectionCreate,
    responses((status = 201, body = ConnectionView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<ConnectionCreate>,
) -> Result<(StatusCode, HeaderMap, Json<ConnectionView>), Problem> {
    app.need_scope(&caller, Scope::ConnectionsWrite).await?;
    app.collection_for(&caller, body.collection_id, CollectionRole::Admin).await?;
    let new = body.checked(app.options.allow_plaintext_vault)?;
    app.connector.refuse_ignored_namespace(&new.connection, &new.secrets).await?;
    let made = app.store.create_connection(&caller.context(&app), new).await?;
    if let Err(problem) = unwrap(&app, made.id).await {
        // The wrapped SecretID could not be had, so the connection can never log in: it is deleted again.
        app.store.delete_connection(&caller.context(&app), made.id, None).await?;
        return Err(problem);
    }
    let (headers, view) = answer(&app, made.id).await?;
    Ok((StatusCode::CREATED, headers, view))
}

/// Unwraps the `SecretID` of a connection, if it came wrapped, and keeps it.
async fn unwrap(app: &App, id: ConnectionId) -> Result<(Connection, ConnectionSecrets), Problem> {
    let loaded = app.store.connection(id).await?;
    let (connection, mut secrets) = loaded.ok_or_else(|| Problem::not_found("connection"))?;
    if let Credential::WrappingToken(token) = &secrets.credential
        && let Some(secret_id) = app.connector.unwrap_secret_id(&connection, &secrets).await?
    {
        insist(
            |error| matches!(error, JournalError::Database(source) if is_busy(source.as_ref())),
            || app.store.store_unwrapped(id, token, &secret_id),
        )
        .await?;
        secrets.credential = Credential::SecretId(secret_id);
    }
    Ok((connection, secrets))
}

/// Shows a connection and how it stands.
#[utoipa::path(get, path = "/connections/{id}", tag = "connections", params(("id" = Uuid, Path)),
    responses((status = 200, body = ConnectionView), (status = 404, body = Problem)))]
pub(crate) async fn show(State(app): State<App>, caller: Caller, Id(id): Id) -> Answer {
    app.need_any_scope(&caller, &LOOK).await?;
    let found = app.connection_for(&caller, id, CollectionRole::Viewer).await?;
    Ok((etag(found.connection.revision), Json(view(&app, &found))))
}

/// Changes a connection. What is not named stays.
#[utoipa::path(patch, path = "/connections/{id}", tag = "connections", request_body = ConnectionPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = ConnectionView), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    Body(body): Body<ConnectionPatch>,
) -> Answer {
    app.need_scope(&caller, Scope::ConnectionsWrite).await?;
    let before = app.connection_for(&caller, id, CollectionRole::Admin).await?.connection;
    let revision = if_match.required()?;
    let update = body.checked(&before, app.options.allow_plaintext_vault)?;
    refuse_ignored_namespace(&app, &before, &update).await?;
    app.store.update_connection(&caller.context(&app), before.id, revision, update).await?;
    answer(&app, before.id).await
}

/// Refuses an edit after which the server would ignore the connection's namespace.
async fn refuse_ignored_namespace(app: &App, before: &Connection, update: &ConnectionUpdate) -> Result<(), Problem> {
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
    let Some(secrets) = app.store.connection_secrets(before.id).await? else { return Ok(()) };
    Ok(app.connector.refuse_ignored_namespace(&after, &secrets).await?)
}

/// Deletes a connection. Records and secrets stay as they are.
#[utoipa::path(delete, path = "/connections/{id}", tag = "connections", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 412, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    app.need_scope(&caller, Scope::ConnectionsWrite).await?;
    let found = app.connection_for(&caller, id, CollectionRole::Admin).await?;
    app.store.delete_connection(&caller.context(&app), found.connection.id, if_match.optional()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a test found: needed beside granted.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestView {
    ok: bool,
    checks: Vec<CheckView>,
    server: Option<ServerView>,
    secret_id_expires_at: Option<String>,
}

/// One thing that was checked.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckView {
    /// `address`, `tls`, `health`, `namespace`, `login`, `mount`, `listing`, `freshness`, `token`, `answers`
    /// (of a server that is too slow), or a capability and its path.
    name: String,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// What answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerView {
    product: String,
    version: String,
}

/// Checks everything that a run needs; changes nothing on either side. A server that needs more than a minute is
/// not waited for.
#[utoipa::path(post, path = "/connections/{id}/test", tag = "connections", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = TestView)))]
pub(crate) async fn test(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<TestView>, Problem> {
    app.need_scope(&caller, Scope::ConnectionsWrite).await?;
    let found = app.connection_for(&caller, id, CollectionRole::Admin).await?;
    let (connection, secrets) = unwrap(&app, found.connection.id).await?;
    let report = app.connector.test(&connection, &secrets).await;
    let expires_us = report.secret_id_expires.map(|moment| moment.0.div_euclid(1_000));
    app.store.record_connection_test(&caller.context(&app), connection.id, report.ok, expires_us).await?;
    let checks = report.checks.into_iter();
    Ok(Json(TestView {
        ok: report.ok,
        checks: checks.map(|c| CheckView { name: c.name, ok: c.ok, detail: c.detail, hint: c.hint }).collect(),
        server: report.server.map(|server| ServerView { product: server.product, version: server.version }),
        secret_id_expires_at: report.secret_id_expires.map(moment::of),
    }))
}

/// Replaces the `SecretID`. A wrapped one is unwrapped at once; if that fails the old one stays.
#[utoipa::path(put, path = "/connections/{id}/secret-id", tag = "connections", request_body = CredentialBody,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConnectionView)))]
pub(crate) async fn rotate_secret_id(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<CredentialBody>,
) -> Answer {
    app.need_scope(&caller, Scope::ConnectionsWrite).await?;
    let found = app.connection_for(&caller, id, CollectionRole::Admin).await?.connection;
    let mut credential = body.checked()?;
    if matches!(credential, Credential::WrappingToken(_)) {
        let client_key_pem = app.store.connection_secrets(found.id).await?.and_then(|held| held.client_key_pem);
        let secrets = ConnectionSecrets { credential, client_key_pem };
        let unwrapped = app.connector.unwrap_secret_id(&found, &secrets).await?;
        credential = unwrapped.map_or(secrets.credential, Credential::SecretId);
    }
    let context = caller.context(&app);
    let busy = |error: &StoreError| matches!(error, StoreError::Busy);
    insist(busy, || app.store.rotate_secret_id(&context, found.id, &credential)).await?;
    answer(&app, found.id).await
}

/// Stops runs from starting.
#[utoipa::path(post, path = "/connections/{id}/pause", tag = "connections", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConnectionView)))]
pub(crate) async fn pause(State(app): State<App>, caller: Caller, Id(id): Id, _: Body<Nothing>) -> Answer {
    set_paused(&app, &caller, id, true).await
}

/// Lets runs start again.
#[utoipa::path(post, path = "/connections/{id}/resume", tag = "connections", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConnectionView)))]
pub(crate) async fn resume(State(app): State<App>, caller: Caller, Id(id): Id, _: Body<Nothing>) -> Answer {
    set_paused(&app, &caller, id, false).await
}

async fn set_paused(app: &App, caller: &Caller, id: Uuid, paused: bool) -> Answer {
    app.need_any_scope(caller, &[Scope::ConnectionsWrite, Scope::SyncRun]).await?;
    let found = app.connection_for(caller, id, CollectionRole::Editor).await?.connection;
    app.store.pause_connection(&caller.context(app), found.id, paused).await?;
    answer(app, found.id).await
}

/// Takes a secret out of a body.
fn secret(field: &str, text: &str) -> Result<SecretText, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Err(Problem::field(field, "is empty, or holds characters that no credential has"));
    }
    Ok(SecretText::new(text.to_owned()))
}

/// Refuses a login method that there is not.
fn approle(method: Option<&str>) -> Result<(), Problem> {
    match method {
        None | Some("approle") => Ok(()),
        Some(_) => Err(Problem::field("auth.method", "expected `approle`")),
    }
}

/// The credential in two fields of which exactly one is there.
fn credential(field: &str, secret_id: Option<&str>, wrapping_token: Option<&str>) -> Result<Credential, Problem> {
    match (secret_id, wrapping_token) {
        (Some(text), None) => secret(&format!("{field}secret_id"), text).map(Credential::SecretId),
        (None, Some(text)) => secret(&format!("{field}wrapping_token"), text).map(Credential::WrappingToken),
        (None, None) => Err(Problem::field(format!("{field}secret_id"), "is missing")
            .hint("create one in Vault: `vault write -f auth/approle/role/<role>/secret-id`")),
        (Some(_), Some(_)) => Err(Problem::new(Kind::Invalid, "send either `secret_id` or `wrapping_token`, not both")),
    }
}
