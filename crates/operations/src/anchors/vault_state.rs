//! What is known of the anchor in a connected Vault.

use std::time::Instant;

/// One secret, by the name of a connection and a path below its mount.
#[derive(Debug)]
pub(super) struct VaultAnchor {
    pub(super) connection: String,
    pub(super) path: String,
    /// What stands there was compared since the start.
    pub(super) compared: bool,
    /// When it was written last, or tried to be.
    pub(super) tried: Option<Instant>,
    /// What was compared last: once is enough to raise the guard for it.
    pub(super) seen: Option<String>,
}

impl VaultAnchor {
    pub(super) fn new(connection: String, path: String) -> Self {
        Self { connection, path, compared: false, tried: None, seen: None }
    }
}
