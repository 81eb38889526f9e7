//! The deadline of the test of a connection, and of the unwrapping of a `SecretID`. A person waits for both.
//!
//! The deadline never interrupts a login or an unwrapping. A login gives out a token that must be revoked, and an
//! unwrapping gives out a `SecretID` that the server gives out only once. Neither begins after the deadline, and
//! each ends within the time limit of one request.

use std::time::Duration;

use tokio::time::Instant;
use vaultterm_sync::{FaultClass, RemoteFault};

use crate::fault;

/// The time at which work is abandoned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Limit>);

#[derive(Clone, Copy, Debug)]
struct Limit {
    within: Duration,
    end: Instant,
}

impl Deadline {
    /// No deadline. A run has none, because people can follow and cancel it.
    pub(crate) const NONE: Self = Self(None);

    /// Returns a deadline that begins now.
    pub(crate) fn after(within: Duration) -> Self {
        Self(Some(Limit { within, end: Instant::now() + within }))
    }

    /// Waits for work that may be dropped at any time.
    ///
    /// # Errors
    /// The errors of the work; [`FaultClass::Unavailable`] when the deadline comes first.
    pub(crate) async fn hold<T>(&self, work: impl Future<Output = Result<T, RemoteFault>>) -> Result<T, RemoteFault> {
        match self.0 {
            None => work.await,
            Some(limit) => tokio::time::timeout_at(limit.end, work).await.unwrap_or_else(|_| Err(limit.fault())),
        }
    }

    /// Checks that work may still begin. The caller uses this for work that must not be dropped.
    ///
    /// # Errors
    /// [`FaultClass::Unavailable`] after the deadline.
    pub(crate) fn check(&self) -> Result<(), RemoteFault> {
        match self.0 {
            Some(limit) if Instant::now() >= limit.end => Err(limit.fault()),
            _ => Ok(()),
        }
    }
}

impl Limit {
    fn fault(&self) -> RemoteFault {
        let within = self.within.as_secs_f64();
        fault::hinted(
            FaultClass::Unavailable,
            format!("the server took longer than {within} seconds in all, so VaultTerm stopped waiting"),
            "find out why the server, or something in between, is slow, and try again; a wrapping token was not used",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn work_for(time: Duration) -> Result<(), RemoteFault> {
        tokio::time::sleep(time).await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_given_up_at_the_deadline_and_no_other_begins_after_it() {
        let deadline = Deadline::after(Duration::from_secs(60));
        deadline.hold(work_for(Duration::from_secs(59))).await.expect("in time");
        deadline.check().expect("in time");
        let late = deadline.hold(work_for(Duration::from_secs(2))).await;
        let late = late.expect_err("too late");
        assert_eq!(late.class, FaultClass::Unavailable);
        assert!(late.message.contains("longer than 60 seconds in all"), "{late:?}");
        assert_eq!(deadline.check().expect_err("too late").message, late.message);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_has_no_deadline() {
        let day = Duration::from_secs(86_400);
        Deadline::NONE.hold(work_for(day)).await.expect("no deadline");
        Deadline::NONE.check().expect("no deadline");
    }
}
