//! People.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{ListView, UserCreate, UserPatch, UserView};
use vaultterm_operations::{Caller, Services, people};

use super::{
    list::{PageQuery, listed},
    revised::Revised,
};
use crate::{
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
    view,
};

/// Lists people, so that the caller can find somebody to share a collection with.
#[utoipa::path(get, path = "/users", tag = "users", params(PageQuery),
    responses((status = 200, body = ListView<UserView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<UserView>>, Problem> {
    Ok(listed(people::list(&services, &caller, query.part()).await?, view::user))
}

/// Creates a person.
#[utoipa::path(post, path = "/users", tag = "users", request_body = UserCreate,
    responses((status = 201, body = UserView), (status = 409, body = Problem)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<UserCreate>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let UserCreate { email, name, role, password } = body;
    let user = people::create(&services, &caller, people::New { email, name, role, password }).await?;
    Ok((StatusCode::CREATED, Json(view::user(&user))))
}

/// Shows a person.
#[utoipa::path(get, path = "/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, body = UserView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Revised<UserView>, Problem> {
    let user = people::show(&services, &caller, id).await?;
    Ok(Revised::at(user.revision, view::user(&user)))
}

/// Changes a person. Callers may change themselves, admins also everybody except owners, and owners everybody.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", request_body = UserPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = UserView), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn update(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
    Body(body): Body<UserPatch>,
) -> Result<Revised<UserView>, Problem> {
    let UserPatch { name, role, password, current_password, disabled } = body;
    let change = people::Change { name, role, password, current_password, disabled };
    let user = people::update(&services, &caller, id, read_at, change).await?;
    Ok(Revised::at(user.revision, view::user(&user)))
}

/// Deletes a person with all logins, tokens and memberships. The last owner cannot be deleted.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 409, body = Problem)))]
pub(crate) async fn delete(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
) -> Result<StatusCode, Problem> {
    people::delete(&services, &caller, id, read_at).await?;
    Ok(StatusCode::NO_CONTENT)
}
