//! Whether somebody reads records at the moment. A run then leaves room: it has one request in flight, and begins each
//! request and each transaction when nobody is being answered, so that neither this process nor its disk is busy with
//! the run alone.
//!
//! The engine asks before each request to Vault and before each commit. It knows nothing of people; the server implements
//! [`People`].

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Clock;

/// The maximum number of requests in flight while people are here.
const FEW: usize = 1;
/// How long somebody counts as here after a request. A person who reads on asks again within this time only by a program, so a
/// run is slow for little more than the requests themselves.
const STAYS: Duration = Duration::from_millis(250);
/// How long a request of somebody counts as being answered. Nearly all are answered by then.
const ANSWERED_WITHIN: Duration = Duration::from_millis(4);
/// How long a run waits to look again whether a request was answered.
const LOOKS_AGAIN: Duration = Duration::from_millis(2);
/// The maximum number of times that it looks. So a run goes on, however many people ask.
const LOOKS_MAX: u32 = 10;

/// The source of the answer when somebody last asked for records.
pub trait People: Send + Sync {
    /// Returns how long ago somebody last began to read or change records. `None` if nobody ever did.
    fn asked_ago(&self) -> Option<Duration>;
}

/// Nobody, ever.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl People for Nobody {
    fn asked_ago(&self) -> Option<Duration> {
        None
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
    pub(crate) async fn permit(&self, clock: &impl Clock) -> Option<SemaphorePermit<'_>> {
        if !self.has_people() {
            return None;
        }
        let permit = self.few.acquire().await.expect("the semaphore is never closed");
        self.pause(clock).await;
        Some(permit)
    }

    /// Returns whether somebody is here.
    pub(crate) fn has_people(&self) -> bool {
        self.asked_within(STAYS)
    }

    /// Waits until nobody is being answered, or for a bounded time.
    pub(crate) async fn pause(&self, clock: &impl Clock) {
        for _ in 0..LOOKS_MAX {
            if !self.asked_within(ANSWERED_WITHIN) {
                return;
            }
            clock.sleep(LOOKS_AGAIN).await;
        }
    }

    fn asked_within(&self, time: Duration) -> bool {
        self.people.asked_ago().is_some_and(|ago| ago < time)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;
    use vaultterm_reconcile::UnixNanos;

    use super::*;

    /// Somebody who asked a while ago. The while grows as the run sleeps, unless they ask again and again.
    struct Door {
        asked_ago: Mutex<Option<Duration>>,
        ask_again: bool,
        slept: Mutex<u32>,
    }

    impl Door {
        fn asked(asked_ago: Option<Duration>) -> Self {
            Self { asked_ago: Mutex::new(asked_ago), ask_again: false, slept: Mutex::new(0) }
        }
    }

    impl People for Door {
        fn asked_ago(&self) -> Option<Duration> {
            *self.asked_ago.lock().expect("a lock")
        }
    }

    impl Clock for Door {
        fn now(&self) -> UnixNanos {
            UnixNanos(0)
        }

        async fn sleep(&self, time: Duration) {
            *self.slept.lock().expect("a lock") += 1;
            if !self.ask_again {
                *self.asked_ago.lock().expect("a lock") = self.asked_ago().map(|ago| ago + time);
            }
        }
    }

    #[test]
    fn one_request_is_in_flight_while_people_are_here() {
        let door = Door::asked(Some(STAYS - Duration::from_millis(1)));
        let room = Room::beside(&door);
        let in_flight: Vec<_> = std::iter::from_fn(|| room.permit(&door).now_or_never()).take(32).collect();
        assert_eq!(in_flight.len(), FEW);
        *door.asked_ago.lock().unwrap() = Some(STAYS);
        assert!(matches!(room.permit(&door).now_or_never(), Some(None)), "they left, and nothing waits any more");
        assert!(matches!(Room::beside(&Nobody).permit(&door).now_or_never(), Some(None)), "nobody was here");
    }

    #[test]
    fn a_request_begins_after_somebody_was_answered() {
        let door = Door::asked(Some(Duration::from_millis(1)));
        let room = Room::beside(&door);
        assert!(matches!(room.permit(&door).now_or_never(), Some(Some(_))));
        assert_eq!(*door.slept.lock().unwrap(), 2);
        assert!(!room.asked_within(ANSWERED_WITHIN));
    }

    #[test]
    fn a_run_goes_on_however_many_people_ask() {
        let door = Door { ask_again: true, ..Door::asked(Some(Duration::ZERO)) };
        assert_eq!(Room::beside(&door).pause(&door).now_or_never(), Some(()));
        assert_eq!(*door.slept.lock().unwrap(), LOOKS_MAX);
    }
}
