//! The error of this crate: why something could not be sealed or opened.

use uuid::Uuid;

use crate::key_purpose::KeyPurpose;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The given root key does not open the keyring.
    #[error("the master key does not open this database's keyring: it belongs to another installation or was replaced")]
    WrongRootKey,
    /// The keyring has no key with this id.
    #[error("the keyring holds no key {0}")]
    UnknownKey(Uuid),
    /// The keyring has no active key with this purpose.
    #[error("the keyring holds no active {0:?} key")]
    NoActiveKey(KeyPurpose),
    /// The ciphertext was changed, or moved to another place.
    #[error("a stored value does not open: it was changed, or moved from the place where it was sealed")]
    DoesNotOpen,
    /// The bytes have an unknown form.
    #[error("a stored value has an unknown form")]
    Malformed,
    /// The signature was made for other bytes or by another key.
    #[error("the signature is not valid")]
    BadSignature,
    /// The operating system provides no randomness.
    #[error("the operating system provides no randomness")]
    NoRandomness,
}
