//! Who may use a collection.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_operations::{Caller, Services, members};
use vaultterm_store::Member;

use super::list::{ListView, PageQuery, listed};
use crate::{
    problem::Problem,
    request::{Body, Id, IdPair, Parameters},
};

/// A person and their role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    user_id: Uuid,
    email: String,
    /// `viewer`, `editor`, `admin` or `owner`.
    role: &'static str,
}

impl MemberView {
    fn of(member: &Member) -> Self {
        Self { user_id: member.user_id, email: member.email.clone(), role: member.role.as_str() }
    }
}

/// Lists members.
#[utoipa::path(get, path = "/collections/{id}/members", tag = "collections",
    params(("id" = Uuid, Path), PageQuery), responses((status = 200, body = ListView<MemberView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<MemberView>>, Problem> {
    Ok(listed(members::list(&services, &caller, id, query.part()).await?, MemberView::of))
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
    Ok(Json(MemberView::of(&members::show(&services, &caller, id, user).await?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// `viewer`, `editor`, `admin` or `owner`.
    role: String,
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
    Ok(Json(MemberView::of(&members::grant(&services, &caller, id, user, &body.role).await?)))
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
