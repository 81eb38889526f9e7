//! A clock whose time moves only when a test moves it, or when no task can go on without it.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::Clock;

use crate::Fuse;

/// A clock that stands still. Clones share the same time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: i64,
    next_sleeper: u64,
    /// The waiting tasks, by the moment that each waits for.
    sleepers: BTreeMap<(i64, u64), Waker>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// Returns a clock that stands at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { now: 1_767_225_600_000_000_000, next_sleeper: 0, sleepers: BTreeMap::new() })))
    }

    /// Moves the time and wakes the tasks that waited for it.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        state.now += nanos(duration);
        let after_now = (state.now + 1, 0);
        let later = state.sleepers.split_off(&after_now);
        let due = std::mem::replace(&mut state.sleepers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    /// Moves the time by one nanosecond and returns it. Use it for events that must not share a moment.
    #[must_use]
    pub fn tick(&self) -> UnixNanos {
        self.advance(Duration::from_nanos(1));
        self.now()
    }

    /// Drives a future to its end. The time moves only when no task can go on, and then exactly to the next
    /// moment that a task waits for.
    ///
    /// # Panics
    /// If the future waits for something that can never happen.
    pub fn drive<F: Future>(&self, future: F) -> F::Output {
        self.drive_until(future, || false).expect("a future that is never abandoned ends")
    }

    /// Drives a future until it ends or the fuse blows. `None` means that it crashed.
    ///
    /// # Panics
    /// If the future waits for something that can never happen.
    pub fn drive_with_fuse<F: Future>(&self, fuse: &Fuse, future: F) -> Option<F::Output> {
        self.drive_until(future, || fuse.blown())
    }

    fn drive_until<F: Future>(&self, future: F, abandoned: impl Fn() -> bool) -> Option<F::Output> {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
            if abandoned() {
                return None;
            }
            if flag.0.swap(false, Ordering::AcqRel) {
                continue;
            }
            let next = self.state().sleepers.keys().next().map(|(at, _)| *at);
            let next = next.expect("the future waits for something that can never come");
            let wait = next.saturating_sub(self.now().0);
            self.advance(Duration::from_nanos(wait.try_into().unwrap_or(0)));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.state().now)
    }

    async fn sleep(&self, duration: Duration) {
        let sleeper = {
            let mut state = self.state();
            state.next_sleeper += 1;
            Sleeper { clock: self.clone(), key: (state.now + nanos(duration), state.next_sleeper) }
        };
        poll_fn(|context| {
            let mut state = self.state();
            if state.now >= sleeper.key.0 {
                return Poll::Ready(());
            }
            state.sleepers.insert(sleeper.key, context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// The clock of a node that goes wrong by a fixed time. Nodes of a test share the time that passes.
#[derive(Clone, Debug)]
pub struct SkewedClock {
    /// The time that passes, which is that of the database.
    pub clock: ManualClock,
    /// How far the node's clock is ahead, in nanoseconds. Negative if it is behind.
    pub ahead_ns: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.clock.now().0 + self.ahead_ns)
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

/// Removes itself from the list of sleepers when its future is dropped, so that no entry stays behind.
struct Sleeper {
    clock: ManualClock,
    key: (i64, u64),
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.key);
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).expect("tests use durations below 292 years")
}
