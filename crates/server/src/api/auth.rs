//! Logging in and out.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{Login, LoginView, MeView, StepUp, moment};
use vaultterm_operations::{
    Caller, Origin, Services,
    login::{self, LoggedIn, Proof, Shown},
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
    let Login { email, password, otp } = body;
    let shown = Shown { email, password, code: otp, remembered: None };
    let LoggedIn { token, expires_us } = login::log_in(&services, &origin, shown).await?;
    Ok(Json(LoginView { token: token.expose().to_owned().into(), expires_at: moment::of_us(expires_us) }))
}

/// Checks again that the caller is the person, by a code of the second factor, or by the password if there is no second
/// factor. The login gets a new token, and the token of this request no longer works.
#[utoipa::path(post, path = "/auth/step-up", tag = "auth", request_body = StepUp,
    responses((status = 200, body = LoginView), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn step_up(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<StepUp>,
) -> Result<Json<LoginView>, Problem> {
    let StepUp { password, code } = body;
    let token = login::prove_again(&services, &caller, Proof { password, code }).await?;
    let expires_at = moment::of_us(caller.credential.expires_us.unwrap_or_default());
    Ok(Json(LoginView { token: token.expose().to_owned().into(), expires_at }))
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
