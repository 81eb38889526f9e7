//! Holds the lease of a run: renews it while the run goes on, and stops the run if the lease is lost.

use std::{convert::Infallible, time::Duration};

use uuid::Uuid;
use vaultterm_reconcile::UnixNanos;

use crate::{
    Clock, ConnectionId, Journal, JournalError, Lease,
    brake::{Brake, Stop},
    moment::later,
};

/// The time for which a lease holds without renewal.
pub(crate) const TTL: Duration = Duration::from_secs(30);
/// The time between renewals. Two renewals may fail.
const RENEWED_EVERY: Duration = Duration::from_secs(8);
/// The time between attempts to take a lease that another run holds.
const ASKED_EVERY: Duration = Duration::from_millis(250);

/// A lease, with the time until which it certainly holds without renewal, by the clock of this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) lease: Lease,
    pub(crate) until: UnixNanos,
}

/// Takes the lease of a connection. Returns `None` while another holder has a valid lease.
pub(crate) async fn take<J: Journal, K: Clock>(
    journal: &J,
    clock: &K,
    id: ConnectionId,
    holder: Uuid,
) -> Result<Option<Held>, JournalError> {
    // The time counts from before the request, while the database counts from its arrival. Therefore this
    // node never assumes that the lease holds longer than the database does.
    let asked = clock.now();
    let lease = journal.acquire_lease(id, holder, TTL).await?;
    Ok(lease.map(|lease| Held { lease, until: later(asked, TTL) }))
}

/// Renews a lease as long as the future is polled. Never returns. If the lease is lost, it pulls the brake.
pub(crate) async fn keep<J: Journal, K: Clock>(journal: &J, clock: &K, lease: Lease, brake: &Brake) -> Infallible {
    loop {
        clock.sleep(RENEWED_EVERY).await;
        let asked = clock.now();
        match journal.renew_lease(lease, TTL).await {
            Ok(()) => brake.lease_renewed(later(asked, TTL)),
            Err(JournalError::LeaseLost) => break,
            // The next attempt may succeed in time. Commits are fenced in any case.
            Err(error) => {
                tracing::warn!(%error, connection = %lease.connection_id, "the lease could not be renewed");
                if brake.lease_ran_out(clock.now()) {
                    break;
                }
            }
        }
    }
    brake.pull(Stop::LeaseLost);
    std::future::pending().await
}

/// Waits for a lease for at most `patience`.
pub(crate) async fn wait_for<J: Journal, K: Clock>(
    journal: &J,
    clock: &K,
    id: ConnectionId,
    holder: Uuid,
    patience: Duration,
) -> Result<Option<Held>, JournalError> {
    let mut waited = Duration::ZERO;
    loop {
        match take(journal, clock, id, holder).await? {
            Some(held) => return Ok(Some(held)),
            None if waited >= patience => return Ok(None),
            None => clock.sleep(ASKED_EVERY).await,
        }
        waited += ASKED_EVERY;
    }
}
