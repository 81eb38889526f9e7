//! Limits for work for which a person waits: plans, decisions and reveals. A run has no limit, because it can
//! be followed and cancelled.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock, FaultClass, RemoteFault,
    brake::{Brake, Stop},
};

/// The limits of work for which a person waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    /// The maximum duration. `None` means that only its requests have a limit.
    pub(crate) within: Option<Duration>,
    /// Cancelled when the process shuts down.
    pub(crate) closing: CancellationToken,
}

/// Carries out work to its end. If it takes too long, or the process shuts down, it is stopped gently: it
/// starts nothing new, completes and records the requests in flight, and gives back its token and its lease.
/// The future is never dropped before its end.
pub(crate) async fn in_time<K: Clock, T>(
    clock: &K,
    bounds: &Bounds,
    brake: &Brake,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let over = async {
        let closing = bounds.closing.cancelled();
        let Some(within) = bounds.within else {
            closing.await;
            return shutting_down();
        };
        match select(pin!(closing), pin!(clock.sleep(within))).await {
            Either::Left(_) => shutting_down(),
            Either::Right(_) => too_long(within),
        }
    };
    match select(work.as_mut(), pin!(over)).await {
        Either::Left((done, _)) => return done,
        Either::Right((fault, _)) => brake.give_up(Stop::Remote(fault)),
    }
    work.await
}

fn too_long(within: Duration) -> RemoteFault {
    let seconds = within.as_secs();
    RemoteFault {
        class: FaultClass::Unknown,
        message: format!("Vault took longer than {seconds} seconds in all, so the work was stopped"),
        hint: Some("find out why Vault is slow; a run has no such limit, and shows its progress".into()),
        retry_after: None,
    }
}

fn shutting_down() -> RemoteFault {
    RemoteFault {
        class: FaultClass::Unavailable,
        message: "VaultTerm is shutting down, so the work was stopped".to_owned(),
        hint: Some("try again when it has started".into()),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_reconcile::UnixNanos;

    use super::*;

    /// A clock on which every wait ends at once.
    struct Hasty;

    impl Clock for Hasty {
        fn now(&self) -> UnixNanos {
            UnixNanos(0)
        }

        async fn sleep(&self, _: Duration) {}
    }

    /// Returns a future that ends when it is asked to.
    async fn until_asked(brake: &Brake) -> &'static str {
        let _ = brake.unless_stopped(std::future::pending::<()>()).await;
        "token revoked, lease given back"
    }

    #[tokio::test]
    async fn what_takes_too_long_is_asked_to_end_and_ends_by_itself() {
        let brake = Brake::new(CancellationToken::new());
        let bounds = Bounds { within: Some(Duration::from_secs(600)), ..Bounds::default() };
        let ended = in_time(&Hasty, &bounds, &brake, until_asked(&brake)).await;
        assert_eq!(ended, "token revoked, lease given back");
        let Some(Stop::Remote(fault)) = brake.into_reason() else { panic!("a reason") };
        assert_eq!(fault.class, FaultClass::Unknown);
        assert!(fault.message.contains("600 seconds"), "{}", fault.message);
    }

    #[tokio::test]
    async fn a_shutdown_asks_it_to_end_as_well() {
        let brake = Brake::new(CancellationToken::new());
        let bounds = Bounds::default();
        bounds.closing.cancel();
        in_time(&Hasty, &bounds, &brake, until_asked(&brake)).await;
        assert!(matches!(brake.into_reason(), Some(Stop::Remote(fault)) if fault.class == FaultClass::Unavailable));
    }
}
