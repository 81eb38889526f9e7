//! What the server remembers of the anchor in a connected Vault.

use std::time::Instant;

/// One secret, by the name of a connection and a path below its mount.
#[derive(Debug)]
pub(super) struct VaultAnchor {
    pub(super) connection: String,
    pub(super) path: String,
    /// Whether the anchored checkpoint was compared since the start.
    pub(super) compared: bool,
    /// When the server last tried to write it.
    pub(super) tried: Option<Instant>,
    /// The checkpoint that was compared last. The guard is raised for it only once.
    pub(super) seen: Option<String>,
}

impl VaultAnchor {
    pub(super) fn new(connection: String, path: String) -> Self {
        Self { connection, path, compared: false, tried: None, seen: None }
    }
}
