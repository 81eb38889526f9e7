//! Time as a parameter.

use std::{future::Future, time::Duration};

use vaultterm_reconcile::UnixNanos;

/// Where the engine gets the time from, and how it waits.
pub trait Clock: Send + Sync {
    /// Tells the time.
    fn now(&self) -> UnixNanos;

    /// Waits.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}
