//! Drives many futures at once, up to a limit.

use std::pin::pin;

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};

/// Drives futures of one kind together, at most `max` at a time.
pub(crate) struct Pool<F> {
    going: FuturesUnordered<F>,
    max: usize,
}

impl<F: Future> Pool<F> {
    pub(crate) fn new(max: usize) -> Self {
        Self { going: FuturesUnordered::new(), max: max.max(1) }
    }

    /// Adds a future. If the pool is full, waits until another one has ended, and returns its output.
    pub(crate) async fn add(&mut self, future: F) -> Option<F::Output> {
        let ended = if self.going.len() < self.max { None } else { self.going.next().await };
        self.going.push(future);
        ended
    }

    /// Waits for another future, while those of the pool go on.
    pub(crate) async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T
    where
        F: Future<Output = ()>,
    {
        let mut other = pin!(other);
        loop {
            if self.going.is_empty() {
                return other.await;
            }
            if let Either::Left((output, _)) = select(other.as_mut(), self.going.next()).await {
                return output;
            }
        }
    }

    /// Waits for any future to end. Returns `None` if none is left.
    pub(crate) async fn next(&mut self) -> Option<F::Output> {
        self.going.next().await
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_full_pool_answers_what_ended_before_it_takes_more() {
        for max in [1, 2, 3] {
            let mut pool = Pool::new(max);
            for n in 0..max {
                assert_eq!(pool.add(ready(n)).now_or_never(), Some(None), "{n} of {max}");
            }
            assert!(matches!(pool.add(ready(max)).now_or_never(), Some(Some(_))), "{max}");
            assert_eq!(pool.going.len(), max);
        }
        assert_eq!(Pool::<std::future::Ready<()>>::new(0).max, 1);
    }

    #[test]
    fn the_futures_of_a_pool_go_on_while_another_one_is_waited_for() {
        use std::{cell::Cell, future::poll_fn, task::Poll};
        let done = Cell::new(0);
        let mut pool = Pool::new(2);
        for _ in 0..2 {
            assert_eq!(pool.add(async { done.set(done.get() + 1) }).now_or_never(), Some(None));
        }
        let other = poll_fn(|_| if done.get() == 2 { Poll::Ready("both went on") } else { Poll::Pending });
        // Nothing wakes the other future, which is polled again after each of the pool has ended.
        assert_eq!(pool.meanwhile(other).now_or_never(), Some("both went on"));
    }
}
