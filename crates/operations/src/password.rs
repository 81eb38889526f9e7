//! Passwords: Argon2id with 64 MiB and 3 passes (OWASP's second recommendation is weaker), off
//! the async threads, two at a time.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::refusal::Refusal;

/// Shortest password, in characters.
const CHARS_MIN: usize = 12;
/// Longest password, in bytes: hashing costs time per byte.
const BYTES_MAX: usize = 1024;
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// Hashes computed at once: each takes 64 MiB.
const AT_ONCE: usize = 2;

/// Why a password cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("a password has at least {CHARS_MIN} characters")]
    TooShort,
    /// Too long.
    #[error("a password has at most {BYTES_MAX} bytes")]
    TooLong,
    /// The machine has no memory or randomness for it.
    #[error("the password could not be hashed")]
    Failed,
}

/// Hashes a password into a PHC string, with a new salt. Takes about 0.2 s of one core.
///
/// # Errors
/// [`PasswordError`].
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < CHARS_MIN {
        return Err(PasswordError::TooShort);
    }
    if password.len() > BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    let hash = argon2().and_then(|argon2| argon2.hash_password(password.as_bytes()).ok());
    hash.map(|hash| hash.to_string()).ok_or(PasswordError::Failed)
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Says whether a password has the hash of a PHC string. No password has that of an unreadable string.
fn fits(password: &str, phc: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    argon2().is_some_and(|argon2| argon2.verify_password(password.as_bytes(), &parsed).is_ok())
}

/// Hashes and compares passwords, off the async threads, two at a time.
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// The hash that is compared when there is no such person, so that both answers take equally long.
    nobody: String,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    /// Hashes one password, so takes a moment.
    #[must_use]
    pub fn new() -> Self {
        let nobody = hash("nobody has this password").unwrap_or_default();
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), nobody }
    }

    /// Hashes a password that came in the field `field`.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub async fn hash(&self, field: &'static str, password: Zeroizing<String>) -> Result<String, Refusal> {
        let hashed = self.take_turn(move || hash(&password)).await?;
        hashed.map_err(|error| match error {
            PasswordError::Failed => Refusal::internal(&error),
            PasswordError::TooShort | PasswordError::TooLong => Refusal::field(field, error.to_string()),
        })
    }

    /// Says whether a password fits a hash. Without a hash it takes equally long, and the password does not fit.
    ///
    /// # Errors
    /// `Unavailable` while the server shuts down.
    pub async fn verify(&self, password: Zeroizing<String>, phc: Option<String>) -> Result<bool, Refusal> {
        if password.len() > BYTES_MAX {
            return Ok(false);
        }
        let known = phc.is_some();
        let phc = phc.unwrap_or_else(|| self.nobody.clone());
        Ok(self.take_turn(move || fits(&password, &phc)).await? && known)
    }

    async fn take_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Refusal::closing())?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| Refusal::internal(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_and_no_other() {
        let phc = hash("correct horse battery").expect("hashed");
        assert!(phc.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"), "{phc}");
        assert!(fits("correct horse battery", &phc));
        assert!(!fits("correct horse batterz", &phc));
        assert!(!fits("correct horse battery", "$argon2id$nonsense"));
    }

    #[test]
    fn a_short_or_huge_password_is_refused() {
        assert!(matches!(hash("elevenchars"), Err(PasswordError::TooShort)));
        assert!(matches!(hash(&"x".repeat(BYTES_MAX + 1)), Err(PasswordError::TooLong)));
    }
}
