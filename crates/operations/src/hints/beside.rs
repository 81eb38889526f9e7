//! The hints that a run follows while it looks at a whole connection.

use std::time::Duration;

use futures_util::future::BoxFuture;
use vaultterm_store::Store;
use vaultterm_sync::{Clock as _, ConnectionId, Hints, WaitingPaths};

use crate::clock::SystemClock;

/// The pause between two looks whether hints wait. A short look at everything ends before the first of them.
const ASKS_EVERY: Duration = Duration::from_millis(500);
/// The maximum number of paths at a time. More of them wait for a moment, so that the look at everything goes on, too.
const FOLLOWED_MAX: u64 = 100;

/// The hints in the database.
#[derive(Debug)]
pub(crate) struct StoredHints(pub(crate) Store);

impl Hints for StoredHints {
    fn next(&self, id: ConnectionId, after: u64) -> BoxFuture<'_, WaitingPaths> {
        Box::pin(async move {
            loop {
                tokio::time::sleep(ASKS_EVERY).await;
                match self.0.waiting_hints(id, after, FOLLOWED_MAX).await {
                    Ok(Some(waiting)) if !waiting.paths.is_empty() => {
                        return WaitingPaths { paths: waiting.paths.into_keys().collect(), up_to: waiting.up_to };
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, connection = %id, "the hints that wait could not be read"),
                }
            }
        })
    }

    fn take(&self, id: ConnectionId, up_to: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let now_us = SystemClock.now().0 / 1_000;
            if let Err(error) = self.0.take_followed_hints(id, up_to, now_us).await {
                tracing::warn!(%error, connection = %id, "hints could not be taken: another run looks again");
            }
        })
    }
}
