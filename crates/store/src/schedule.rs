//! What the scheduler needs to know of every connection.

use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::{Connection, Run, schedule::Standing};

use crate::{Store, StoreError, runs, sql::args};

/// A connection that may run by itself, and how it stands.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The connection.
    pub connection: Connection,
    /// Its newest run; resolutions are none.
    pub last_run: Option<Run>,
    /// How many runs failed in a row, the newest included.
    pub failures: u32,
    /// When its collection was last changed by somebody else than a run of this connection,
    /// if no run began since.
    pub changed: Option<UnixNanos>,
}

impl Scheduled {
    /// Asks what [`vaultterm_sync::schedule`] answers.
    #[must_use]
    pub fn standing(&self) -> Standing<'_> {
        Standing {
            connection: &self.connection,
            last_run: self.last_run.as_ref(),
            failures: self.failures,
            changed: self.changed,
        }
    }
}

impl Store {
    /// Lists every connection that is started and not paused.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn schedulable(&self) -> Result<Vec<Scheduled>, StoreError> {
        let sql = "SELECT * FROM connections WHERE started = 1 AND paused = 0 ORDER BY id";
        let mut scheduled = Vec::new();
        for row in self.db.all(sql, args![]).await? {
            scheduled.push(self.scheduled(self.connection_row(&row)?).await?);
        }
        Ok(scheduled)
    }

    async fn scheduled(&self, connection: Connection) -> Result<Scheduled, StoreError> {
        let sql = "SELECT * FROM runs WHERE connection_id = $1 AND cause <> 'resolution' ORDER BY id DESC LIMIT 1";
        let last_run = self.db.one(sql, args![connection.id]).await?.map(|row| runs::run(&row)).transpose()?;
        // More failures in a row than this rest no longer.
        let sql = "SELECT state FROM runs WHERE connection_id = $1 AND cause <> 'resolution' ORDER BY id DESC LIMIT 20";
        let states = self.db.all(sql, args![connection.id]).await?;
        let states = states.iter().map(|row| row.text("state")).collect::<Result<Vec<_>, _>>()?;
        let failures = (0..).zip(states).find(|(_, state)| state != "failed").map_or(20, |(count, _)| count);
        // What changed within the microsecond in which the run began counts: one run too many
        // does nothing, one too few would leave a change behind.
        let since_us = last_run.as_ref().map_or(0, |run| run.started.0 / 1_000);
        let sql = "SELECT updated_us FROM records
                   WHERE collection_id = $1 AND updated_us >= $2 AND (updated_by IS NULL OR updated_by <> $3)
                   ORDER BY updated_us DESC LIMIT 1";
        let changed = self.db.one(sql, args![connection.collection_id, since_us, connection.id]).await?;
        let changed = changed.map(|row| row.int("updated_us")).transpose()?;
        let changed = changed.map(|us| UnixNanos(us.saturating_mul(1_000)));
        Ok(Scheduled { connection, last_run, failures, changed })
    }
}
