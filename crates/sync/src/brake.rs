//! The reasons that end a run before its plan is done. A person cancels it, or something fails that concerns
//! every path. The first reason counts.
//!
//! Cancelling is gentle: the run starts nothing new, and completes and records the requests in flight. After
//! the brake is pulled, no further request is sent.

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
    /// Another run may have the lease of the connection.
    LeaseLost,
    /// The lease ran out before it was renewed, for example because this process was paused. Another run may
    /// have begun since.
    LeaseRanOut,
    /// Vault cannot be used: it is sealed or unreachable for good, or it refused the login.
    Remote(RemoteFault),
    /// The database cannot be used.
    Journal(JournalError),
}

/// The error of work that could not go on because the run was stopped. The [`Brake`] has the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// The brake, which all parts of a run share.
pub(crate) struct Brake {
    cancel: CancellationToken,
    pulled: CancellationToken,
    reason: Mutex<Option<Stop>>,
    /// The time until which the lease certainly holds, by the clock of this node, in nanoseconds.
    lease_holds_until: AtomicI64,
}

impl Brake {
    /// Returns a brake for work without a lease, which writes nothing to Vault.
    pub(crate) fn new(cancel: CancellationToken) -> Self {
        Self::under_lease(cancel, UnixNanos(i64::MAX))
    }

    /// Returns a brake for work under a lease that holds until a moment.
    pub(crate) fn under_lease(cancel: CancellationToken, until: UnixNanos) -> Self {
        let lease_holds_until = AtomicI64::new(until.0);
        Self { cancel, pulled: CancellationToken::new(), reason: Mutex::new(None), lease_holds_until }
    }

    /// Records that the lease was renewed.
    pub(crate) fn lease_renewed(&self, until: UnixNanos) {
        self.lease_holds_until.store(until.0, Ordering::Relaxed);
    }

    /// Returns whether the lease may be over.
    pub(crate) fn lease_ran_out(&self, now: UnixNanos) -> bool {
        now.0 >= self.lease_holds_until.load(Ordering::Relaxed)
    }

    /// Stops the run.
    pub(crate) fn pull(&self, stop: Stop) -> Stopped {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
        self.pulled.cancel();
        Stopped
    }

    /// Cancels the run for a reason that people are told.
    pub(crate) fn give_up(&self, stop: Stop) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
        self.cancel.cancel();
    }

    /// Stops the run because the database failed.
    pub(crate) fn journal_failed(&self, error: JournalError) -> Stopped {
        // The run tells people that the database failed. The cause is logged for the operator.
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

    /// Returns whether new work may start.
    pub(crate) fn is_free(&self) -> bool {
        !self.is_pulled() && !self.is_cancelled()
    }

    /// Waits for a future, unless the brake is pulled first.
    pub(crate) async fn unless_pulled<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        unless(future, self.pulled.cancelled()).await
    }

    /// Waits for a future, unless the run is stopped or cancelled first. Use it for work that may be
    /// abandoned, such as reading and waiting.
    pub(crate) async fn unless_stopped<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        unless(unless(future, self.cancel.cancelled()), self.pulled.cancelled()).await?
    }

    /// Returns the reason after all work has stopped.
    pub(crate) fn into_reason(self) -> Option<Stop> {
        self.reason.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn unless<F: Future>(future: F, stop: impl Future<Output = ()>) -> Result<F::Output, Stopped> {
    // The stop is polled first, because a future that is always ready must not prevent it.
    match select(std::pin::pin!(stop), std::pin::pin!(future)).await {
        Either::Left(_) => Err(Stopped),
        Either::Right((output, _)) => Ok(output),
    }
}
