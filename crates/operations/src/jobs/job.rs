//! The one loop of everything that the server does from time to time.

use std::{future::Future, time::Duration};

use futures_util::future::BoxFuture;
use vaultterm_store::StoreError;

use crate::services::Services;

/// The longest wait after a failure.
const REST_MAX: Duration = Duration::from_secs(60);

/// What a job does each time; returns whether that went well. It logs its failures itself, because it knows the
/// words.
type Work = dyn Fn(Services) -> BoxFuture<'static, bool> + Send + Sync;

/// Something to do from time to time.
pub(crate) struct Job {
    /// Its name, which is that of its lease.
    name: String,
    /// How long it rests in between; longer after each failure.
    every: Duration,
    /// Whether it is done at the start, before the first rest.
    at_once: bool,
    /// Whether one server does it for all, and not each for itself.
    for_all: bool,
    /// Whether it is done only where several servers share the database.
    pub(crate) only_in_company: bool,
    /// What it does.
    work: Box<Work>,
}

impl Job {
    /// Makes a job that one server does for all, after its first rest.
    pub(crate) fn new<F>(name: impl Into<String>, every: Duration, work: F) -> Self
    where
        F: Fn(Services) -> BoxFuture<'static, bool> + Send + Sync + 'static,
    {
        Self { name: name.into(), every, at_once: false, for_all: true, only_in_company: false, work: Box::new(work) }
    }

    /// Makes a job that works with the database. Each failure is logged with the sentence `failed`.
    pub(crate) fn with_database<F>(name: &str, every: Duration, failed: &'static str, tick: fn(Services) -> F) -> Self
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let work = move |services: Services| {
            let done = tick(services);
            let logged = async move { done.await.map_err(|error| tracing::error!(%error, "{failed}")).is_ok() };
            Box::pin(logged) as _
        };
        Self::new(name, every, work)
    }

    /// Does the job at the start, too.
    pub(crate) fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Has each server do the job for itself.
    pub(crate) fn on_each_server(self) -> Self {
        Self { for_all: false, ..self }
    }

    /// Leaves the job out where a server is alone.
    pub(crate) fn only_in_company(self) -> Self {
        Self { only_in_company: true, ..self }
    }
}

/// Repeats a job until the server closes. A job that one server does for all rests while another server has its lease. The
/// lease is kept between the turns, so that a job that rests for a second does not write to the database each second.
pub(crate) async fn repeat(services: Services, job: Job) {
    let (mut wait, mut rest) = (if job.at_once { Duration::ZERO } else { job.every }, job.every);
    let mut kept = None;
    loop {
        tokio::select! {
            () = services.closing.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
        if !job.for_all {
            rest = after((job.work)(services.clone()).await, rest, job.every);
            wait = rest;
            continue;
        }
        let lease = match kept.take() {
            None => services.leases.take(&job.name).await,
            lease => lease,
        };
        let done = match lease {
            None => None,
            Some(lease) => lease.during((job.work)(services.clone())).await,
        };
        wait = match done {
            None => job.every,
            Some((lease, went_well)) => {
                kept = Some(lease);
                rest = after(went_well, rest, job.every);
                rest
            }
        };
    }
    if let Some(lease) = kept {
        lease.give_back().await;
    }
}

/// Returns how long a job rests next: as long as it says, and twice as long as the last time after a failure.
fn after(went_well: bool, rest: Duration, every: Duration) -> Duration {
    if went_well { every } else { (rest * 2).min(REST_MAX) }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;
    use crate::testing::House;

    #[test]
    fn a_job_rests_longer_after_each_failure_and_as_before_after_a_success() {
        let every = Duration::from_secs(1);
        let mut rest = every;
        let mut rests = Vec::new();
        for went_well in [false, false, false, false, false, false, false, true, false] {
            rest = after(went_well, rest, every);
            rests.push(rest.as_secs());
        }
        assert_eq!(rests, [2, 4, 8, 16, 32, 60, 60, 1, 2]);
    }

    #[tokio::test]
    async fn a_job_is_repeated_by_one_task_at_a_time_until_the_server_closes() {
        let house = House::new().await;
        let done = Arc::new(AtomicU32::new(0));
        let job = || {
            let done = Arc::clone(&done);
            let work = move |services: Services| {
                if done.fetch_add(1, Ordering::SeqCst) == 2 {
                    services.closing.cancel();
                }
                Box::pin(async { true }) as _
            };
            Job::new("test", Duration::from_millis(1), work).at_once()
        };
        let lease = house.services.leases.take("test").await.expect("nobody has it");
        let waiting = tokio::spawn(repeat(house.services.clone(), job()));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(done.load(Ordering::SeqCst), 0, "another task has the lease");
        lease.give_back().await;
        waiting.await.expect("it ended");
        assert_eq!(done.load(Ordering::SeqCst), 3);
        assert!(house.services.leases.take("test").await.is_some(), "a job gives its lease back when it ends");
    }
}
