//! The caller's own second factor and recovery codes.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{CodeBody, FactorsView, NewOtpView, RecoveryCodesView};
use vaultterm_operations::{Caller, Services, factors};

use crate::{problem::Problem, request::Body, view};

/// Shows the caller's second factors.
#[utoipa::path(get, path = "/me/factors", tag = "me", responses((status = 200, body = FactorsView)))]
pub(crate) async fn show(State(services): State<Services>, caller: Caller) -> Result<Json<FactorsView>, Problem> {
    Ok(Json(view::factors(&factors::show(&services, &caller).await?)))
}

/// Draws a secret for one-time codes. A login asks for codes only after `/me/factors/otp/confirm`.
#[utoipa::path(post, path = "/me/factors/otp", tag = "me",
    responses((status = 201, body = NewOtpView), (status = 403, body = Problem)))]
pub(crate) async fn begin_otp(
    State(services): State<Services>,
    caller: Caller,
) -> Result<(StatusCode, Json<NewOtpView>), Problem> {
    let drawn = factors::begin_otp(&services, &caller).await?;
    let (secret, url) = (drawn.secret.expose().to_owned().into(), drawn.url.expose().to_owned().into());
    Ok((StatusCode::CREATED, Json(NewOtpView { secret, url })))
}

/// Switches one-time codes on, with a first right code. Answers the recovery codes, this once.
#[utoipa::path(post, path = "/me/factors/otp/confirm", tag = "me", request_body = CodeBody,
    responses((status = 200, body = RecoveryCodesView), (status = 422, body = Problem)))]
pub(crate) async fn confirm_otp(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<CodeBody>,
) -> Result<Json<RecoveryCodesView>, Problem> {
    let codes = factors::confirm_otp(&services, &caller, &body.code).await?;
    Ok(Json(RecoveryCodesView { codes }))
}

/// Switches one-time codes off, and deletes the recovery codes.
#[utoipa::path(delete, path = "/me/factors/otp", tag = "me",
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn remove_otp(State(services): State<Services>, caller: Caller) -> Result<StatusCode, Problem> {
    factors::remove_otp(&services, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces the recovery codes. Answers the new ones, this once.
#[utoipa::path(post, path = "/me/recovery-codes", tag = "me",
    responses((status = 201, body = RecoveryCodesView), (status = 403, body = Problem)))]
pub(crate) async fn new_recovery_codes(
    State(services): State<Services>,
    caller: Caller,
) -> Result<(StatusCode, Json<RecoveryCodesView>), Problem> {
    let codes = factors::new_recovery_codes(&services, &caller).await?;
    Ok((StatusCode::CREATED, Json(RecoveryCodesView { codes })))
}

/// Takes one recovery code as the sign that the list was kept. The code stays unused.
#[utoipa::path(post, path = "/me/recovery-codes/confirm", tag = "me", request_body = CodeBody,
    responses((status = 204), (status = 422, body = Problem)))]
pub(crate) async fn type_back(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<CodeBody>,
) -> Result<StatusCode, Problem> {
    factors::type_back(&services, &caller, &body.code).await?;
    Ok(StatusCode::NO_CONTENT)
}
