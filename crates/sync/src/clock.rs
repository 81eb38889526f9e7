//! The clock of the engine.

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use vaultterm_reconcile::UnixNanos;

/// Returns the time of this machine. The one place that asks for it: the engine and the database get a clock handed in.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
pub fn system_time() -> UnixNanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The source of time of the engine. It also waits for the engine.
pub trait Clock: Send + Sync {
    /// Returns the time.
    fn now(&self) -> UnixNanos;

    /// Waits for a duration.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}
