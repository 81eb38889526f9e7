//! The system's clock.

use std::time::Duration;

use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::{Clock, system_time};

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixNanos {
        system_time()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
