//! One sealed message: a fresh data key, wrapped, and what it encrypts.

use uuid::Uuid;

/// What a ciphertext is for. Part of the AAD: a ciphertext of one purpose opens as no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// The fields of a record revision.
    RecordFields = 1,
    /// A connection's `SecretID` or wrapping token.
    ConnectionSecretId = 2,
    /// A connection's TLS client key.
    ConnectionTlsKey = 3,
    /// A user's OTP seed.
    UserOtpSeed = 4,
    /// The remote copy a conflict keeps.
    ConflictCopy = 5,
    /// The stored answer of an idempotent request.
    IdempotentAnswer = 6,
}

/// Where a ciphertext lives. A ciphertext copied to any other place does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is for.
    pub purpose: Purpose,
    /// The collection, or nil where there is none.
    pub collection: Uuid,
    /// The record, connection, user or conflict.
    pub object: Uuid,
    /// The revision, or 0 where there is none.
    pub revision: u64,
}

/// A sealed message as it is stored: three columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The keyring key that wraps the data key.
    pub key_id: Uuid,
    /// Suite, salt, key commitment, nonce, wrapped data key.
    pub wrapped_key: Vec<u8>,
    /// Nonce, ciphertext, tag.
    pub ciphertext: Vec<u8>,
}
