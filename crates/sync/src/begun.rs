//! A run that has begun and is not carried out yet.

use std::collections::BTreeSet;

use vaultterm_reconcile::{HaltKind, Mode, SecretPath};

use crate::{Connection, ConnectionSecrets, Run, StoredPlan, lease::Held};

/// A run that holds its lease.
#[derive(Debug)]
pub struct Begun {
    /// The run as it was recorded.
    pub run: Run,
    pub(crate) held: Held,
    pub(crate) connection: Connection,
    pub(crate) secrets: ConnectionSecrets,
    pub(crate) plan: Option<StoredPlan>,
    pub(crate) skip: BTreeSet<SecretPath>,
    pub(crate) at: BTreeSet<SecretPath>,
    pub(crate) acknowledge: BTreeSet<HaltKind>,
}

impl Begun {
    /// Returns the direction of the connection.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.connection.options.mode
    }
}
