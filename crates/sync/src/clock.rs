//! The clock of the engine.

use std::{future::Future, time::Duration};

use vaultterm_reconcile::UnixNanos;

/// The source of time of the engine. It also waits for the engine.
pub trait Clock: Send + Sync {
    /// Returns the time.
    fn now(&self) -> UnixNanos;

    /// Waits for a duration.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}
