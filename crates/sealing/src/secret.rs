//! Types for secrets in memory. They cannot be printed, serialized or copied by accident.

use std::fmt;

use zeroize::Zeroizing;

use crate::SealingError;

/// A secret text, such as a `SecretID`, a password or a token. Wiped on drop. `Debug` prints only the
/// type name.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Draws a token: `prefix`, followed by 256 random bits in hexadecimal.
    ///
    /// # Errors
    /// [`SealingError::NoRandomness`].
    pub fn draw(prefix: &str) -> Result<Self, SealingError> {
        let mut bits = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bits.as_mut_slice()).map_err(|_| SealingError::NoRandomness)?;
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 2 * bits.len()));
        text.push_str(prefix);
        text.push_str(&Zeroizing::new(hex::encode(bits.as_slice())));
        Ok(Self(text))
    }

    /// Returns the secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Copies the secret. The name makes copies visible in code, since there is no `Clone`.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// Secret bytes. Wiped on drop. `Debug` prints only the type name.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Wraps secret bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the secret.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}
