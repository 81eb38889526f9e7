//! The purposes of keys in the keyring.

/// The purpose of a key in the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// The key wraps data keys.
    Record,
    /// The key makes digests that compare values.
    Digest,
    /// The key is an Ed25519 seed and signs audit checkpoints and backups.
    Audit,
    /// The key makes the digests by which tokens are looked up.
    Token,
}

impl KeyPurpose {
    /// All purposes. An installation has one active key of each.
    pub const ALL: [Self; 4] = [Self::Record, Self::Digest, Self::Audit, Self::Token];

    /// Returns the name that is stored with the key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Digest => "digest",
            Self::Audit => "audit",
            Self::Token => "token",
        }
    }
}
