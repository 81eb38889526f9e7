//! The error of this crate: why something could not be sealed or opened.

use uuid::Uuid;

use crate::key_purpose::KeyPurpose;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The root key is not the one the keyring is wrapped under.
    #[error("the master key does not open this database's keyring: it belongs to another installation or was replaced")]
    WrongRootKey,
    /// The keyring lacks a key.
    #[error("the keyring holds no key {0}")]
    UnknownKey(Uuid),
    /// The keyring lacks an active key of a purpose.
    #[error("the keyring holds no active {0:?} key")]
    NoActiveKey(KeyPurpose),
    /// The ciphertext was changed, or moved from where it was sealed.
    #[error("a stored value does not open: it was changed, or moved from where it was sealed")]
    DoesNotOpen,
    /// The bytes have no known form.
    #[error("a stored value has an unknown form")]
    Malformed,
    /// A signature is not of these bytes, or not by this key.
    #[error("the signature does not hold")]
    BadSignature,
    /// The system has no randomness.
    #[error("the system provides no randomness")]
    NoRandomness,
}
