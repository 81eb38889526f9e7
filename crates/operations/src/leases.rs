//! Named leases: the task that has a lease is the only one that does the job of that name, among all servers on the
//! database.
//!
//! A lease expires if its holder does not renew it, so the death of a server stops no job for longer than [`TTL`].

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;
use vaultterm_store::Store;

/// How long a lease holds without renewal.
const TTL: Duration = Duration::from_secs(30);

/// The way to leases. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leases {
    store: Store,
    ttl: Duration,
}

/// A lease. It expires by itself if it is dropped, and [`Lease::give_back`] ends it at once.
#[derive(Debug)]
pub struct Lease {
    leases: Leases,
    name: String,
    holder: Uuid,
    /// When it was renewed last: before the request, so that it never seems to hold for longer than it does.
    renewed: Instant,
}

impl Leases {
    /// Returns the way to the leases of a database.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, ttl: TTL }
    }

    /// Takes a lease. Returns `None` if another task has it, or if the database failed.
    pub async fn take(&self, name: &str) -> Option<Lease> {
        let (holder, renewed) = (vaultterm_sync::new_id(), Instant::now());
        match self.store.take_job_lease(name, holder, self.ttl).await {
            Ok(true) => Some(Lease { leases: self.clone(), name: name.to_owned(), holder, renewed }),
            Ok(false) => None,
            Err(error) => {
                tracing::warn!(%error, job = name, "the lease of a job could not be taken");
                None
            }
        }
    }
}

impl Lease {
    /// Does work under the lease, and renews the lease meanwhile. Returns the lease with the result. Returns `None` if
    /// another task took the lease over: the work is dropped where it stands, because the other task does it now.
    pub async fn during<T>(mut self, work: impl Future<Output = T>) -> Option<(Self, T)> {
        let mut work = pin!(work);
        if self.renewed.elapsed() >= self.leases.ttl / 3 && !self.renew().await {
            return None;
        }
        loop {
            // The work goes on while the lease is renewed, because it may have the only connection that writes.
            let held = tokio::select! {
                done = &mut work => return Some((self, done)),
                held = self.renew_when_due() => held,
            };
            if !held {
                return None;
            }
        }
    }

    /// Gives the lease back, so that another task can take it at once.
    pub async fn give_back(self) {
        if let Err(error) = self.leases.store.give_job_lease_back(&self.name, self.holder).await {
            tracing::warn!(%error, job = self.name, "the lease of a job could not be given back; it expires");
        }
    }

    async fn renew_when_due(&mut self) -> bool {
        tokio::time::sleep_until(self.renewed + self.leases.ttl / 3).await;
        self.renew().await
    }

    /// Renews the lease, and returns whether it is still held. While the database fails, it counts as held until it
    /// expires.
    async fn renew(&mut self) -> bool {
        let asked = Instant::now();
        match self.leases.store.renew_job_lease(&self.name, self.holder, self.leases.ttl).await {
            Ok(held) => {
                self.renewed = asked;
                held
            }
            Err(error) => {
                tracing::warn!(%error, job = self.name, "the lease of a job could not be renewed");
                let held = self.renewed.elapsed() < self.leases.ttl;
                // The next attempt follows after a rest, and not at once.
                tokio::time::sleep(self.leases.ttl / 30).await;
                held
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    const SHORT: Duration = Duration::from_millis(600);

    fn short(house: &House) -> Leases {
        Leases { ttl: SHORT, ..house.services.leases.clone() }
    }

    #[tokio::test]
    async fn a_lease_has_one_holder_at_a_time() {
        let house = House::new().await;
        let leases = &house.services.leases;
        let lease = leases.take("checkpoints").await.expect("nobody has it");
        assert!(leases.take("checkpoints").await.is_none());
        assert!(leases.take("due runs").await.is_some(), "others do not wait");
        lease.give_back().await;
        assert!(leases.take("checkpoints").await.is_some());
    }

    #[tokio::test]
    async fn a_second_server_on_the_database_gets_no_lease_before_that_of_the_first_has_expired() {
        let house = House::new().await;
        let (first, second) = (short(&house), house.second_services().leases);
        let lease = first.take("checkpoints").await.expect("nobody has it");
        assert!(second.take("checkpoints").await.is_none(), "the first server has it");
        tokio::time::sleep(SHORT * 2).await;
        let taken = second.take("checkpoints").await;
        assert!(taken.is_some(), "the first server did not renew it");
        assert!(lease.during(async {}).await.is_none(), "the first server notices before it works on");
    }

    #[tokio::test]
    async fn a_lease_is_renewed_while_its_job_goes_on() {
        let house = House::new().await;
        let (first, second) = (short(&house), house.second_services().leases);
        let lease = first.take("checkpoints").await.expect("nobody has it");
        let work = async {
            tokio::time::sleep(SHORT * 3).await;
            second.take("checkpoints").await.is_none()
        };
        let (lease, alone) = lease.during(work).await.expect("nobody took it over");
        assert!(alone);
        lease.give_back().await;
        assert!(second.take("checkpoints").await.is_some());
    }

    #[tokio::test]
    async fn a_lease_is_renewed_while_its_job_has_the_only_connection_that_writes() {
        let house = House::new().await;
        let lease = short(&house).take("checkpoints").await.expect("nobody has it");
        let (began, leases) = (Instant::now(), &house.services.leases);
        let work = async {
            while began.elapsed() < SHORT * 2 {
                leases.take("another").await;
            }
        };
        assert!(lease.during(work).await.is_some());
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the renewal waited for the job, and the job for the renewal"
        );
    }

    #[tokio::test]
    async fn work_is_dropped_when_another_task_took_the_lease_over() {
        let house = House::new().await;
        let lease = short(&house).take("checkpoints").await.expect("nobody has it");
        house.services.store.give_job_lease_back("checkpoints", lease.holder).await.unwrap();
        assert!(house.services.leases.take("checkpoints").await.is_some());
        let never = std::future::pending::<()>();
        assert!(lease.during(never).await.is_none());
    }
}
