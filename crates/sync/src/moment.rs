//! Arithmetic with moments.

use std::time::Duration;

use vaultterm_reconcile::UnixNanos;

/// Returns a moment later by a duration; never beyond the last one that can be told.
pub(crate) fn later(moment: UnixNanos, by: Duration) -> UnixNanos {
    UnixNanos(moment.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
}
