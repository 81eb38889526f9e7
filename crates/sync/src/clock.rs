//! The clock of the engine.

use std::{
    future::Future,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use vaultterm_reconcile::UnixNanos;

/// How far the clock that servers share is ahead of the one of this machine, in nanoseconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Returns the time. A server that shares a database with others goes by the database's clock ([`follow_clock`]), so that
/// all of them agree on what is due and what has expired. Every other process goes by the clock of its machine. The engine
/// and the database get a clock handed in; this is where that clock comes from.
#[must_use]
pub fn system_time() -> UnixNanos {
    UnixNanos(machine_time().0.saturating_add(AHEAD.load(Ordering::Relaxed)))
}

/// Returns the time of this machine. The one place that asks for it.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
pub fn machine_time() -> UnixNanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Lets [`system_time`] go by a clock that is so many nanoseconds ahead of the one of this machine. A negative number means
/// that it is behind.
pub fn follow_clock(ahead_ns: i64) {
    AHEAD.store(ahead_ns, Ordering::Relaxed);
}

/// The source of time of the engine. It also waits for the engine.
pub trait Clock: Send + Sync {
    /// Returns the time.
    fn now(&self) -> UnixNanos;

    /// Waits for a duration.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}
