//! The guard after a restore. Every connection is plan-only until a person has acknowledged a plan.
//!
//! The part that notices that the database went back in time raises the guard. The rows of the connections
//! carry it to the planner, where it becomes the halt `rewound`. A run with an acknowledgement lifts it for
//! its connection.

use uuid::Uuid;
use vaultterm_ledger::{Actor, AuditAction, ObjectKind};
use vaultterm_sync::ConnectionId;

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    sql::{Tx, args},
};

impl Store {
    /// Makes every connection plan-only until a person has acknowledged a plan, and returns their number
    /// (`AUDIT_GUARD_RAISED`). `reason` begins a sentence that people read in the halt. A connection that is
    /// guarded already keeps its reason.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn raise_restore_guard(&self, context: &Context, reason: &str) -> Result<u64, StoreError> {
        let mut tx = self.db.write().await?;
        let guarded = raise(&mut tx, reason).await?;
        let draft = context.draft(AuditAction::AuditGuardRaised, ObjectKind::Audit, Uuid::nil(), None);
        tx.audit(draft.with("reason", reason).with("connections", guarded));
        tx.commit().await?;
        Ok(guarded)
    }

    /// Lists the guarded connections by name, with the reasons.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn guarded_connections(&self) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT name, guarded FROM connections WHERE guarded IS NOT NULL ORDER BY name";
        let rows = self.db.all(sql, args![]).await?;
        rows.iter().map(|row| Ok((row.text("name")?, row.text("guarded")?))).collect()
    }

    /// Lifts the guard of a connection (`HCV_CONNECTION_UPDATED`).
    pub(crate) async fn lift_guard_of(&self, mut tx: Tx, id: ConnectionId) -> Result<(), StoreError> {
        let sql = "UPDATE connections SET guarded = NULL WHERE id = $1 RETURNING name";
        let row = tx.one(sql, args![id]).await?.ok_or(StoreError::NotFound("connection"))?;
        let name = row.text("name")?;
        let context = self.context(&Actor::vaultterm());
        let draft = context.draft(AuditAction::HcvConnectionUpdated, ObjectKind::Connection, id.0, Some(&name));
        tx.audit(draft.with("changed", "guard").with("acknowledged", "rewound"));
        tx.commit().await
    }
}

/// Guards all connections that are not guarded yet, and returns the number of guarded ones.
pub(crate) async fn raise(tx: &mut Tx, reason: &str) -> Result<u64, StoreError> {
    tx.run("UPDATE connections SET guarded = $1 WHERE guarded IS NULL", args![reason]).await?;
    let row = tx.one("SELECT COUNT(*) AS n FROM connections WHERE guarded IS NOT NULL", args![]).await?;
    row.ok_or(StoreError::Malformed("count"))?.count("n")
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::AuditAction;
    use vaultterm_reconcile::Mode;

    use crate::{AuditFilter, ConnectionUpdate, Page, testing::House};

    #[tokio::test]
    async fn a_raised_guard_covers_every_connection_and_is_audited_once() {
        let house = House::new().await;
        let one = house.connect("one", Mode::Push, "one").await.unwrap();
        house.connect("two", Mode::Pull, "two").await.unwrap();
        assert_eq!(house.store.raise_restore_guard(&house.ann(), "first").await.unwrap(), 2);
        let guarded = house.store.guarded_connections().await.unwrap();
        assert_eq!(guarded, [("one".to_owned(), "first".to_owned()), ("two".to_owned(), "first".to_owned())]);
        let page = Page { limit: 500, cursor: None };
        let filter = AuditFilter { action: Some(AuditAction::AuditGuardRaised), ..AuditFilter::default() };
        let events = house.store.audit_events(&filter, &page).await.unwrap().items;
        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((&*event.entry.draft.detail["reason"], &*event.entry.draft.detail["connections"]), ("first", "2"));
        // The first reason stays, because it came first. An edit does not lift the guard.
        house.store.raise_restore_guard(&house.ann(), "second").await.unwrap();
        let update = ConnectionUpdate { name: Some("live".to_owned()), ..ConnectionUpdate::default() };
        let edited = house.store.update_connection(&house.ann(), one.id, 1, update).await.unwrap();
        assert_eq!(edited.guarded.as_deref(), Some("first"));
        assert_eq!(house.store.guarded_connections().await.unwrap()[0].1, "first");
        // A connection that is created afterwards is not older than any state.
        let three = house.connect("three", Mode::Push, "three").await.unwrap();
        assert_eq!(three.guarded, None);
    }
}
