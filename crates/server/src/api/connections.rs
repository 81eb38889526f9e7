//! Connections: a collection kept in step with a place in Vault.
//!
//! Bodies and answers are in `connections/body.rs` and `connections/view.rs`.

pub(crate) mod accepted;
mod body;
pub(crate) mod ignored;
mod view;

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{
    CheckState, CheckView, ConnectionCreate, ConnectionPatch, ConnectionView, CredentialBody, ListView, Nothing,
    ReachBody, ServerView, TestView, advice, moment,
};
use vaultterm_hcv::TestReport;
use vaultterm_operations::{
    Caller, Services,
    connections::{self, Seen},
};

use super::{
    list::{PageQuery, listed},
    revised::Revised,
};
use crate::{
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
};

type Answer = Result<Revised<ConnectionView>, Problem>;

fn answer(seen: &Seen) -> Revised<ConnectionView> {
    Revised::at(seen.summary.connection.revision, view::of(seen))
}

/// Lists the connections of the caller's collections, by name.
#[utoipa::path(get, path = "/connections", tag = "connections", params(PageQuery),
    responses((status = 200, body = ListView<ConnectionView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<ConnectionView>>, Problem> {
    Ok(listed(connections::list(&services, &caller, query.part()).await?, view::of))
}

/// Creates a connection. Nothing is read from or written to Vault, but for a wrapped `SecretID`,
/// which is unwrapped at once: its token does not hold for long. With a namespace, the server is asked
/// whether it has namespaces, if it can be reached.
#[utoipa::path(post, path = "/connections", tag = "connections", request_body = ConnectionCreate,
    responses((status = 201, body = ConnectionView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<ConnectionCreate>,
) -> Result<(StatusCode, Revised<ConnectionView>), Problem> {
    let collection = body.collection_id;
    let (wanted, credential) = body::created(body);
    Ok((StatusCode::CREATED, answer(&connections::create(&services, &caller, collection, wanted, &credential).await?)))
}

/// Shows a connection and its state.
#[utoipa::path(get, path = "/connections/{id}", tag = "connections", params(("id" = Uuid, Path)),
    responses((status = 200, body = ConnectionView), (status = 404, body = Problem)))]
pub(crate) async fn show(State(services): State<Services>, caller: Caller, Id(id): Id) -> Answer {
    Ok(answer(&connections::show(&services, &caller, id).await?))
}

/// Changes a connection. What is not named stays.
#[utoipa::path(patch, path = "/connections/{id}", tag = "connections", request_body = ConnectionPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = ConnectionView), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn update(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
    Body(body): Body<ConnectionPatch>,
) -> Answer {
    Ok(answer(&connections::update(&services, &caller, id, read_at, body::changed(body)).await?))
}

/// Deletes a connection. Records and secrets stay as they are.
#[utoipa::path(delete, path = "/connections/{id}", tag = "connections", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 412, body = Problem)))]
pub(crate) async fn delete(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
) -> Result<StatusCode, Problem> {
    connections::delete(&services, &caller, id, read_at).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Checks everything that a run needs; changes nothing on either side. A server that needs more than a minute is
/// not waited for.
#[utoipa::path(post, path = "/connections/{id}/test", tag = "connections", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = TestView)))]
pub(crate) async fn test(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<TestView>, Problem> {
    Ok(Json(tested(connections::test(&services, &caller, id).await?)))
}

/// Asks the server of a connection that does not exist yet for its health, without a login. Nothing is stored.
#[utoipa::path(post, path = "/connections/reach", tag = "connections", request_body = ReachBody,
    responses((status = 200, body = TestView)))]
pub(crate) async fn reach(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<ReachBody>,
) -> Result<Json<TestView>, Problem> {
    let (collection, wanted) = body::reached(body);
    Ok(Json(tested(connections::reach(&services, &caller, collection, wanted).await?)))
}

fn tested(report: TestReport) -> TestView {
    let checks = report.checks.into_iter();
    TestView {
        ok: report.ok,
        checks: checks
            .map(|c| CheckView {
                state: match (c.ok, c.lacks_optional) {
                    (false, _) => CheckState::Failed,
                    (true, true) => CheckState::Optional,
                    (true, false) => CheckState::Ok,
                },
                name: c.name,
                ok: c.ok,
                detail: c.detail,
                hint: c.hint.as_ref().map(advice::worded),
            })
            .collect(),
        server: report.server.map(|server| ServerView { product: server.product, version: server.version }),
        secret_id_expires_at: report.secret_id_expires.map(moment::of),
    }
}

/// Replaces the `SecretID`. A wrapped one is unwrapped at once; if that fails the old one stays.
#[utoipa::path(put, path = "/connections/{id}/secret-id", tag = "connections", request_body = CredentialBody,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConnectionView)))]
pub(crate) async fn rotate_secret_id(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<CredentialBody>,
) -> Answer {
    Ok(answer(&connections::rotate_secret_id(&services, &caller, id, &body::credential(body)).await?))
}

/// Stops runs from starting.
#[utoipa::path(post, path = "/connections/{id}/pause", tag = "connections", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConnectionView)))]
pub(crate) async fn pause(State(services): State<Services>, caller: Caller, Id(id): Id, _: Body<Nothing>) -> Answer {
    Ok(answer(&connections::set_paused(&services, &caller, id, true).await?))
}

/// Lets runs start again.
#[utoipa::path(post, path = "/connections/{id}/resume", tag = "connections", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConnectionView)))]
pub(crate) async fn resume(State(services): State<Services>, caller: Caller, Id(id): Id, _: Body<Nothing>) -> Answer {
    Ok(answer(&connections::set_paused(&services, &caller, id, false).await?))
}
