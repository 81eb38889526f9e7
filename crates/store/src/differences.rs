//! Differences between a record and its secret that a person accepted. A person may reopen them.

use vaultterm_ledger::{AuditAction, Draft, ObjectKind};
use vaultterm_sync::ConnectionId;

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    sql::{Row, args},
};

/// A path with an accepted difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedDifference {
    /// The path below that of the connection.
    pub path: String,
    /// The person who accepted it.
    pub accepted_by: String,
    /// When, in microseconds.
    pub accepted_us: i64,
}

impl Store {
    /// Lists by path the accepted differences of a connection that were not reopened.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn accepted_differences(&self, id: ConnectionId) -> Result<Vec<AcceptedDifference>, StoreError> {
        let sql = "SELECT path, accepted_by, accepted_at FROM base
                   WHERE connection_id = $1 AND accepted_reopened = 0 ORDER BY path";
        self.db.all(sql, args![id]).await?.iter().map(difference).collect()
    }

    /// Reopens an accepted difference (`HCV_DIFFERENCE_REOPENED`). The next run makes a conflict of it and
    /// changes neither side.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the connection does not exist, or if the path has no accepted difference.
    pub async fn reopen_difference(&self, context: &Context, id: ConnectionId, path: &str) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let row = tx.one("SELECT name FROM connections WHERE id = $1", args![id]).await?;
        let name = row.ok_or(StoreError::NotFound("connection"))?.text("name")?;
        let sql = "UPDATE base SET accepted_reopened = 1
                   WHERE connection_id = $1 AND path = $2 AND accepted_reopened = 0";
        if tx.run(sql, args![id, path]).await? == 0 {
            return Err(StoreError::NotFound("accepted difference"));
        }
        let about: Draft = context.draft(AuditAction::HcvDifferenceReopened, ObjectKind::Connection, id.0, Some(&name));
        tx.audit(about.with("path", path));
        tx.commit().await
    }
}

fn difference(row: &Row) -> Result<AcceptedDifference, StoreError> {
    Ok(AcceptedDifference {
        path: row.text("path")?,
        accepted_by: row.text("accepted_by")?,
        accepted_us: row.int("accepted_at")? / 1_000,
    })
}
