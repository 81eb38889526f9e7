//! Leases of jobs: the right to do the job of a name. A job has a single holder at a time, among all servers on the
//! database.
//!
//! They expire by the clock of the database, because the clocks of servers differ. They write no audit entry: they change
//! nothing that a person could ask about.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    Store, StoreError,
    nodes::micros,
    sql::{NOW_US, args},
};

impl Store {
    /// Takes the lease of a job, unless another holder has a valid one. Returns whether the holder has it now.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_job_lease(&self, name: &str, holder: Uuid, ttl: Duration) -> Result<bool, StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = format!(
            "INSERT INTO job_leases (name, holder, expires_us) VALUES ($1, $2, {NOW_US} + $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_us = excluded.expires_us
                 WHERE job_leases.holder = excluded.holder OR job_leases.expires_us <= {NOW_US}"
        );
        let taken = tx.run(&sql, args![name, holder, micros(ttl)]).await? == 1;
        tx.commit().await?;
        Ok(taken)
    }

    /// Prolongs a lease, and returns whether it is still held. A lease that ran out is still held if no other holder
    /// took it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn renew_job_lease(&self, name: &str, holder: Uuid, ttl: Duration) -> Result<bool, StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = format!("UPDATE job_leases SET expires_us = {NOW_US} + $3 WHERE name = $1 AND holder = $2");
        let held = tx.run(&sql, args![name, holder, micros(ttl)]).await? == 1;
        tx.commit().await?;
        Ok(held)
    }

    /// Gives a lease back. A lease that another holder took meanwhile stays.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn give_job_lease_back(&self, name: &str, holder: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.touch().await?;
        tx.run("DELETE FROM job_leases WHERE name = $1 AND holder = $2", args![name, holder]).await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, testing::House};

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(30);

    #[tokio::test]
    async fn a_job_has_one_holder_at_a_time_and_the_next_one_after_it_was_given_back() {
        let house = House::new().await;
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let take = async |name: &str, holder| house.store.take_job_lease(name, holder, LONG).await.unwrap();
        assert!(take("checkpoints", one).await);
        assert!(!take("checkpoints", other).await);
        assert!(take("checkpoints", one).await, "the holder may take it again");
        assert!(take("due runs", other).await, "another job has another holder");
        house.store.give_job_lease_back("checkpoints", other).await.unwrap();
        assert!(!take("checkpoints", other).await, "only the holder gives it back");
        house.store.give_job_lease_back("checkpoints", one).await.unwrap();
        assert!(take("checkpoints", other).await);
        assert!(!house.store.renew_job_lease("checkpoints", one, LONG).await.unwrap(), "another holder took it");
    }

    #[tokio::test]
    async fn a_lease_that_is_not_renewed_is_taken_over_and_one_that_is_renewed_is_not() {
        let house = House::new().await;
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for name in ["renewed", "left"] {
            assert!(house.store.take_job_lease(name, one, SHORT).await.unwrap());
        }
        assert!(house.store.renew_job_lease("renewed", one, LONG).await.unwrap());
        tokio::time::sleep(SHORT * 2).await;
        assert!(!house.store.take_job_lease("renewed", other, LONG).await.unwrap());
        assert!(house.store.take_job_lease("left", other, LONG).await.unwrap());
    }

    #[tokio::test]
    async fn leases_of_jobs_write_no_audit_entry_and_are_freed_when_a_server_starts() {
        let house = House::new().await;
        let before = house.store.log_end().await.unwrap().seq;
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(house.store.take_job_lease("checkpoints", one, LONG).await.unwrap());
        Database::open(&house.url).await.unwrap().free_leases().await.unwrap();
        assert!(house.store.take_job_lease("checkpoints", other, LONG).await.unwrap());
        assert_eq!(house.store.log_end().await.unwrap().seq, before);
    }
}
