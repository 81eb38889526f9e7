//! The connections of an open database.

use std::time::Duration;

use sqlx::{PgPool, SqlitePool};

/// The time for which a request waits for its turn to write.
pub(super) const TURN_TIMEOUT: Duration = Duration::from_secs(30);
/// The number of cached statements for each connection. It is larger than the number of statements in this crate, so that
/// each is prepared once.
pub(super) const STATEMENTS_MAX: usize = 512;

/// The pools of an open database.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    /// One connection that writes, and several that read.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    /// One connection for changes that are audited, a few for those that are not, and several that read.
    Postgres { writer: PgPool, aside: PgPool, readers: PgPool },
}

impl Pools {
    /// Returns whether several servers may use the database at the same time.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
}
