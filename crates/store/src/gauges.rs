//! Facts that only the metrics need. They are read when somebody reads the metrics.

use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::ConnectionId;

use crate::{DatabaseUse, Store, StoreError, sql::args};

impl Store {
    /// Returns how the connections to the database are used. Asks the database nothing.
    #[must_use]
    pub fn database_use(&self) -> DatabaseUse {
        self.db.0.in_use()
    }

    /// Returns when the newest run of a connection that did everything ended. A run for some paths does not count, and
    /// neither does a decision.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn last_success(&self, id: ConnectionId) -> Result<Option<UnixNanos>, StoreError> {
        let sql = r#"SELECT finished FROM runs
                     WHERE connection_id = $1 AND state = 'succeeded' AND cause <> 'resolution'
                       AND part NOT LIKE '%"only":[%'
                     ORDER BY id DESC LIMIT 1"#;
        let row = self.db.one(sql, args![id]).await?;
        let finished = row.map(|row| row.maybe_int("finished")).transpose()?.flatten();
        Ok(finished.map(UnixNanos))
    }

    /// Returns the earliest time in the future at which an API token expires, in microseconds.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn first_token_expiry(&self, now_us: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT expires_us FROM tokens WHERE kind = 'api' AND expires_us > $1 ORDER BY expires_us LIMIT 1";
        let row = self.db.one(sql, args![now_us]).await?;
        Ok(row.map(|row| row.maybe_int("expires_us")).transpose()?.flatten())
    }

    /// Returns the time of the first audit entry after a number, in microseconds.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn entry_time_after(&self, seq: u64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT time_us FROM audit WHERE seq > $1 ORDER BY seq LIMIT 1";
        let row = self.db.one(sql, args![seq]).await?;
        row.map(|row| row.int("time_us")).transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::{Mode, SecretPath};
    use vaultterm_sync::{RunPart, RunState, Scope, TokenKind, Trigger};

    use crate::{
        NewToken,
        testing::{House, NOW_US},
    };

    #[tokio::test]
    async fn only_a_whole_run_that_succeeded_counts_as_the_last_success() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        assert_eq!(house.store.last_success(made.id).await.unwrap(), None);
        let run = house.begin(made.id, Trigger::Manual).await;
        house.end(run, RunState::Succeeded).await;
        let first = house.store.last_success(made.id).await.unwrap().expect("one succeeded");
        for state in [RunState::Failed, RunState::Partial, RunState::Cancelled] {
            let run = house.begin(made.id, Trigger::Interval).await;
            house.end(run, state).await;
        }
        let run = house.begin(made.id, Trigger::Resolution).await;
        house.end(run, RunState::Succeeded).await;
        let only = vec![SecretPath::new("a").unwrap()];
        let run = house.begin_part(made.id, RunPart { only, left_out: Vec::new() }).await;
        house.end(run, RunState::Succeeded).await;
        assert_eq!(house.store.last_success(made.id).await.unwrap(), Some(first));
    }

    #[tokio::test]
    async fn the_first_token_to_expire_is_one_of_a_program_that_still_holds() {
        let house = House::new().await;
        let ann = house.ann();
        for (kind, expires_us) in [
            (TokenKind::Api, Some(NOW_US - 1)),
            (TokenKind::Api, Some(NOW_US + 20)),
            (TokenKind::Api, Some(NOW_US + 10)),
            (TokenKind::Api, None),
            (TokenKind::Login, Some(NOW_US + 5)),
        ] {
            let new = NewToken {
                user_id: ann.actor.id,
                kind,
                name: "t".to_owned(),
                scopes: vec![Scope::RecordsRead],
                expires_us,
            };
            house.store.issue_token(&ann, new).await.unwrap();
        }
        assert_eq!(house.store.first_token_expiry(NOW_US).await.unwrap(), Some(NOW_US + 10));
        assert_eq!(house.store.first_token_expiry(NOW_US + 20).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_change_that_waits_for_its_turn_is_counted() {
        let house = House::new().await;
        let before = house.store.database_use();
        house.save("a", json!({"x": 1})).await.unwrap();
        let after = house.store.database_use();
        assert!(after.turns > before.turns && after.waited_us >= before.waited_us, "{before:?} {after:?}");
        assert!(after.pools.iter().all(|pool| pool.max > 0 && pool.used + pool.idle <= pool.max), "{after:?}");
        assert!(house.store.entry_time_after(0).await.unwrap().is_some());
        assert_eq!(house.store.entry_time_after(1_000_000).await.unwrap(), None);
    }
}
