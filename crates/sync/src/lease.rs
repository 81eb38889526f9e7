//! Holding the lease: renewed while a run goes on, and the run stopped when it is lost.

use std::{convert::Infallible, time::Duration};

use uuid::Uuid;

use crate::{
    Clock, ConnectionId, Journal, JournalError, Lease,
    brake::{Brake, Stop},
};

/// How long a lease holds without being renewed.
pub(crate) const TTL: Duration = Duration::from_secs(60);
/// How often it is renewed: twice may fail.
const RENEWED_EVERY: Duration = Duration::from_secs(20);
/// How often a taken lease is asked for again, by whoever waits for it.
const ASKED_EVERY: Duration = Duration::from_millis(250);

/// Renews a lease for as long as it is polled. Never returns: when the lease is lost it pulls
/// the brake.
pub(crate) async fn keep<J: Journal, K: Clock>(journal: &J, clock: &K, lease: Lease, brake: &Brake) -> Infallible {
    let mut renewed = clock.now().0;
    loop {
        clock.sleep(RENEWED_EVERY).await;
        match journal.renew_lease(lease, TTL).await {
            Ok(()) => renewed = clock.now().0,
            Err(JournalError::LeaseLost) => break,
            // The next attempt may succeed in time; commits are fenced in any case.
            Err(error) => {
                tracing::warn!(%error, connection = %lease.connection_id, "the lease could not be renewed");
                if u128::try_from(clock.now().0 - renewed).unwrap_or(0) >= TTL.as_nanos() {
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
) -> Result<Option<Lease>, JournalError> {
    let mut waited = Duration::ZERO;
    loop {
        match journal.acquire_lease(id, holder, TTL).await? {
            Some(lease) => return Ok(Some(lease)),
            None if waited >= patience => return Ok(None),
            None => clock.sleep(ASKED_EVERY).await,
        }
        waited += ASKED_EVERY;
    }
}
