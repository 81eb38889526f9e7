//! Logging in and out, and the set-up link that makes the first owner.

use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_sealing::SecretText;
use vaultterm_store::{Context, InstanceRole, LoginRow, NewToken, NewUser, Scope, TokenKind, User};
use zeroize::Zeroizing;

use crate::{
    caller::{Caller, Origin, anonymous},
    names,
    refusal::{Refusal, RefusalKind},
    services::Services,
};

/// How long a login holds.
const LOGIN_HOLDS_US: i64 = 12 * 3_600 * 1_000_000;
/// Wrong passwords in a row before a person has to wait.
const FREE_FAILURES: u32 = 5;
/// The first wait; each further failure doubles it.
const LOCK_FIRST_US: i64 = 30 * 1_000_000;
const LOCK_MAX_US: i64 = 15 * 60 * 1_000_000;

/// A login.
#[derive(Debug)]
pub struct LoggedIn {
    /// The token, shown once.
    pub token: SecretText,
    /// Until when it holds, in microseconds.
    pub expires_us: i64,
}

/// Logs a person in.
///
/// # Errors
/// `LoginRefused`; `RateLimited` for an address with many attempts and an account with many wrong passwords.
pub async fn log_in(
    services: &Services,
    origin: &Origin,
    email: &str,
    password: Zeroizing<String>,
) -> Result<LoggedIn, Refusal> {
    let user = prove(services, origin, email, password).await?;
    let actor = Actor { kind: ActorKind::User, id: user.id, name: user.email.clone() };
    let context = Context { actor, ..anonymous(services, origin) };
    let expires_us = context.now_us + LOGIN_HOLDS_US;
    let new = NewToken {
        user_id: user.id,
        kind: TokenKind::Login,
        name: "login".to_owned(),
        scopes: Scope::ALL.to_vec(),
        expires_us: Some(expires_us),
    };
    let (_, token) = services.store.issue_token(&context, new).await?;
    Ok(LoggedIn { token, expires_us })
}

/// Finds the person with this address and password. A wrong password counts, and is audited.
///
/// # Errors
/// As [`log_in`].
pub(crate) async fn prove(
    services: &Services,
    origin: &Origin,
    email: &str,
    password: Zeroizing<String>,
) -> Result<User, Refusal> {
    services.throttle.attempt(origin.source_ip)?;
    let _turn = services.turns.at(email).await;
    let row = services.store.login_row(email).await?;
    refuse_locked(row.as_ref(), services.now_us())?;
    let phc = row.as_ref().and_then(|row| row.password_hash.clone());
    let fits = services.passwords.verify(password, phc).await?;
    if let Some(row) = row.filter(|row| fits && !row.user.disabled) {
        return Ok(row.user);
    }
    record_failure(services, &anonymous(services, origin), email).await?;
    Err(Refusal::new(RefusalKind::LoginRefused, "the e-mail address or the password is wrong"))
}

/// Revokes the credential of the caller.
///
/// # Errors
/// When the database fails.
pub async fn log_out(services: &Services, caller: &Caller) -> Result<(), Refusal> {
    Ok(services.store.revoke_token(&caller.context(services), caller.credential.id).await?)
}

/// The first owner, as they describe themselves.
pub struct FirstOwner {
    /// The token of the set-up link.
    pub token: String,
    /// The e-mail address.
    pub email: String,
    /// The name; the address unless told.
    pub name: Option<String>,
    /// The password.
    pub password: Zeroizing<String>,
}

/// Spends the set-up link and creates the first owner.
///
/// # Errors
/// [`Refusal`]; `Refused` for a link that is spent, unknown or expired.
pub async fn set_up(services: &Services, origin: &Origin, owner: FirstOwner) -> Result<User, Refusal> {
    services.throttle.attempt(origin.source_ip)?;
    let email = names::email(&owner.email)?;
    let name = names::plain(owner.name.as_deref().unwrap_or(&email))?;
    let password_hash = Some(services.passwords.hash("password", owner.password).await?);
    let new = NewUser { email, name, role: InstanceRole::Owner, password_hash };
    Ok(services.store.spend_setup_link(&anonymous(services, origin), &owner.token, new).await?)
}

/// Checks the password of a person who is logged in. It is throttled, counted and audited as a login is, so
/// that a stolen session is no way to guess the password.
pub(crate) async fn check_own_password(
    services: &Services,
    caller: &Caller,
    password: Zeroizing<String>,
) -> Result<(), Refusal> {
    services.throttle.attempt(caller.origin.source_ip)?;
    let email = &caller.user.email;
    let _turn = services.turns.at(email).await;
    let row = services.store.login_row(email).await?;
    refuse_locked(row.as_ref(), services.now_us())?;
    if services.passwords.verify(password, row.and_then(|row| row.password_hash)).await? {
        return Ok(());
    }
    record_failure(services, &caller.context(services), email).await?;
    Err(Refusal::new(RefusalKind::Forbidden, "the current password is wrong"))
}

/// Refuses an attempt at an account that is locked for a while.
fn refuse_locked(row: Option<&LoginRow>, now_us: i64) -> Result<(), Refusal> {
    let Some(row) = row.filter(|row| row.locked_until_us > now_us) else { return Ok(()) };
    let seconds = u64::try_from((row.locked_until_us - now_us) / 1_000_000).unwrap_or(0) + 1;
    Err(Refusal::new(RefusalKind::RateLimited, "too many wrong passwords: wait before the next one").after(seconds))
}

/// Records the failure, and makes the person wait longer with each one. The caller has the turn at the
/// account, so no other attempt fails in between.
async fn record_failure(services: &Services, context: &Context, email: &str) -> Result<(), Refusal> {
    let failures = services.store.login_row(email).await?.map_or(0, |LoginRow { failures, .. }| failures) + 1;
    let locked_until_us = services.now_us() + lock_us(failures);
    Ok(services.store.record_login_failure(context, email, locked_until_us).await?)
}

fn lock_us(failures: u32) -> i64 {
    match failures.checked_sub(FREE_FAILURES) {
        None => 0,
        Some(more) => LOCK_FIRST_US.saturating_mul(1 << more.min(16)).min(LOCK_MAX_US),
    }
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
