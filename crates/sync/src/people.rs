//! Whether somebody reads records at the moment. A run then leaves room: it has few requests in flight, so that neither this
//! process nor its disk is busy with the run alone.
//!
//! The engine asks before each request to Vault. It knows nothing of people; the server implements [`People`].

use tokio::sync::{Semaphore, SemaphorePermit};

/// The maximum number of requests in flight while people are here.
const FEW: usize = 2;

/// The source of the answer whether somebody reads or changes records at the moment.
pub trait People: Send + Sync {
    /// Returns whether somebody does, or did so a moment ago.
    fn are_here(&self) -> bool;
}

/// Nobody, ever.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl People for Nobody {
    fn are_here(&self) -> bool {
        false
    }
}

/// The room that a run leaves.
pub(crate) struct Room<'a> {
    people: &'a dyn People,
    /// The permits of requests that are sent while people are here.
    few: Semaphore,
}

impl<'a> Room<'a> {
    pub(crate) fn beside(people: &'a dyn People) -> Self {
        Self { people, few: Semaphore::new(FEW) }
    }

    /// Waits until another request may be in flight. `None` if nobody is here. A dropped permit is given back.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        if !self.people.are_here() {
            return None;
        }
        Some(self.few.acquire().await.expect("the semaphore is never closed"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use futures_util::FutureExt;

    use super::*;

    struct Door(AtomicBool);

    impl People for Door {
        fn are_here(&self) -> bool {
            self.0.load(Relaxed)
        }
    }

    #[test]
    fn few_requests_are_in_flight_while_people_are_here() {
        let door = Door(AtomicBool::new(true));
        let room = Room::beside(&door);
        let in_flight: Vec<_> = std::iter::from_fn(|| room.permit().now_or_never()).take(32).collect();
        assert_eq!(in_flight.len(), FEW);
        door.0.store(false, Relaxed);
        assert!(matches!(room.permit().now_or_never(), Some(None)), "they left, and nothing waits any more");
    }
}
