//! Logging in and out.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{Login, LoginView, MeView, moment};
use vaultterm_operations::{
    Caller, Origin, Services,
    login::{self, LoggedIn},
};

use crate::{problem::Problem, request::Body, view};

/// Logs in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = Login,
    responses((status = 200, body = LoginView), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn login(
    State(services): State<Services>,
    origin: Origin,
    Body(body): Body<Login>,
) -> Result<Json<LoginView>, Problem> {
    let LoggedIn { token, expires_us } = login::log_in(&services, &origin, &body.email, body.password).await?;
    Ok(Json(LoginView { token: token.expose().to_owned().into(), expires_at: moment::of_us(expires_us) }))
}

/// Revokes the token that asks.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204)))]
pub(crate) async fn logout(State(services): State<Services>, caller: Caller) -> Result<StatusCode, Problem> {
    login::log_out(&services, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells who asks.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = MeView)))]
pub(crate) async fn me(caller: Caller) -> Json<MeView> {
    Json(MeView { user: view::user(&caller.user), token: view::token(&caller.credential) })
}
