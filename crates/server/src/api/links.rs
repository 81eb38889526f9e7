//! Invitations, and resets for people who lost their second factor.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{
    AcceptLink, Invite, LinkView, ListView, MadeLinkView, OpenLink, OpenedLinkView, ProfileView, UserView,
};
use vaultterm_operations::{Caller, Origin, Services, links, profiles};

use crate::{
    problem::Problem,
    request::{Body, Id, IdPair},
    view,
};

/// Invites a person: creates the account, and a link with which the person chooses a password.
#[utoipa::path(post, path = "/invitations", tag = "users", request_body = Invite,
    responses((status = 201, body = MadeLinkView), (status = 409, body = Problem)))]
pub(crate) async fn invite(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<Invite>,
) -> Result<(StatusCode, Json<MadeLinkView>), Problem> {
    let Invite { email, name, role } = body;
    let made = links::invite(&services, &caller, email, name, role).await?;
    Ok((StatusCode::CREATED, Json(view::made_link(&made, services.now_us()))))
}

/// Makes another invitation for a person who has no password yet. The earlier link no longer works.
#[utoipa::path(post, path = "/users/{id}/invitation", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 201, body = MadeLinkView), (status = 409, body = Problem)))]
pub(crate) async fn invite_again(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<MadeLinkView>), Problem> {
    let made = links::invite_again(&services, &caller, id).await?;
    Ok((StatusCode::CREATED, Json(view::made_link(&made, services.now_us()))))
}

/// Makes a reset link, with which a person who lost the second factor sets a new password.
#[utoipa::path(post, path = "/users/{id}/reset-link", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 201, body = MadeLinkView), (status = 403, body = Problem)))]
pub(crate) async fn reset(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<MadeLinkView>), Problem> {
    let made = links::reset(&services, &caller, id).await?;
    Ok((StatusCode::CREATED, Json(view::made_link(&made, services.now_us()))))
}

/// Lists the newest links of a person, without their secrets.
#[utoipa::path(get, path = "/users/{id}/links", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, body = ListView<LinkView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ListView<LinkView>>, Problem> {
    let found = links::list(&services, &caller, id).await?;
    let items = found.iter().map(|link| view::link(link, services.now_us())).collect();
    Ok(Json(ListView { items, next_cursor: None }))
}

/// Shows everything about a person: roles, sessions, links, the second factor.
#[utoipa::path(get, path = "/users/{id}/profile", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, body = ProfileView), (status = 404, body = Problem)))]
pub(crate) async fn profile(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ProfileView>, Problem> {
    Ok(Json(view::profile(&profiles::show(&services, &caller, id).await?, services.now_us())))
}

/// Withdraws a link that was not used.
#[utoipa::path(delete, path = "/users/{id}/links/{link}", tag = "users",
    params(("id" = Uuid, Path), ("link" = Uuid, Path)), responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn withdraw(
    State(services): State<Services>,
    caller: Caller,
    IdPair(id, link): IdPair,
) -> Result<StatusCode, Problem> {
    links::withdraw(&services, &caller, id, link).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens a link: says for whom it is and what it does.
#[utoipa::path(post, path = "/links/open", tag = "auth", security(()), request_body = OpenLink,
    responses((status = 200, body = OpenedLinkView), (status = 409, body = Problem)))]
pub(crate) async fn open(
    State(services): State<Services>,
    origin: Origin,
    Body(body): Body<OpenLink>,
) -> Result<Json<OpenedLinkView>, Problem> {
    let (link, user) = links::open(&services, &origin, &body.token).await?;
    Ok(Json(view::opened_link(&link, &user)))
}

/// Uses a link up: its person gets this password and can log in.
#[utoipa::path(post, path = "/links/accept", tag = "auth", security(()), request_body = AcceptLink,
    responses((status = 200, body = UserView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn accept(
    State(services): State<Services>,
    origin: Origin,
    Body(body): Body<AcceptLink>,
) -> Result<Json<UserView>, Problem> {
    let AcceptLink { token, name, password } = body;
    let user = links::accept(&services, &origin, &token, name.as_deref(), password).await?;
    Ok(Json(view::user(&user)))
}
