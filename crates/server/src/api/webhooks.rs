//! Webhooks: where the audit log is pushed to.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_operations::{
    Caller, Services,
    webhooks::{self, Tried},
};
use vaultterm_store::Webhook;
use zeroize::Zeroizing;

use super::{
    collections::etag,
    connections::named,
    list::{ListView, PageQuery, listed},
    plans::Nothing,
};
use crate::{
    moment,
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
};

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

fn answer(made: webhooks::Made) -> Made {
    (etag(made.webhook.revision), Json(MadeWebhookView::of(&made.webhook, made.secret)))
}

/// Lists webhooks by name.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = ListView<WebhookView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<WebhookView>>, Problem> {
    Ok(listed(webhooks::list(&services, &caller, query.part()).await?, WebhookView::of))
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
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<WebhookCreate>,
) -> Result<(StatusCode, HeaderMap, Json<MadeWebhookView>), Problem> {
    let WebhookCreate { name, url, secret, actions, paused, from_seq } = body;
    let new = webhooks::New { name, url, secret, actions, paused, from_seq };
    let (headers, body) = answer(webhooks::create(&services, &caller, new).await?);
    Ok((StatusCode::CREATED, headers, body))
}

/// Shows a webhook and how far it got.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = WebhookView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<(HeaderMap, Json<WebhookView>), Problem> {
    let found = webhooks::show(&services, &caller, id).await?;
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
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
    Body(body): Body<WebhookPatch>,
) -> Result<Made, Problem> {
    let WebhookPatch { name, url, actions, paused, secret, rotate_secret } = body;
    let change = webhooks::Change { name, url, actions, paused, secret, rotate_secret };
    Ok(answer(webhooks::update(&services, &caller, id, read_at, change).await?))
}

/// Deletes a webhook. A message that is on its way may still arrive.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 412, body = Problem)))]
pub(crate) async fn delete(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
) -> Result<StatusCode, Problem> {
    webhooks::delete(&services, &caller, id, read_at).await?;
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
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Reship>,
) -> Result<(HeaderMap, Json<WebhookView>), Problem> {
    let moved = webhooks::reship(&services, &caller, id, body.from_seq).await?;
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
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<TriedView>, Problem> {
    let Tried { ok, status, detail, took_ms } = webhooks::test(&services, &caller, id).await?;
    Ok(Json(TriedView { ok, status, detail, took_ms }))
}
