//! Where the caller is logged in.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{EndedView, SessionsView};
use vaultterm_operations::{Caller, Services, my_sessions};

use crate::{problem::Problem, request::Id, view};

/// Lists the caller's sessions, logins of command lines and remembered browsers.
#[utoipa::path(get, path = "/me/sessions", tag = "me", responses((status = 200, body = SessionsView)))]
pub(crate) async fn list(State(services): State<Services>, caller: Caller) -> Result<Json<SessionsView>, Problem> {
    Ok(Json(view::sessions(&my_sessions::list(&services, &caller).await?)))
}

/// Ends all sessions and logins of the caller except the one that sends this request.
#[utoipa::path(delete, path = "/me/sessions", tag = "me", responses((status = 200, body = EndedView)))]
pub(crate) async fn end_others(State(services): State<Services>, caller: Caller) -> Result<Json<EndedView>, Problem> {
    Ok(Json(EndedView { ended: my_sessions::end_others(&services, &caller).await? }))
}

/// Ends a session or a login of the caller, or forgets a remembered browser.
#[utoipa::path(delete, path = "/me/sessions/{id}", tag = "me", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn end(State(services): State<Services>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    my_sessions::end(&services, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
