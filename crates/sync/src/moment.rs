//! Arithmetic with moments.

use std::time::Duration;

use vaultterm_reconcile::UnixNanos;

/// Returns the moment after a duration. The result is limited to the last moment that can be represented.
#[must_use]
pub fn later(moment: UnixNanos, by: Duration) -> UnixNanos {
    UnixNanos(moment.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
}
