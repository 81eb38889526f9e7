//! Hints about changes in Vault, as a run reads them while it looks at the whole connection.

use std::{collections::BTreeSet, future::pending};

use futures_util::future::BoxFuture;
use vaultterm_reconcile::SecretPath;

use crate::ConnectionId;

/// Paths at which a hint says that something changed in Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingPaths {
    /// The paths.
    pub paths: BTreeSet<SecretPath>,
    /// The number of the last hint among them. Later hints have higher numbers.
    pub up_to: u64,
}

/// The hints that wait for a run.
pub trait Hints: Send + Sync {
    /// Waits until hints with numbers above `after` wait for a connection, and returns them. May wait for ever.
    fn next(&self, id: ConnectionId, after: u64) -> BoxFuture<'_, WaitingPaths>;

    /// Takes the hints of a connection up to a number, because a run brought their paths in step. A hint that cannot be taken
    /// leads to another look.
    fn take(&self, id: ConnectionId, up_to: u64) -> BoxFuture<'_, ()>;
}

/// No hints, ever.
#[derive(Clone, Copy, Debug)]
pub struct NoHints;

impl Hints for NoHints {
    fn next(&self, _: ConnectionId, _: u64) -> BoxFuture<'_, WaitingPaths> {
        Box::pin(pending())
    }

    fn take(&self, _: ConnectionId, _: u64) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
