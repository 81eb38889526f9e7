//! A person's own second factor: one-time codes, and the recovery codes for the day on which the telephone is lost.

use vaultterm_sealing::{SecretBytes, SecretText};
use vaultterm_store::Factors;
use zeroize::Zeroizing;

use crate::{
    caller::Caller,
    codes::{self, Typed},
    fresh::{self, Act},
    refusal::{Refusal, RefusalKind},
    services::Services,
};

/// Returns the caller's second factors.
///
/// # Errors
/// `Forbidden` for an API token.
pub async fn show(services: &Services, caller: &Caller) -> Result<Factors, Refusal> {
    fresh::person(services, caller).await?;
    Ok(services.store.factors(caller.user.id).await?)
}

/// A secret for one-time codes that is about to be switched on.
pub struct NewOtp {
    /// The secret, in base 32.
    pub secret: SecretText,
    /// The link that an authenticator app reads.
    pub url: SecretText,
}

/// Draws a secret for one-time codes. Nothing changes for logins until [`confirm_otp`] saw a right code.
///
/// # Errors
/// `StepUp` without a fresh proof; `Forbidden` for an API token.
pub async fn begin_otp(services: &Services, caller: &Caller) -> Result<NewOtp, Refusal> {
    fresh::person(services, caller).await?;
    fresh::fresh(services, caller, Act::ChangeFactors).await?;
    let seed = codes::draw_seed()?;
    services.store.begin_otp(&caller.context(services), caller.user.id, &seed).await?;
    worded(&seed, caller)
}

/// Returns the secret that waits for its first right code, to show it again beside a wrong one.
///
/// # Errors
/// `Refused` when none waits; `StepUp` without a fresh proof.
pub async fn waiting_otp(services: &Services, caller: &Caller) -> Result<NewOtp, Refusal> {
    fresh::person(services, caller).await?;
    fresh::fresh(services, caller, Act::ChangeFactors).await?;
    worded(&waiting(services, caller).await?, caller)
}

/// Switches one-time codes on with a first right code. Returns the recovery codes, this once.
///
/// # Errors
/// `Invalid` for a wrong code; `Refused` when no secret waits; `StepUp` without a fresh proof.
pub async fn confirm_otp(services: &Services, caller: &Caller, code: &str) -> Result<Vec<Zeroizing<String>>, Refusal> {
    fresh::person(services, caller).await?;
    fresh::fresh(services, caller, Act::ChangeFactors).await?;
    let seed = waiting(services, caller).await?;
    let step = codes::judge_first(services, &seed, code)?;
    let drawn = codes::draw_recovery_codes()?;
    let digests = digests(services, caller, &drawn);
    services.store.confirm_otp(&caller.context(services), caller.user.id, step, &digests).await?;
    Ok(drawn)
}

/// Switches one-time codes off, and deletes the recovery codes.
///
/// # Errors
/// `StepUp` without a fresh proof; `NotFound` when they are off already.
pub async fn remove_otp(services: &Services, caller: &Caller) -> Result<(), Refusal> {
    fresh::person(services, caller).await?;
    fresh::fresh(services, caller, Act::ChangeFactors).await?;
    Ok(services.store.remove_otp(&caller.context(services), caller.user.id).await?)
}

/// Replaces the recovery codes. Returns the new ones, this once.
///
/// # Errors
/// `StepUp` without a fresh proof; `Refused` for a person without a second factor, who needs none.
pub async fn new_recovery_codes(services: &Services, caller: &Caller) -> Result<Vec<Zeroizing<String>>, Refusal> {
    fresh::person(services, caller).await?;
    fresh::fresh(services, caller, Act::ChangeFactors).await?;
    if !services.store.factors(caller.user.id).await?.asked_for() {
        let why = "recovery codes are for people with a second factor, and you have none";
        return Err(Refusal::new(RefusalKind::Refused, why).hint("switch one-time codes on first"));
    }
    let drawn = codes::draw_recovery_codes()?;
    let digests = digests(services, caller, &drawn);
    services.store.replace_recovery_codes(&caller.context(services), caller.user.id, &digests).await?;
    Ok(drawn)
}

/// Notes that the caller typed a recovery code back, which shows that they kept the list. The code stays unused.
///
/// # Errors
/// `Invalid` when it is not one of the caller's recovery codes.
pub async fn type_back(services: &Services, caller: &Caller, code: &str) -> Result<(), Refusal> {
    fresh::person(services, caller).await?;
    let known = match codes::read(code) {
        Typed::Recovery(code) => {
            let digest = services.store.recovery_digest(caller.user.id, &code);
            services.store.type_back(caller.user.id, digest).await?
        }
        Typed::Otp(_) | Typed::Neither => false,
    };
    if known {
        return Ok(());
    }
    Err(Refusal::field("code", "is none of your recovery codes that are left: type one as it stands in the list"))
}

async fn waiting(services: &Services, caller: &Caller) -> Result<SecretBytes, Refusal> {
    let found = services.store.otp_seed(caller.user.id, false).await?;
    found.map(|found| found.seed).ok_or_else(|| {
        let why = "no set-up of one-time codes waits for a code";
        Refusal::new(RefusalKind::Refused, why).hint("begin the set-up of one-time codes again")
    })
}

fn worded(seed: &SecretBytes, caller: &Caller) -> Result<NewOtp, Refusal> {
    let totp = codes::totp(seed, &caller.user.email)?;
    let url = totp.to_url().map_err(|error| Refusal::internal(&error))?;
    Ok(NewOtp { secret: SecretText::new(totp.secret().to_base32()), url: SecretText::new(url) })
}

fn digests(services: &Services, caller: &Caller, drawn: &[Zeroizing<String>]) -> Vec<[u8; 32]> {
    let plain = |code: &Zeroizing<String>| match codes::read(code) {
        Typed::Recovery(plain) | Typed::Otp(plain) => plain,
        Typed::Neither => Zeroizing::new(String::new()),
    };
    drawn.iter().map(|code| services.store.recovery_digest(caller.user.id, &plain(code))).collect()
}
