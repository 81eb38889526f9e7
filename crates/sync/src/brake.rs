//! What ends a run before its plan is done: a person cancels it, or something breaks that
//! concerns every path. The first reason counts.
//!
//! Cancelling is gentle: nothing new is started, what is in flight is finished and recorded.
//! Pulling the brake is not: no further request goes out.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::UnixNanos;

use crate::{JournalError, RemoteFault};

/// Why no path can go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another run may hold the connection by now.
    LeaseLost,
    /// The lease ran out before it was renewed: this process was paused, say. Another run may have
    /// begun since.
    LeaseRanOut,
    /// Vault is not to be had: sealed or unreachable for good, login refused.
    Remote(RemoteFault),
    /// The database is not to be had.
    Journal(JournalError),
}

/// The answer of whatever could not go on because the run was stopped. Why is in the [`Brake`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Shared by everything that a run does.
pub(crate) struct Brake {
    cancel: CancellationToken,
    pulled: CancellationToken,
    reason: Mutex<Option<Stop>>,
    /// Until when the lease surely holds by this node's clock, in nanoseconds.
    lease_holds_until: AtomicI64,
}

impl Brake {
    /// Makes the brake of work that needs no lease, because it writes nothing to Vault.
    pub(crate) fn new(cancel: CancellationToken) -> Self {
        Self::under_lease(cancel, UnixNanos(i64::MAX))
    }

    /// Makes the brake of work under a lease that holds until a moment.
    pub(crate) fn under_lease(cancel: CancellationToken, until: UnixNanos) -> Self {
        let lease_holds_until = AtomicI64::new(until.0);
        Self { cancel, pulled: CancellationToken::new(), reason: Mutex::new(None), lease_holds_until }
    }

    /// Notes that the lease was renewed.
    pub(crate) fn lease_renewed(&self, until: UnixNanos) {
        self.lease_holds_until.store(until.0, Ordering::Relaxed);
    }

    /// Tells whether the lease may be over by now.
    pub(crate) fn lease_ran_out(&self, now: UnixNanos) -> bool {
        now.0 >= self.lease_holds_until.load(Ordering::Relaxed)
    }

    /// Stops the run.
    pub(crate) fn pull(&self, stop: Stop) -> Stopped {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
        self.pulled.cancel();
        Stopped
    }

    /// Cancels, for a reason that people are told.
    pub(crate) fn give_up(&self, stop: Stop) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
        self.cancel.cancel();
    }

    /// Stops the run because the database failed.
    pub(crate) fn journal_failed(&self, error: JournalError) -> Stopped {
        // The run tells people that the database failed; the cause is the operator's business.
        tracing::error!(error = &error as &(dyn std::error::Error + 'static), "a run cannot use the database any more");
        self.pull(match error {
            JournalError::LeaseLost => Stop::LeaseLost,
            other => Stop::Journal(other),
        })
    }

    pub(crate) fn is_pulled(&self) -> bool {
        self.pulled.is_cancelled()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Tells whether something new may be started.
    pub(crate) fn is_free(&self) -> bool {
        !self.is_pulled() && !self.is_cancelled()
    }

    /// Waits for a future, unless the brake is pulled first.
    pub(crate) async fn unless_pulled<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        unless(future, self.pulled.cancelled()).await
    }

    /// Waits for a future, unless the run is stopped or cancelled first. For what may be
    /// abandoned half-way: reading and waiting.
    pub(crate) async fn unless_stopped<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        unless(unless(future, self.cancel.cancelled()), self.pulled.cancelled()).await?
    }

    /// Takes the reason, once everything has come to rest.
    pub(crate) fn into_reason(self) -> Option<Stop> {
        self.reason.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn unless<F: Future>(future: F, stop: impl Future<Output = ()>) -> Result<F::Output, Stopped> {
    // The stop is polled first: a future that is always ready must not outrun it.
    match select(std::pin::pin!(stop), std::pin::pin!(future)).await {
        Either::Left(_) => Err(Stopped),
        Either::Right((output, _)) => Ok(output),
    }
}
