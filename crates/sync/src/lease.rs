//! Holding the lease: renewed while a run goes on, and the run stopped when it is lost.

use std::{convert::Infallible, time::Duration};

use uuid::Uuid;
use vaultterm_reconcile::UnixNanos;

use crate::{
    Clock, ConnectionId, Journal, JournalError, Lease,
    brake::{Brake, Stop},
    moment::later,
};

/// How long a lease holds without being renewed.
pub(crate) const TTL: Duration = Duration::from_secs(60);
/// How often it is renewed: twice may fail.
const RENEWED_EVERY: Duration = Duration::from_secs(20);
/// How often a taken lease is asked for again, by whoever waits for it.
const ASKED_EVERY: Duration = Duration::from_millis(250);

/// A lease that was taken, and until when it surely holds by this node's clock if nobody renews it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) lease: Lease,
    pub(crate) until: UnixNanos,
}

/// Takes the lease of a connection; `None` while another holder's is valid.
pub(crate) async fn take<J: Journal, K: Clock>(
    journal: &J,
    clock: &K,
    id: ConnectionId,
    holder: Uuid,
) -> Result<Option<Held>, JournalError> {
    // The time counts from before the request. The database counts from when the request arrives,
    // so this node never believes in the lease longer than the database does.
    let asked = clock.now();
    let lease = journal.acquire_lease(id, holder, TTL).await?;
    Ok(lease.map(|lease| Held { lease, until: later(asked, TTL) }))
}

/// Renews a lease for as long as it is polled. Never returns: when the lease is lost it pulls
/// the brake.
pub(crate) async fn keep<J: Journal, K: Clock>(journal: &J, clock: &K, lease: Lease, brake: &Brake) -> Infallible {
    loop {
        clock.sleep(RENEWED_EVERY).await;
        let asked = clock.now();
        match journal.renew_lease(lease, TTL).await {
            Ok(()) => brake.lease_renewed(later(asked, TTL)),
            Err(JournalError::LeaseLost) => break,
            // The next attempt may succeed in time; commits are fenced in any case.
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

/// Waits for a lease, at most for `patience`.
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
