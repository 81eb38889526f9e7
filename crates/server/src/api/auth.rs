//! Logging in and out.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vaultterm_operations::{
    Caller, Origin, Services,
    login::{self, LoggedIn},
};
use zeroize::Zeroizing;

use super::{tokens::TokenView, users::UserView};
use crate::{moment, problem::Problem, request::Body};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    email: String,
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// The code of a second factor, for those who have one.
    #[allow(dead_code, reason = "part of the contract; nobody has a second factor in this version")]
    otp: Option<String>,
}

/// A token, shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginView {
    token: String,
    expires_at: String,
}

/// Logs in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = Login,
    responses((status = 200, body = LoginView), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn login(
    State(services): State<Services>,
    origin: Origin,
    Body(body): Body<Login>,
) -> Result<Json<LoginView>, Problem> {
    let LoggedIn { token, expires_us } = login::log_in(&services, &origin, &body.email, body.password).await?;
    Ok(Json(LoginView { token: token.expose().to_owned(), expires_at: moment::of_us(expires_us) }))
}

/// Revokes the token that asks.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204)))]
pub(crate) async fn logout(State(services): State<Services>, caller: Caller) -> Result<StatusCode, Problem> {
    login::log_out(&services, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who asks, and what their token may do.
#[derive(Serialize, ToSchema)]
pub(crate) struct MeView {
    user: UserView,
    token: TokenView,
}

/// Tells who asks.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = MeView)))]
pub(crate) async fn me(caller: Caller) -> Json<MeView> {
    Json(MeView { user: UserView::of(&caller.user), token: TokenView::of(&caller.credential) })
}
