//! Who may use a collection.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{Grant, ListView, MemberView};
use vaultterm_operations::{Caller, Services, members};

use super::list::{PageQuery, listed};
use crate::{
    problem::Problem,
    request::{Body, Id, IdPair, Parameters},
    view,
};

/// Lists members.
#[utoipa::path(get, path = "/collections/{id}/members", tag = "collections",
    params(("id" = Uuid, Path), PageQuery), responses((status = 200, body = ListView<MemberView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<MemberView>>, Problem> {
    Ok(listed(members::list(&services, &caller, id, query.part()).await?, view::member))
}

/// Shows a member.
#[utoipa::path(get, path = "/collections/{id}/members/{user}", tag = "collections",
    params(("id" = Uuid, Path), ("user" = Uuid, Path)),
    responses((status = 200, body = MemberView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    IdPair(id, user): IdPair,
) -> Result<Json<MemberView>, Problem> {
    Ok(Json(view::member(&members::show(&services, &caller, id, user).await?)))
}

/// Gives somebody a role. Nobody gives, or takes, more than they have.
#[utoipa::path(put, path = "/collections/{id}/members/{user}", tag = "collections", request_body = Grant,
    params(("id" = Uuid, Path), ("user" = Uuid, Path)),
    responses((status = 200, body = MemberView), (status = 403, body = Problem)))]
pub(crate) async fn grant(
    State(services): State<Services>,
    caller: Caller,
    IdPair(id, user): IdPair,
    Body(body): Body<Grant>,
) -> Result<Json<MemberView>, Problem> {
    Ok(Json(view::member(&members::grant(&services, &caller, id, user, &body.role).await?)))
}

/// Takes a role away. Anybody may leave.
#[utoipa::path(delete, path = "/collections/{id}/members/{user}", tag = "collections",
    params(("id" = Uuid, Path), ("user" = Uuid, Path)),
    responses((status = 204), (status = 409, body = Problem)))]
pub(crate) async fn revoke(
    State(services): State<Services>,
    caller: Caller,
    IdPair(id, user): IdPair,
) -> Result<StatusCode, Problem> {
    members::revoke(&services, &caller, id, user).await?;
    Ok(StatusCode::NO_CONTENT)
}
