//! The presence of a server among those on its database. It reports every few seconds that it lives, goes by the clock of the
//! database, and learns when it is too old for the database.
//!
//! A server whose root key is sealed reports too.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use vaultterm_store::{Database, Report, SCHEMA, Store, StoreError};
use vaultterm_sync::{follow_clock, machine_time};

/// How often a server reports.
const EVERY: Duration = Duration::from_secs(3);
/// A report whose answer took longer tells nothing about the clock of the database.
const ANSWER_MAX_NS: i64 = 500_000_000;
/// Clocks that differ by less count as equal, so that the time does not jump back and forth.
const SLACK_NS: i64 = 250_000_000;

/// A server on a database that others may share.
pub struct Presence {
    database: Database,
    name: String,
    version: &'static str,
    opened: OnceLock<Store>,
    ended: AtomicBool,
}

impl Presence {
    /// Describes a server by its name for people and its version.
    #[must_use]
    pub fn new(database: Database, name: String, version: &'static str) -> Self {
        Self { database, name, version, opened: OnceLock::new(), ended: AtomicBool::new(false) }
    }

    /// Tells that the root key is open.
    pub fn opened(&self, store: Store) {
        self.opened.get_or_init(|| store);
    }

    /// Reports for the first time, and goes by the clock of the database from now on.
    ///
    /// # Errors
    /// [`StoreError::NeedsNewer`]; [`StoreError`] when the database fails.
    pub async fn begin(&self) -> Result<(), StoreError> {
        if !self.database.is_shared() {
            return Ok(());
        }
        let mut ahead_ns = 0;
        self.report(&mut ahead_ns).await
    }

    /// Reports again and again. Returns when the server must not work with the database any more.
    pub async fn keep(&self) -> StoreError {
        if !self.database.is_shared() {
            return std::future::pending().await;
        }
        let (mut ahead_ns, mut failed) = (0, false);
        loop {
            match self.report(&mut ahead_ns).await {
                Ok(()) => failed = false,
                Err(error @ StoreError::NeedsNewer { .. }) => return error,
                Err(error) if !failed => {
                    tracing::warn!(%error, "the server cannot report that it lives");
                    failed = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Reports that the server ends, for the last time.
    pub async fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        if self.database.is_shared()
            && let Err(error) = self.database.leave().await
        {
            tracing::warn!(%error, "the server cannot report that it ends; the others notice it in a moment");
        }
    }

    /// Reports, and returns with the clock set. `ahead_ns` is how far the clock of the database is ahead of the one of this
    /// machine, as far as the caller knows.
    async fn report(&self, ahead_ns: &mut i64) -> Result<(), StoreError> {
        let report = Report {
            name: &self.name,
            version: self.version,
            ahead_us: -*ahead_ns / 1_000,
            keyring_generation: self.opened.get().map(Store::keyring_generation),
        };
        if self.ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        let asked = machine_time().0;
        let learned = self.database.report(&report).await?;
        let answered = machine_time().0;
        if learned.schema_needed > SCHEMA {
            return Err(StoreError::NeedsNewer { needed: learned.schema_needed, known: SCHEMA });
        }
        if let Some(measured) = ahead(asked, answered, learned.now_us) {
            if (measured - *ahead_ns).abs() > SLACK_NS {
                *ahead_ns = measured;
            }
            follow_clock(*ahead_ns);
        }
        Ok(())
    }
}

/// Returns how far the clock of the database is ahead of the one of this machine, in nanoseconds. The database answered between
/// two moments of this machine.
fn ahead(asked_ns: i64, answered_ns: i64, database_us: i64) -> Option<i64> {
    let took = answered_ns - asked_ns;
    (0..ANSWER_MAX_NS).contains(&took).then(|| database_us.saturating_mul(1_000) - (asked_ns + took / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_database_is_measured_in_the_middle_of_a_quick_answer() {
        assert_eq!(ahead(1_000_000, 3_000_000, 3_602_000), Some(3_600_000_000));
        assert_eq!(ahead(1_000_000, 3_000_000, 1), Some(-1_999_000));
        assert_eq!(ahead(0, ANSWER_MAX_NS, 0), None, "a slow answer tells nothing");
        assert_eq!(ahead(5, 4, 0), None, "the clock of the machine was set back meanwhile");
    }
}
