//! Values that a person has generated. The last ones are kept sealed for a day, for that person alone.

use uuid::Uuid;
use vaultterm_sealing::{PASSWORD_CHARS, PasswordRules, SecretText};
use vaultterm_store::{GeneratedValue, Scope, StoreError};
use zeroize::Zeroizing;

use crate::{
    access,
    caller::Caller,
    refusal::{Refusal, RefusalKind},
    services::Services,
};

/// A value that was generated just now.
#[derive(Debug)]
pub struct Generated {
    /// Under which it is kept.
    pub kept: GeneratedValue,
    /// The value.
    pub value: Zeroizing<String>,
}

/// Generates a password, and keeps it for its person.
///
/// # Errors
/// `Invalid` for a length that no password has.
pub async fn generate(services: &Services, caller: &Caller, rules: PasswordRules) -> Result<Generated, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    if !PASSWORD_CHARS.contains(&rules.length) {
        let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
        return Err(Refusal::field("length", format!("a password has {least} to {most} characters")));
    }
    let value = rules.draw().map_err(StoreError::from)?;
    let text = SecretText::new(value.as_str().to_owned());
    let kept = services.store.keep_generated(&caller.context(services), caller.user.id, &text).await?;
    Ok(Generated { kept, value })
}

/// Lists the values that the caller had generated within a day, the newest first, without the values.
///
/// # Errors
/// `Forbidden` without the scope.
pub async fn recent(services: &Services, caller: &Caller) -> Result<Vec<GeneratedValue>, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    Ok(services.store.generated(caller.user.id, services.now_us()).await?)
}

/// Shows a value that the caller had generated within a day.
///
/// # Errors
/// `NotFound` for a value of another person, and for an older one.
pub async fn reveal(services: &Services, caller: &Caller, id: Uuid) -> Result<Zeroizing<String>, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let opened = services.store.open_generated(caller.user.id, id, services.now_us()).await?;
    let opened = opened.ok_or_else(|| {
        let why = "there is no such generated value of yours: it is older than a day, or was never there";
        Refusal::new(RefusalKind::NotFound, why)
    })?;
    let text = std::str::from_utf8(opened.expose()).map_err(|_| StoreError::Malformed("generated value"))?;
    Ok(Zeroizing::new(text.to_owned()))
}
