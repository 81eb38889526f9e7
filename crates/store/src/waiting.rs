//! What waits for a person: the few numbers that every page shows.

use uuid::Uuid;

use crate::{Store, StoreError, sql::args};

/// What waits in the collections of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Conflicts that are open.
    pub open_conflicts: u64,
    /// Connections whose newest run was halted or failed.
    pub stopped: u64,
    /// Runs that go on.
    pub running: u64,
}

impl Store {
    /// Counts what waits in the collections that a person is a member of.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn waiting(&self, user_id: Uuid) -> Result<Waiting, StoreError> {
        let mine = "SELECT c.id FROM connections c JOIN members m ON m.collection_id = c.collection_id
                    WHERE m.user_id = $1";
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM conflicts WHERE status = 'open' AND connection_id IN ({mine})) AS conflicts,
                    (SELECT COUNT(*) FROM runs WHERE state = 'running' AND connection_id IN ({mine})) AS running,
                    (SELECT COUNT(*) FROM ({mine}) mine WHERE (
                        SELECT r.state FROM runs r WHERE r.connection_id = mine.id AND r.cause <> 'resolution'
                        AND r.part NOT LIKE '%\"only\":[%'
                        ORDER BY r.id DESC LIMIT 1) IN ('halted', 'failed')) AS stopped"
        );
        let Some(row) = self.db.one(&sql, args![user_id]).await? else { return Ok(Waiting::default()) };
        Ok(Waiting {
            open_conflicts: row.count("conflicts")?,
            stopped: row.count("stopped")?,
            running: row.count("running")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vaultterm_reconcile::Mode;
    use vaultterm_sync::{RunState, Trigger};

    use super::Waiting;
    use crate::testing::House;

    #[tokio::test]
    async fn runs_that_go_on_and_connections_that_stopped_are_counted_for_members_only() {
        let house = House::new().await;
        let one = house.connect("one", Mode::Bidirectional, "a").await.unwrap();
        let two = house.connect("two", Mode::Bidirectional, "b").await.unwrap();
        let run = house.begin(one.id, Trigger::Manual).await;
        house.end(run, RunState::Halted).await;
        house.begin(two.id, Trigger::Manual).await;
        let waiting = house.store.waiting(house.owner.id).await.unwrap();
        assert_eq!(waiting, Waiting { open_conflicts: 0, stopped: 1, running: 1 });
        assert_eq!(house.store.waiting(Uuid::nil()).await.unwrap(), Waiting::default());
    }
}
