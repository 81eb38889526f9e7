//! Logging in and out.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vaultterm_store::{Context, LoginRow, NewToken, Scope, TokenKind};
use zeroize::Zeroizing;

use super::{tokens::TokenView, users::UserView};
use crate::{
    app::App,
    caller::{Caller, anonymous},
    moment,
    problem::{Kind, Problem},
    request::{Body, Origin},
};

/// How long a login holds.
const LOGIN_HOLDS_US: i64 = 12 * 3_600 * 1_000_000;
/// Wrong passwords in a row before a person has to wait.
const FREE_FAILURES: u32 = 5;
/// The first wait; each further failure doubles it.
const LOCK_FIRST_US: i64 = 30 * 1_000_000;
const LOCK_MAX_US: i64 = 15 * 60 * 1_000_000;

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
    State(app): State<App>,
    origin: Origin,
    Body(login): Body<Login>,
) -> Result<Json<LoginView>, Problem> {
    app.throttle.attempt(origin.source_ip)?;
    let _turn = app.turns.at(&login.email).await;
    let row = app.store.login_row(&login.email).await?;
    let now_us = app.now_us();
    refuse_locked(row.as_ref(), now_us)?;
    let phc = row.as_ref().and_then(|row| row.password_hash.clone());
    let fits = app.passwords.verify(login.password, phc).await?;
    let Some(row) = row.filter(|row| fits && !row.user.disabled) else {
        record_failure(&app, &anonymous(&app, &origin), &login.email).await?;
        return Err(Problem::new(Kind::LoginRefused, "the e-mail address or the password is wrong"));
    };
    let mut context = anonymous(&app, &origin);
    context.actor = vaultterm_ledger::Actor {
        kind: vaultterm_ledger::ActorKind::User,
        id: row.user.id,
        name: row.user.email.clone(),
    };
    let expires_us = now_us + LOGIN_HOLDS_US;
    let (_, token) = app
        .store
        .issue_token(
            &context,
            NewToken {
                user_id: row.user.id,
                kind: TokenKind::Login,
                name: "login".to_owned(),
                scopes: Scope::ALL.to_vec(),
                expires_us: Some(expires_us),
            },
        )
        .await?;
    Ok(Json(LoginView { token: token.expose().to_owned(), expires_at: moment::of_us(expires_us) }))
}

/// Checks the password of a person who is logged in: throttled, counted and audited as a login is, so that a stolen session is no
/// way to guess it.
pub(super) async fn check_own_password(app: &App, caller: &Caller, password: Zeroizing<String>) -> Result<(), Problem> {
    app.throttle.attempt(caller.origin.source_ip)?;
    let email = &caller.user.email;
    let _turn = app.turns.at(email).await;
    let row = app.store.login_row(email).await?;
    refuse_locked(row.as_ref(), app.now_us())?;
    if app.passwords.verify(password, row.and_then(|row| row.password_hash)).await? {
        return Ok(());
    }
    record_failure(app, &caller.context(app), email).await?;
    Err(Problem::new(Kind::Forbidden, "the current password is wrong"))
}

/// Refuses an attempt at an account that is locked for a while.
fn refuse_locked(row: Option<&LoginRow>, now_us: i64) -> Result<(), Problem> {
    let Some(row) = row.filter(|row| row.locked_until_us > now_us) else { return Ok(()) };
    let seconds = u64::try_from((row.locked_until_us - now_us) / 1_000_000).unwrap_or(0) + 1;
    Err(Problem::new(Kind::RateLimited, "too many wrong passwords: wait before the next one").retry_after(seconds))
}

/// Records the failure, and makes the person wait longer with each one. The turn at the account is ours: nobody fails in between.
async fn record_failure(app: &App, context: &Context, email: &str) -> Result<(), Problem> {
    let failures = app.store.login_row(email).await?.map_or(0, |LoginRow { failures, .. }| failures) + 1;
    let locked_until_us = app.now_us() + lock_us(failures);
    Ok(app.store.record_login_failure(context, email, locked_until_us).await?)
}

fn lock_us(failures: u32) -> i64 {
    match failures.checked_sub(FREE_FAILURES) {
        None => 0,
        Some(more) => LOCK_FIRST_US.saturating_mul(1 << more.min(16)).min(LOCK_MAX_US),
    }
}

/// Revokes the token that asks.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204)))]
pub(crate) async fn logout(State(app): State<App>, caller: Caller) -> Result<StatusCode, Problem> {
    app.store.revoke_token(&caller.context(&app), caller.token.id).await?;
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
    Json(MeView { user: UserView::of(&caller.user), token: TokenView::of(&caller.token) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_wrong_passwords_cost_nothing_and_each_further_one_twice_as_long() {
        assert_eq!(lock_us(4), 0);
        assert_eq!(lock_us(5), LOCK_FIRST_US);
        assert_eq!(lock_us(6), 2 * LOCK_FIRST_US);
        assert_eq!(lock_us(500), LOCK_MAX_US);
    }
}
