//! Webhooks: where the audit log is pushed to.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{
    ListView, MadeWebhookView, Nothing, Reship, TriedView, WebhookCreate, WebhookPatch, WebhookView,
};
use vaultterm_operations::{
    Caller, Services,
    webhooks::{self, Tried},
};

use super::{
    list::{PageQuery, listed},
    revised::Revised,
};
use crate::{
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
    view,
};

type Made = Revised<MadeWebhookView>;

fn answer(made: webhooks::Made) -> Made {
    Revised::at(made.webhook.revision, MadeWebhookView { webhook: view::webhook(&made.webhook), secret: made.secret })
}

/// Lists webhooks by name.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = ListView<WebhookView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<WebhookView>>, Problem> {
    Ok(listed(webhooks::list(&services, &caller, query.part()).await?, view::webhook))
}

/// Creates a webhook. Its own creation is the first thing it sends, unless told.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = WebhookCreate,
    responses((status = 201, body = MadeWebhookView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<WebhookCreate>,
) -> Result<(StatusCode, Revised<MadeWebhookView>), Problem> {
    let WebhookCreate { name, url, secret, actions, paused, from_seq } = body;
    let new = webhooks::New { name, url, secret, actions, paused, from_seq };
    Ok((StatusCode::CREATED, answer(webhooks::create(&services, &caller, new).await?)))
}

/// Shows a webhook and how far it got.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = WebhookView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Revised<WebhookView>, Problem> {
    let found = webhooks::show(&services, &caller, id).await?;
    Ok(Revised::at(found.revision, view::webhook(&found)))
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

/// Moves the cursor, back or forth: everything from that entry on is sent (again), under new ids.
#[utoipa::path(post, path = "/webhooks/{id}/reship", tag = "webhooks", request_body = Reship,
    params(("id" = Uuid, Path)), responses((status = 200, body = WebhookView), (status = 409, body = Problem)))]
pub(crate) async fn reship(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Reship>,
) -> Result<Revised<WebhookView>, Problem> {
    let moved = webhooks::reship(&services, &caller, id, body.from_seq).await?;
    Ok(Revised::at(moved.revision, view::webhook(&moved)))
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
