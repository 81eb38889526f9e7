//! What an error of an engine means.

use super::{postgres, sqlite};
use crate::StoreError;

impl From<sqlx::Error> for StoreError {
    /// Tells a busy database from a failed one.
    fn from(error: sqlx::Error) -> Self {
        if is_busy(&error) { Self::Busy } else { Self::Database(error) }
    }
}

/// Returns whether an error of an engine means that the database may carry out the same request in a moment.
fn is_busy(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => postgres::is_busy(&**error).unwrap_or_else(|| sqlite::is_busy(&**error)),
        error => postgres::is_lost(error),
    }
}
