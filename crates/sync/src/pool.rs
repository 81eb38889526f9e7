//! Drives many futures at once, up to a limit.

use futures_util::{StreamExt, stream::FuturesUnordered};

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
}
