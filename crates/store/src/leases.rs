//! Leases, which are the right to run on a connection. A lease has a single holder at a time, and a fencing
//! number.
//!
//! A lease expires by the clock of the database, because the clocks of servers differ. (In tests it expires by the clock that
//! they hand in.) Taking and renewing a lease is not audited: the run itself is.

use std::time::Duration;

use uuid::Uuid;
use vaultterm_sync::{ConnectionId, Lease};

use crate::{
    Database, Store, StoreError,
    sql::{NOW_US, Tx, args},
};

impl Database {
    /// Frees all leases, those of jobs too, and forgets all servers. Returns the number of freed leases. The caller must make
    /// sure that no other process uses the database. The lock of a file proves that. Nothing proves it for a database on a
    /// server: a process whose connections were cut may go on in a moment, and send what its lease still allows.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn free_leases(&self) -> Result<u64, StoreError> {
        let mut tx = self.db.touch().await?;
        let freed = tx.run("UPDATE leases SET holder = NULL, expires = 0 WHERE holder IS NOT NULL", args![]).await?;
        let freed = freed + tx.run("DELETE FROM job_leases", args![]).await?;
        tx.run("DELETE FROM nodes", args![]).await?;
        tx.commit().await?;
        Ok(freed)
    }
}

impl Store {
    /// Takes the lease, unless another holder has a valid one.
    pub(crate) async fn take_lease(
        &self,
        id: ConnectionId,
        holder: Uuid,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.db.touch().await?;
        let now = now_ns("$4");
        let sql = format!(
            "INSERT INTO leases (connection_id, holder, fence, expires) VALUES ($1, $2, 1, {now} + $3)
             ON CONFLICT (connection_id) DO UPDATE
                 SET holder = excluded.holder, fence = leases.fence + 1, expires = excluded.expires
                 WHERE leases.holder IS NULL OR leases.holder = excluded.holder OR leases.expires <= {now}
             RETURNING fence"
        );
        let row = tx.one(&sql, args![id, holder, nanos(ttl), self.given_now()]).await?;
        let fence = row.map(|row| row.count("fence")).transpose()?;
        tx.commit().await?;
        Ok(fence.map(|fence| Lease { connection_id: id, holder, fence }))
    }

    /// Prolongs a lease and returns whether it is still held. A lease that ran out is still held if no other
    /// holder took it.
    pub(crate) async fn prolong_lease(&self, lease: Lease, ttl: Duration) -> Result<bool, StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = format!(
            "UPDATE leases SET expires = {} + $4 WHERE connection_id = $1 AND holder = $2 AND fence = $3",
            now_ns("$5")
        );
        let args = args![lease.connection_id, lease.holder, lease.fence, nanos(ttl), self.given_now()];
        let held = tx.run(&sql, args).await? == 1;
        tx.commit().await?;
        Ok(held)
    }

    /// Gives a lease back. Its row stays, because the next lease must have a higher fence.
    pub(crate) async fn give_lease_back(&self, lease: Lease) -> Result<(), StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = "UPDATE leases SET holder = NULL, expires = 0
                   WHERE connection_id = $1 AND holder = $2 AND fence = $3";
        tx.run(sql, args![lease.connection_id, lease.holder, lease.fence]).await?;
        tx.commit().await
    }
}

/// Returns the SQL of the moment that counts for leases, in nanoseconds: the one at a place, or the database's if that is
/// NULL.
pub(crate) fn now_ns(given: &str) -> String {
    format!("COALESCE({given}, {NOW_US} * 1000)")
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Makes sure that the lease is held until the end of the transaction. The update of its row prevents other
/// holders from taking it before the commit, on every database engine.
pub(crate) async fn hold(tx: &mut Tx, lease: Lease) -> Result<bool, StoreError> {
    let sql = "UPDATE leases SET fence = fence WHERE connection_id = $1 AND holder = $2 AND fence = $3";
    Ok(tx.run(sql, args![lease.connection_id, lease.holder, lease.fence]).await? == 1)
}

/// Returns whether a holder has a valid lease. `given_now` is the moment that a test handed in.
pub(crate) async fn is_held(tx: &mut Tx, id: ConnectionId, given_now: Option<i64>) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT fence FROM leases WHERE connection_id = $1 AND holder IS NOT NULL AND expires > {}",
        now_ns("$2")
    );
    Ok(tx.one(&sql, args![id, given_now]).await?.is_some())
}
