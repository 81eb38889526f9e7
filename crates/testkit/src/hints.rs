//! Hints in memory, for runs that follow them while they look at a whole connection.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use futures_util::future::BoxFuture;
use vaultterm_reconcile::SecretPath;
use vaultterm_sync::{ConnectionId, Hints, WaitingPaths};

/// The hints of all connections. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct FakeHints(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    newest: u64,
    /// The hints that wait, by number.
    waiting: BTreeMap<u64, (ConnectionId, SecretPath)>,
    followed: u64,
    sleepers: Vec<Waker>,
}

impl FakeHints {
    /// Adds a hint.
    pub fn add(&self, id: ConnectionId, path: SecretPath) {
        let mut state = self.state();
        state.newest += 1;
        let number = state.newest;
        state.waiting.insert(number, (id, path));
        state.sleepers.drain(..).for_each(Waker::wake);
    }

    /// Returns the paths that wait.
    #[must_use]
    pub fn waiting(&self, id: ConnectionId) -> BTreeSet<SecretPath> {
        self.state().after(id, 0).paths
    }

    /// Forgets all hints.
    pub fn forget(&self) {
        self.state().waiting.clear();
    }

    /// Returns the number of hints that were taken.
    #[must_use]
    pub fn followed(&self) -> u64 {
        self.state().followed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn after(&self, id: ConnectionId, after: u64) -> WaitingPaths {
        let hints = self.waiting.range(after + 1..).filter(|(_, (of, _))| *of == id);
        WaitingPaths { paths: hints.map(|(_, (_, path))| path.clone()).collect(), up_to: self.newest }
    }
}

impl Hints for FakeHints {
    fn next(&self, id: ConnectionId, after: u64) -> BoxFuture<'_, WaitingPaths> {
        Box::pin(poll_fn(move |context| {
            let mut state = self.state();
            let waiting = state.after(id, after);
            if !waiting.paths.is_empty() {
                return Poll::Ready(waiting);
            }
            state.sleepers.push(context.waker().clone());
            Poll::Pending
        }))
    }

    fn take(&self, id: ConnectionId, up_to: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut state = self.state();
            let before = state.waiting.len();
            state.waiting.retain(|number, (of, _)| *of != id || *number > up_to);
            state.followed += (before - state.waiting.len()) as u64;
        })
    }
}
