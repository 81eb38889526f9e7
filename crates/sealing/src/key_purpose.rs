//! The purposes of keys in the keyring.

/// What a key of the keyring does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Wraps data keys.
    Record,
    /// Makes comparison digests.
    Digest,
    /// Signs audit checkpoints and backups (Ed25519 seed).
    Audit,
    /// Makes look-up digests of tokens.
    Token,
}

impl KeyPurpose {
    /// Every purpose: an installation has an active key of each.
    pub const ALL: [Self; 4] = [Self::Record, Self::Digest, Self::Audit, Self::Token];

    /// Returns the name stored with the key.
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
