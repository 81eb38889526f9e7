//! Logging in and out, and the set-up link that makes the first owner.

use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_sealing::SecretText;
use vaultterm_store::{
    Context, InstanceRole, LoginRow, NewToken, NewUser, Scope, SignInMethod, Spend, StoreError, TokenKind, User,
};
use zeroize::Zeroizing;

use crate::{
    caller::{Caller, Origin, anonymous},
    codes, fresh, names,
    refusal::{Refusal, RefusalKind},
    services::Services,
    throttle,
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

/// What a person shows to log in.
#[derive(Default)]
pub struct Shown {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// A one-time code or a recovery code.
    pub code: Option<Zeroizing<String>>,
    /// The text of the cookie of a remembered browser.
    pub remembered: Option<Zeroizing<String>>,
}

/// Logs a person in.
///
/// # Errors
/// `LoginRefused`; `SecondFactorNeeded` for a right password of a person whose second factor is missing; `RateLimited`
/// for an address with many attempts and an account with many wrong passwords.
pub async fn log_in(services: &Services, origin: &Origin, shown: Shown) -> Result<LoggedIn, Refusal> {
    let email = shown.email.clone();
    let (user, spend) = match prove(services, origin, shown).await? {
        Proven::Whole { user, spend, .. } => (user, spend),
        Proven::Half(_) => return Err(code_needed()),
    };
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
    let issued = match &spend {
        Some(spend) => services.store.issue_login(&context, new, spend).await,
        None => services.store.issue_token(&context, new).await,
    };
    let (_, token) = spent(services, origin, &email, issued).await?;
    Ok(LoggedIn { token, expires_us })
}

/// Makes the refusal of a login whose second factor is missing.
#[must_use]
pub fn code_needed() -> Refusal {
    let why = "the password is right, and a code of the second factor is needed";
    Refusal::new(RefusalKind::SecondFactorNeeded, why)
}

/// Who somebody turned out to be.
pub(crate) enum Proven {
    /// A person who showed everything that is asked for.
    Whole {
        user: User,
        method: SignInMethod,
        /// Whether the second factor was shown, if there is one.
        is_proved: bool,
        /// What the login uses up.
        spend: Option<Spend>,
    },
    /// A person with the right password, whose second factor is missing.
    Half(User),
}

/// Finds the person with this address and password, and judges the second factor of a person who has one. A wrong
/// password and a wrong code count, and are audited.
///
/// # Errors
/// As [`log_in`].
pub(crate) async fn prove(services: &Services, origin: &Origin, shown: Shown) -> Result<Proven, Refusal> {
    throttle::attempt(services, origin.source_ip).await?;
    let Shown { email, password, code, remembered } = shown;
    let _turn = services.turns.at(&email).await;
    refuse_locked(services, &email).await?;
    let row = services.store.login_row(&email).await?;
    let phc = row.as_ref().and_then(|row| row.password_hash.clone());
    let fits = services.passwords.verify(password, phc).await?;
    let Some(LoginRow { user, .. }) = row.filter(|row| fits && !row.user.disabled) else {
        record_failure(services, &anonymous(services, origin), &email).await?;
        return Err(Refusal::new(RefusalKind::LoginRefused, "the e-mail address or the password is wrong"));
    };
    if !services.store.factors(user.id).await?.asked_for() {
        return Ok(Proven::Whole { user, method: SignInMethod::Password, is_proved: true, spend: None });
    }
    if let Some(code) = code {
        let spend = judged(services, &anonymous(services, origin), &user, &code).await?;
        return Ok(Proven::Whole { user, method: method_of(&spend), is_proved: true, spend: Some(spend) });
    }
    if let Some(text) = remembered
        && services.store.is_trusted_device(user.id, &text, services.now_us()).await?
    {
        return Ok(Proven::Whole { user, method: SignInMethod::KnownDevice, is_proved: false, spend: None });
    }
    Ok(Proven::Half(user))
}

/// Judges a code of a person who has a second factor. A wrong one counts like a wrong password. The caller has the turn
/// at the account.
async fn judged(services: &Services, context: &Context, user: &User, code: &str) -> Result<Spend, Refusal> {
    match codes::judge(services, user.id, code).await {
        Err(refusal) if refusal.kind == RefusalKind::LoginRefused => {
            record_failure(services, context, &user.email).await?;
            Err(refusal)
        }
        judged => judged,
    }
}

/// Judges the second factor of a person whose password was right a moment ago.
///
/// # Errors
/// `LoginRefused`; `RateLimited`.
pub(crate) async fn prove_second(
    services: &Services,
    origin: &Origin,
    user: &User,
    code: &str,
) -> Result<(SignInMethod, Spend), Refusal> {
    throttle::attempt(services, origin.source_ip).await?;
    let _turn = services.turns.at(&user.email).await;
    refuse_locked(services, &user.email).await?;
    let spend = judged(services, &anonymous(services, origin), user, code).await?;
    Ok((method_of(&spend), spend))
}

fn method_of(spend: &Spend) -> SignInMethod {
    match spend {
        Spend::Otp(_) => SignInMethod::Otp,
        Spend::Recovery(_) => SignInMethod::RecoveryCode,
    }
}

/// Passes on the answer of the store to a code that works only once. If the recovery code does not exist, or another
/// login used the code first, the attempt counts like a wrong password.
pub(crate) async fn spent<T>(
    services: &Services,
    origin: &Origin,
    email: &str,
    done: Result<T, StoreError>,
) -> Result<T, Refusal> {
    match done {
        Err(StoreError::Refused(_)) => {
            record_failure(services, &anonymous(services, origin), email).await?;
            Err(codes::used())
        }
        done => Ok(done?),
    }
}

/// What a person who is logged in shows to prove that it is them.
#[derive(Default)]
pub struct Proof {
    /// The password, for a person without a second factor.
    pub password: Option<Zeroizing<String>>,
    /// A one-time code or a recovery code, for a person with one.
    pub code: Option<Zeroizing<String>>,
}

/// Checks a fresh proof that the caller is the person, before an action that needs one. The proof is a code of the
/// second factor, or the password if the person has no second factor. Returns the new secret of the session or the
/// login; the old secret no longer works.
///
/// Says whether the caller proved within the last ten minutes who they are.
#[must_use]
pub fn is_proved(services: &Services, caller: &Caller) -> bool {
    fresh::proving(services, caller) == vaultterm_store::Proving::Fresh
}

/// # Errors
/// `LoginRefused`; `RateLimited`; `Forbidden` for an API token.
pub async fn prove_again(services: &Services, caller: &Caller, proof: Proof) -> Result<SecretText, Refusal> {
    fresh::person(services, caller).await?;
    let user = &caller.user;
    let spend = if services.store.factors(user.id).await?.asked_for() {
        let code = proof.code.ok_or_else(|| Refusal::field("code", "is needed: a code of your second factor"))?;
        Some(prove_second(services, &caller.origin, user, &code).await?.1)
    } else {
        let password = proof.password.ok_or_else(|| Refusal::field("password", "is needed"))?;
        let refused = |_| Refusal::new(RefusalKind::LoginRefused, "the password is wrong");
        let checked = check_own_password(services, caller, password).await;
        checked.map_err(|refusal| if refusal.kind == RefusalKind::Forbidden { refused(refusal) } else { refusal })?;
        None
    };
    let (context, id) = (caller.context(services), caller.credential.id);
    let proved = if services.store.token(id).await?.is_some() {
        services.store.prove_login(&context, id, spend.as_ref()).await
    } else {
        services.store.prove_session(&context, id, spend.as_ref()).await
    };
    spent(services, &caller.origin, &user.email, proved).await
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
    throttle::attempt(services, origin.source_ip).await?;
    let email = names::email(&owner.email)?;
    let name = names::plain(owner.name.as_deref().unwrap_or(&email))?;
    let password_hash = Some(services.passwords.hash("password", owner.password).await?);
    let new = NewUser { email, name, role: InstanceRole::Owner, password_hash };
    Ok(services.store.spend_setup_link(&anonymous(services, origin), &owner.token, new).await?)
}

/// Checks the password of a person who is logged in. It is throttled, counted and audited as a login is, so
/// that a thief of a session cannot guess the password with it.
pub(crate) async fn check_own_password(
    services: &Services,
    caller: &Caller,
    password: Zeroizing<String>,
) -> Result<(), Refusal> {
    throttle::attempt(services, caller.origin.source_ip).await?;
    let email = &caller.user.email;
    let _turn = services.turns.at(email).await;
    refuse_locked(services, email).await?;
    let row = services.store.login_row(email).await?;
    if services.passwords.verify(password, row.and_then(|row| row.password_hash)).await? {
        return Ok(());
    }
    record_failure(services, &caller.context(services), email).await?;
    Err(Refusal::new(RefusalKind::Forbidden, "the current password is wrong"))
}

/// Refuses an attempt at an e-mail address that is locked for a while. An address without an account is locked in the
/// same way, so that the refusal does not show whether an account exists.
async fn refuse_locked(services: &Services, email: &str) -> Result<(), Refusal> {
    let (lock, now_us) = (services.store.login_lock(email).await?, services.now_us());
    if lock.locked_until_us <= now_us {
        return Ok(());
    }
    let seconds = u64::try_from((lock.locked_until_us - now_us) / 1_000_000).unwrap_or(0) + 1;
    Err(Refusal::new(RefusalKind::RateLimited, "too many wrong attempts: wait before the next one").after(seconds))
}

/// Records the failure, and makes the person wait longer with each one. The caller has the turn at the
/// account, so no other attempt fails in between.
async fn record_failure(services: &Services, context: &Context, email: &str) -> Result<(), Refusal> {
    let failures = services.store.login_lock(email).await?.failures + 1;
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
mod tests;
