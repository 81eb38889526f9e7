//! Webhooks: where the audit log is pushed to.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_ledger::Action;
use vaultterm_outbound::Address;
use vaultterm_sealing::{SealingError, WebhookSecret};
use vaultterm_store::{InstanceRole, NewWebhook, Scope, StoreError, Webhook, WebhookUpdate};
use zeroize::Zeroizing;

use super::{
    collections::etag,
    connections::named,
    list::{ListView, PageQuery, listed},
    plans::Nothing,
    users::checked_name,
};
use crate::{
    app::App,
    caller::Caller,
    moment,
    problem::{Kind, Problem},
    request::{Body, Id, IfMatch, Parameters},
    webhooks,
};

const URL_CHARS_MAX: usize = 2_000;

/// A webhook and how far it got. Its secret is shown once, when it was drawn.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookView {
    id: Uuid,
    name: String,
    url: String,
    /// Only these actions; null for all.
    actions: Option<Vec<String>>,
    paused: bool,
    /// The last entry of the audit log that was taken, or that did not match.
    delivered_seq: u64,
    /// Attempts that failed in a row.
    failures: u32,
    /// When it is tried again, after a failure.
    next_attempt_at: Option<String>,
    /// What went wrong last, until something is taken.
    last_error: Option<String>,
    last_delivered_at: Option<String>,
    /// Until when the secret before signs along.
    old_secret_until: Option<String>,
    revision: u64,
    created_at: String,
    updated_at: String,
}

impl WebhookView {
    fn of(webhook: &Webhook) -> Self {
        let actions = webhook.actions.as_ref();
        Self {
            id: webhook.id,
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            actions: actions.map(|actions| actions.iter().map(|action| action.as_str().to_owned()).collect()),
            paused: webhook.paused,
            delivered_seq: webhook.delivered_seq,
            failures: webhook.failures,
            next_attempt_at: (webhook.next_attempt_us > 0).then(|| moment::of_us(webhook.next_attempt_us)),
            last_error: webhook.last_error.clone(),
            last_delivered_at: webhook.last_delivered_us.map(moment::of_us),
            old_secret_until: webhook.old_until_us.map(moment::of_us),
            revision: webhook.revision,
            created_at: moment::of_us(webhook.created_us),
            updated_at: moment::of_us(webhook.updated_us),
        }
    }
}

/// A webhook, with its secret if that was drawn just now.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeWebhookView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Signs the messages: `whsec_…`. Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    secret: Option<Zeroizing<String>>,
}

impl MadeWebhookView {
    fn of(webhook: &Webhook, secret: Option<Zeroizing<String>>) -> Self {
        Self { webhook: WebhookView::of(webhook), secret }
    }
}

type Made = (HeaderMap, Json<MadeWebhookView>);

async fn may_manage(app: &App, caller: &Caller) -> Result<(), Problem> {
    app.need_scope(caller, Scope::Admin).await?;
    app.need_instance(caller, InstanceRole::Admin).await
}

async fn found(app: &App, id: Uuid) -> Result<Webhook, Problem> {
    app.store.webhook(id).await?.ok_or_else(|| Problem::not_found("webhook"))
}

/// Lists webhooks by name.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = ListView<WebhookView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<WebhookView>>, Problem> {
    may_manage(&app, &caller).await?;
    Ok(listed(app.store.webhooks(&query.page()?).await?, WebhookView::of))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookCreate {
    name: String,
    /// https, or plain http to loopback.
    url: String,
    /// `whsec_` and 24 to 64 bytes in base64; drawn unless given, and shown once.
    #[schema(value_type = Option<String>)]
    secret: Option<Zeroizing<String>>,
    /// Only these actions, for example `RECORD_REVEALED`; all unless given.
    actions: Option<Vec<String>>,
    #[serde(default)]
    paused: bool,
    /// The first entry of the audit log to send; whatever is written from now on unless given.
    from_seq: Option<u64>,
}

/// Creates a webhook. Its own creation is the first thing it sends, unless told.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = WebhookCreate,
    responses((status = 201, body = MadeWebhookView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<WebhookCreate>,
) -> Result<(StatusCode, HeaderMap, Json<MadeWebhookView>), Problem> {
    may_manage(&app, &caller).await?;
    let (secret, shown) = match body.secret {
        Some(text) => (given(&text)?, None),
        None => drawn()?,
    };
    let new = NewWebhook {
        name: checked_name(&body.name)?,
        url: checked_url(&body.url)?,
        actions: body.actions.as_deref().map(checked_actions).transpose()?,
        paused: body.paused,
        secret,
        from_seq: body.from_seq,
    };
    let made = app.store.create_webhook(&caller.context(&app), new).await?;
    Ok((StatusCode::CREATED, etag(made.revision), Json(MadeWebhookView::of(&made, shown))))
}

/// Shows a webhook and how far it got.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = WebhookView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<(HeaderMap, Json<WebhookView>), Problem> {
    may_manage(&app, &caller).await?;
    let found = found(&app, id).await?;
    Ok((etag(found.revision), Json(WebhookView::of(&found))))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookPatch {
    name: Option<String>,
    url: Option<String>,
    /// Null for all.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<Vec<String>>)]
    actions: Option<Option<Vec<String>>>,
    paused: Option<bool>,
    /// A new secret; the one before signs along for 24 hours.
    #[schema(value_type = Option<String>)]
    secret: Option<Zeroizing<String>>,
    /// Draws a new secret and shows it once; the one before signs along for 24 hours.
    #[serde(default)]
    rotate_secret: bool,
}

/// Changes a webhook. What is not named stays; what failed is tried again at once.
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "webhooks", request_body = WebhookPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = MadeWebhookView), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    Body(body): Body<WebhookPatch>,
) -> Result<Made, Problem> {
    may_manage(&app, &caller).await?;
    found(&app, id).await?;
    let revision = if_match.required()?;
    let (secret, shown) = match (body.secret, body.rotate_secret) {
        (Some(_), true) => {
            return Err(Problem::new(Kind::Invalid, "send either `secret` or `rotate_secret`, not both"));
        }
        (Some(text), false) => (Some(given(&text)?), None),
        (None, true) => drawn().map(|(secret, shown)| (Some(secret), shown))?,
        (None, false) => (None, None),
    };
    let update = WebhookUpdate {
        name: body.name.as_deref().map(checked_name).transpose()?,
        url: body.url.as_deref().map(checked_url).transpose()?,
        actions: body.actions.map(|actions| actions.as_deref().map(checked_actions).transpose()).transpose()?,
        paused: body.paused,
        secret,
    };
    let changed = app.store.update_webhook(&caller.context(&app), id, revision, update).await?;
    Ok((etag(changed.revision), Json(MadeWebhookView::of(&changed, shown))))
}

/// Deletes a webhook. A message that is on its way may still arrive.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 412, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    may_manage(&app, &caller).await?;
    found(&app, id).await?;
    app.store.delete_webhook(&caller.context(&app), id, if_match.optional()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reship {
    /// The entry of the audit log to go on with.
    from_seq: u64,
}

/// Moves the cursor, back or forth: everything from that entry on is sent (again), under new ids.
#[utoipa::path(post, path = "/webhooks/{id}/reship", tag = "webhooks", request_body = Reship,
    params(("id" = Uuid, Path)), responses((status = 200, body = WebhookView), (status = 409, body = Problem)))]
pub(crate) async fn reship(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Reship>,
) -> Result<(HeaderMap, Json<WebhookView>), Problem> {
    may_manage(&app, &caller).await?;
    found(&app, id).await?;
    let moved = app.store.reship_webhook(&caller.context(&app), id, body.from_seq).await?;
    Ok((etag(moved.revision), Json(WebhookView::of(&moved))))
}

/// What became of a test message.
#[derive(Serialize, ToSchema)]
pub(crate) struct TriedView {
    ok: bool,
    /// What the receiver answered, if it did.
    status: Option<u16>,
    detail: String,
    took_ms: u64,
}

/// Sends a signed message of the type `webhook.test`. The cursor stays where it is.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = TriedView), (status = 404, body = Problem)))]
pub(crate) async fn test(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<TriedView>, Problem> {
    may_manage(&app, &caller).await?;
    let webhooks::Tried { ok, status, detail, took_ms } = webhooks::try_out(&app, &found(&app, id).await?).await?;
    Ok(Json(TriedView { ok, status, detail, took_ms }))
}

/// Reads a secret that was given.
fn given(text: &str) -> Result<WebhookSecret, Problem> {
    WebhookSecret::parse(text.trim()).ok_or_else(|| {
        Problem::field("secret", "is `whsec_` and 24 to 64 bytes in base64; leave it out to have one drawn")
    })
}

/// Draws a secret, to be shown once.
fn drawn() -> Result<(WebhookSecret, Option<Zeroizing<String>>), Problem> {
    let secret = WebhookSecret::draw().map_err(|error: SealingError| StoreError::from(error))?;
    let shown = Zeroizing::new(secret.to_text().expose().to_owned());
    Ok((secret, Some(shown)))
}

fn checked_url(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > URL_CHARS_MAX {
        return Err(Problem::field("url", format!("has {URL_CHARS_MAX} characters at most")));
    }
    let address = Address::parse(text, false)
        .map_err(|error| Problem::field("url", error.to_string()).hint("name the receiver as https://host/path"))?;
    Ok(address.url().to_string())
}

fn checked_actions(names: &[String]) -> Result<Vec<Action>, Problem> {
    if names.is_empty() {
        return Err(Problem::field("actions", "name at least one, or leave it out for all"));
    }
    let mut actions = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let action = Action::from_name(name)
            .ok_or_else(|| Problem::field(format!("actions[{at}]"), "there is no such action"))?;
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    Ok(actions)
}
