//! Crashes on purpose: a fuse that burns at every await of a fake and blows at a chosen one.
//!
//! Once it is blown nothing that holds it has any further effect or answers; the driver sees
//! it and drops the future, which is what a killed process looks like from outside. Or it keeps
//! the future, disarms the fuse and goes on later: a process that was paused, and wakes up to a
//! world that went on without it.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

/// Shared by everything that can be crashed together.
#[derive(Clone, Debug, Default)]
pub struct Fuse(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    burnt: u64,
    blows_at: Option<u64>,
    blown: bool,
    /// Whoever waits for the fuse to be disarmed.
    paused: Vec<Waker>,
}

impl Fuse {
    /// Makes a fuse that never blows; it still counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts counting anew; the fuse blows at the `at`-th await from now (from 1).
    pub fn set(&self, at: u64) {
        self.reset(Some(at));
    }

    /// Starts counting anew and never blows.
    pub fn disarm(&self) {
        self.reset(None);
    }

    fn reset(&self, blows_at: Option<u64>) {
        let before = std::mem::replace(&mut *self.state(), State { blows_at, ..State::default() });
        before.paused.into_iter().for_each(Waker::wake);
    }

    /// Counts the awaits since the fuse was last set.
    #[must_use]
    pub fn burnt(&self) -> u64 {
        self.state().burnt
    }

    /// Returns whether the crash has happened.
    #[must_use]
    pub fn blown(&self) -> bool {
        self.state().blown
    }

    /// Lets other futures go first, once; while the fuse is blown it does not return.
    pub async fn burn(&self) {
        let mut yielded = false;
        poll_fn(|context| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        {
            let mut state = self.state();
            state.burnt += 1;
            state.blown |= state.blows_at == Some(state.burnt);
        }
        poll_fn(|context| {
            let mut state = self.state();
            if !state.blown {
                return Poll::Ready(());
            }
            state.paused.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
