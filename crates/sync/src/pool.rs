//! Many futures at once, but not too many.

use futures_util::{StreamExt, stream::FuturesUnordered};

/// Drives futures of one kind together, at most `max` of them.
pub(crate) struct Pool<F> {
    going: FuturesUnordered<F>,
    max: usize,
}

impl<F: Future> Pool<F> {
    pub(crate) fn new(max: usize) -> Self {
        Self { going: FuturesUnordered::new(), max: max.max(1) }
    }

    /// Adds a future. When the pool is full, waits until another one has ended, and answers
    /// what came out of it.
    pub(crate) async fn add(&mut self, future: F) -> Option<F::Output> {
        let ended = if self.going.len() < self.max { None } else { self.going.next().await };
        self.going.push(future);
        ended
    }

    /// Waits for any future to end; `None` when none is left.
    pub(crate) async fn next(&mut self) -> Option<F::Output> {
        self.going.next().await
    }
}
