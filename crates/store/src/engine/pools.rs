//! The connections of an open database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

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
    Sqlite { writer: SqlitePool, readers: SqlitePool, turns: Arc<Turns> },
    /// One connection for changes that are audited, a few for those that are not, and several that read.
    Postgres { writer: PgPool, aside: PgPool, readers: PgPool, turns: Arc<Turns> },
}

/// How often a change waited for its turn, and how long in all.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    count: AtomicU64,
    waited_us: AtomicU64,
}

impl Turns {
    pub(super) fn note(&self, waited: Duration) {
        self.count.fetch_add(1, Relaxed);
        self.waited_us.fetch_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// How a pool of connections is used at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// `writer`, `aside` or `readers`.
    pub name: &'static str,
    /// The connections that work.
    pub used: u32,
    /// The connections that wait for work.
    pub idle: u32,
    /// The limit of both together.
    pub max: u32,
}

/// How the connections to the database are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUse {
    /// The pools.
    pub pools: Vec<PoolUse>,
    /// How often a change has waited for its turn, since the start.
    pub turns: u64,
    /// How long these changes have waited in all, in microseconds.
    pub waited_us: u64,
}

fn pool_use<DB: sqlx::Database>(name: &'static str, pool: &sqlx::Pool<DB>) -> PoolUse {
    let (size, idle) = (pool.size(), u32::try_from(pool.num_idle()).unwrap_or(u32::MAX));
    PoolUse { name, used: size.saturating_sub(idle), idle, max: pool.options().get_max_connections() }
}

impl Pools {
    pub(super) fn turns(&self) -> &Turns {
        match self {
            Self::Sqlite { turns, .. } | Self::Postgres { turns, .. } => turns,
        }
    }

    /// Returns how the connections are used. Asks the database nothing.
    pub(crate) fn in_use(&self) -> DatabaseUse {
        let pools = match self {
            Self::Sqlite { writer, readers, .. } => vec![pool_use("writer", writer), pool_use("readers", readers)],
            Self::Postgres { writer, aside, readers, .. } => {
                vec![pool_use("writer", writer), pool_use("aside", aside), pool_use("readers", readers)]
            }
        };
        let turns = self.turns();
        DatabaseUse { pools, turns: turns.count.load(Relaxed), waited_us: turns.waited_us.load(Relaxed) }
    }
}

impl Pools {
    /// Returns whether several servers may use the database at the same time.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
}
