//! Secrets in Vault whose names cannot be paths of records. A person accepted that the connection leaves them out.

use vaultterm_ledger::{AuditAction, Draft, ObjectKind};
use vaultterm_sync::ConnectionId;

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    sql::{Row, Tx, args},
};

/// A name in Vault that a person accepted as left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredPath {
    /// The name below the path of the connection, exactly as Vault lists it.
    pub path: String,
    /// The reason in the person's words.
    pub reason: Option<String>,
    /// The name of the person.
    pub accepted_by: String,
    /// The time, in microseconds.
    pub accepted_us: i64,
}

impl Store {
    /// Lists the names that a person accepted as left out of a connection, sorted by name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn ignored_paths(&self, id: ConnectionId) -> Result<Vec<IgnoredPath>, StoreError> {
        let sql =
            "SELECT path, reason, accepted_by, accepted_us FROM ignored_paths WHERE connection_id = $1 ORDER BY path";
        self.db.all(sql, args![id]).await?.iter().map(ignored).collect()
    }

    /// Accepts that a name is left out (`HCV_PATH_IGNORED`). If it was accepted before with the same reason,
    /// the earlier acceptance stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the connection does not exist.
    pub async fn ignore_path(
        &self,
        context: &Context,
        id: ConnectionId,
        path: &str,
        reason: Option<&str>,
    ) -> Result<IgnoredPath, StoreError> {
        let mut tx = self.db.write().await?;
        let name = name_of(&mut tx, id).await?;
        let sql =
            "SELECT path, reason, accepted_by, accepted_us FROM ignored_paths WHERE connection_id = $1 AND path = $2";
        if let Some(row) = tx.one(sql, args![id, path]).await? {
            let before = ignored(&row)?;
            if before.reason.as_deref() == reason {
                return Ok(before);
            }
        }
        let accepted_by = context.actor.name.clone();
        let sql = "INSERT INTO ignored_paths (connection_id, path, reason, accepted_by, accepted_us)
                   VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (connection_id, path) DO UPDATE SET
                       reason = excluded.reason, accepted_by = excluded.accepted_by, accepted_us = excluded.accepted_us";
        tx.run(sql, args![id, path, reason, accepted_by.as_str(), context.now_us]).await?;
        tx.audit(about(context, AuditAction::HcvPathIgnored, id, &name, path).with_maybe("reason", reason));
        tx.commit().await?;
        Ok(IgnoredPath {
            path: path.to_owned(),
            reason: reason.map(str::to_owned),
            accepted_by,
            accepted_us: context.now_us,
        })
    }

    /// Takes back the acceptance of a name (`HCV_PATH_UNIGNORED`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the connection does not exist, or if the name was not accepted.
    pub async fn stop_ignoring(&self, context: &Context, id: ConnectionId, path: &str) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let name = name_of(&mut tx, id).await?;
        let sql = "DELETE FROM ignored_paths WHERE connection_id = $1 AND path = $2";
        if tx.run(sql, args![id, path]).await? == 0 {
            return Err(StoreError::NotFound("ignored path"));
        }
        tx.audit(about(context, AuditAction::HcvPathUnignored, id, &name, path));
        tx.commit().await
    }
}

async fn name_of(tx: &mut Tx, id: ConnectionId) -> Result<String, StoreError> {
    let row = tx.one("SELECT name FROM connections WHERE id = $1", args![id]).await?;
    row.ok_or(StoreError::NotFound("connection"))?.text("name")
}

fn about(context: &Context, action: AuditAction, id: ConnectionId, name: &str, path: &str) -> Draft {
    context.draft(action, ObjectKind::Connection, id.0, Some(name)).with("path", path)
}

fn ignored(row: &Row) -> Result<IgnoredPath, StoreError> {
    Ok(IgnoredPath {
        path: row.text("path")?,
        reason: row.maybe_text("reason")?,
        accepted_by: row.text("accepted_by")?,
        accepted_us: row.int("accepted_us")?,
    })
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::AuditAction;
    use vaultterm_reconcile::Mode;
    use vaultterm_sync::Journal as _;

    use crate::{ErrorClass, testing::House};

    #[tokio::test]
    async fn what_somebody_accepted_to_be_left_out_is_listed_told_to_the_engine_and_audited() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Pull, "team").await.unwrap();
        house.store.ignore_path(&house.ann(), made.id, "trail ", Some("a typing error")).await.unwrap();
        house.store.ignore_path(&house.ann(), made.id, "a", None).await.unwrap();
        house.store.ignore_path(&house.ann(), made.id, "a", None).await.unwrap();
        let listed = house.store.ignored_paths(made.id).await.unwrap();
        let paths: Vec<_> = listed.iter().map(|ignored| (ignored.path.as_str(), ignored.reason.as_deref())).collect();
        assert_eq!(paths, [("a", None), ("trail ", Some("a typing error"))]);
        let told = house.store.ignored(made.id).await.unwrap();
        assert_eq!(told.get("trail ").map(String::as_str), Some("ann@example.com"));
        house.store.stop_ignoring(&house.ann(), made.id, "trail ").await.unwrap();
        let again = house.store.stop_ignoring(&house.ann(), made.id, "trail ").await.unwrap_err();
        assert_eq!(again.class(), ErrorClass::NotFound);
        assert_eq!(house.store.ignored_paths(made.id).await.unwrap().len(), 1);
        let audited = house.audited().await;
        let count = |action| audited.iter().filter(|found| **found == action).count();
        assert_eq!(
            (count(AuditAction::HcvPathIgnored), count(AuditAction::HcvPathUnignored)),
            (2, 1),
            "said twice is said once"
        );
    }
}
