//! The right to run on a connection, with a fencing number.

use std::time::Duration;

use uuid::Uuid;
use vaultterm_sync::{ConnectionId, JournalError, Lease};

use crate::{
    Store, StoreError,
    sql::{Tx, args},
};

impl Store {
    pub(crate) async fn take_lease(
        &self,
        id: ConnectionId,
        holder: Uuid,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let now = (self.now_us)();
        let mut tx = self.db.write().await?;
        let row = tx.one("SELECT holder, fence, expires_us FROM leases WHERE connection_id = $1", args![id.0]).await?;
        let mut fence = 1;
        if let Some(row) = &row {
            let held = !row.text("holder")?.is_empty() && row.int("expires_us")? > now;
            if held && row.text("holder")? != holder.to_string() {
                return Ok(None);
            }
            fence = row.count("fence")? + 1;
        }
        tx.run(
            "INSERT INTO leases (connection_id, holder, fence, expires_us) VALUES ($1, $2, $3, $4)
             ON CONFLICT (connection_id) DO UPDATE SET holder = $2, fence = $3, expires_us = $4",
            args![id.0, holder, fence, now + micros(ttl)],
        )
        .await?;
        tx.commit().await?;
        Ok(Some(Lease { connection_id: id, holder, fence }))
    }

    pub(crate) async fn prolong_lease(&self, lease: Lease, ttl: Duration) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let rows = tx
            .run(
                "UPDATE leases SET expires_us = $4 WHERE connection_id = $1 AND holder = $2 AND fence = $3",
                args![lease.connection_id.0, lease.holder, lease.fence, (self.now_us)() + micros(ttl)],
            )
            .await?;
        tx.commit().await?;
        Ok(rows == 1)
    }

    /// The row stays with its fence: the next lease must have a higher one.
    pub(crate) async fn give_lease_back(&self, lease: Lease) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.run(
            "UPDATE leases SET holder = '', expires_us = 0 WHERE connection_id = $1 AND holder = $2 AND fence = $3",
            args![lease.connection_id.0, lease.holder, lease.fence],
        )
        .await?;
        tx.commit().await
    }
}

/// Checks inside a change that the lease is still ours.
pub(crate) async fn fenced(tx: &mut Tx, lease: Lease) -> Result<(), JournalError> {
    let row = tx
        .one(
            "SELECT fence FROM leases WHERE connection_id = $1 AND holder = $2 AND fence = $3",
            args![lease.connection_id.0, lease.holder, lease.fence],
        )
        .await
        .map_err(crate::journal::failed)?;
    row.map(|_| ()).ok_or(JournalError::LeaseLost)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}
