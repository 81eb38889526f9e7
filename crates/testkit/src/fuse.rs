//! Deliberate crashes: a fuse that counts the awaits of a fake and blows at a chosen one.
//!
//! After the fuse has blown, nothing that holds it has any further effect or gives an answer. The driver sees
//! this and drops the future, which looks from outside like a killed process. A test can also keep the
//! future, disarm the fuse and go on later, like a process that was paused while the world went on without
//! it.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

/// A fuse that is shared by all parts that crash together.
#[derive(Clone, Debug, Default)]
pub struct Fuse(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    burnt: u64,
    blows_at: Option<u64>,
    blown: bool,
    /// The tasks that wait until the fuse is disarmed.
    paused: Vec<Waker>,
}

impl Fuse {
    /// Returns a fuse that never blows but still counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Restarts the count. The fuse blows at the `at`-th await from now, counted from 1.
    pub fn set(&self, at: u64) {
        self.reset(Some(at));
    }

    /// Restarts the count. The fuse never blows.
    pub fn disarm(&self) {
        self.reset(None);
    }

    fn reset(&self, blows_at: Option<u64>) {
        let before = std::mem::replace(&mut *self.state(), State { blows_at, ..State::default() });
        before.paused.into_iter().for_each(Waker::wake);
    }

    /// Returns the number of awaits since the fuse was set last.
    #[must_use]
    pub fn burnt(&self) -> u64 {
        self.state().burnt
    }

    /// Returns whether the crash has happened.
    #[must_use]
    pub fn blown(&self) -> bool {
        self.state().blown
    }

    /// Lets other futures run once. While the fuse is blown, it does not return.
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
