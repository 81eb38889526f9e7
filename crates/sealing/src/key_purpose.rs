//! The purposes of keys in the keyring.

use vaultterm_reconcile::names;

names!(
    /// The purpose of a key in the keyring. An installation has one active key of each.
    KeyPurpose, "key purpose" {
        /// The key wraps data keys.
        Record = "record",
        /// The key makes digests that compare values.
        Digest = "digest",
        /// The key is an Ed25519 seed and signs audit checkpoints and backups.
        Audit = "audit",
        /// The key makes the digests by which tokens are looked up.
        Token = "token",
    }
);
