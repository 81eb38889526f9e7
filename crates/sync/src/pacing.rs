//! Limits the number of concurrent remote requests. The limit starts at that of the connection, halves
//! whenever the server pushes back, and slowly grows again (AIMD).

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Gives out permits.
pub(crate) struct Pacing {
    permits: Semaphore,
    state: Mutex<State>,
    max: usize,
}

struct State {
    /// The number of requests that may be in flight.
    limit: usize,
    /// The number of permits to withdraw when they come back.
    surplus: usize,
    /// The number of answers since the last change of the limit.
    answered: usize,
    /// The number of cuts. Of several requests that were in flight together, only one cuts the limit.
    cuts: u64,
    /// The number of cuts since the last answer.
    silent: u32,
}

/// The right to have one request in flight.
pub(crate) struct Permit<'a> {
    permit: SemaphorePermit<'a>,
    cuts: u64,
}

impl Pacing {
    /// Returns a pacing that allows up to `max` requests in flight, and at least one.
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        let state = State { limit: max, surplus: 0, answered: 0, cuts: 0, silent: 0 };
        Self { permits: Semaphore::new(max), state: Mutex::new(state), max }
    }

    /// Waits for a permit. A dropped permit is given back.
    pub(crate) async fn permit(&self) -> Permit<'_> {
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        Permit { permit, cuts: self.state().cuts }
    }

    /// Gives a permit back after an answer.
    pub(crate) fn answered(&self, permit: Permit<'_>) {
        let mut state = self.state();
        state.silent = 0;
        state.answered += 1;
        if state.answered >= state.limit && state.limit < self.max {
            state.limit += 1;
            state.answered = 0;
            if state.surplus > 0 {
                state.surplus -= 1;
            } else {
                self.permits.add_permits(1);
            }
        }
        self.give_back(state, permit);
    }

    /// Gives a permit back after the server pushed back, and halves the limit. Returns how often this
    /// happened since the last answer.
    pub(crate) fn pushed_back(&self, permit: Permit<'_>) -> u32 {
        let mut state = self.state();
        if permit.cuts == state.cuts {
            let limit = (state.limit / 2).max(1);
            state.surplus += state.limit - limit;
            state.limit = limit;
            state.answered = 0;
            state.cuts += 1;
            state.silent += 1;
        }
        let silent = state.silent;
        self.give_back(state, permit);
        silent
    }

    fn give_back(&self, mut state: MutexGuard<'_, State>, permit: Permit<'_>) {
        if state.surplus > 0 {
            state.surplus -= 1;
            permit.permit.forget();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn take_all(pacing: &Pacing) -> Vec<Permit<'_>> {
        std::iter::from_fn(|| pacing.permit().now_or_never()).collect()
    }

    #[test]
    fn requests_that_were_in_flight_together_cut_once() {
        let pacing = Pacing::new(8);
        for permit in take_all(&pacing) {
            assert_eq!(pacing.pushed_back(permit), 1);
        }
        assert_eq!(take_all(&pacing).len(), 4);
    }

    #[test]
    fn the_limit_never_falls_below_one() {
        let pacing = Pacing::new(8);
        for _ in 0..10 {
            for permit in take_all(&pacing) {
                pacing.pushed_back(permit);
            }
        }
        assert_eq!(take_all(&pacing).len(), 1);
    }

    #[test]
    fn one_answer_breaks_the_silence() {
        let pacing = Pacing::new(2);
        let permit = || pacing.permit().now_or_never().expect("one is allowed");
        assert_eq!((pacing.pushed_back(permit()), pacing.pushed_back(permit())), (1, 2));
        pacing.answered(permit());
        assert_eq!(pacing.pushed_back(permit()), 1);
    }

    #[test]
    fn answers_raise_the_limit_again_up_to_the_maximum() {
        let pacing = Pacing::new(4);
        for permit in take_all(&pacing) {
            pacing.pushed_back(permit);
        }
        for _ in 0..100 {
            let permit = pacing.permit().now_or_never().expect("one is always allowed");
            pacing.answered(permit);
        }
        assert_eq!(take_all(&pacing).len(), 4);
    }

    #[test]
    fn as_many_answers_as_are_allowed_in_flight_raise_the_limit_by_one() {
        let pacing = Pacing::new(8);
        let all = take_all(&pacing);
        assert_eq!(all.len(), 8);
        for permit in all {
            pacing.pushed_back(permit);
        }
        for limit in 4..8 {
            for answer in 0..limit {
                assert_eq!(take_all(&pacing).len(), limit, "after {answer} answers");
                let permit = pacing.permit().now_or_never().expect("one is always allowed");
                pacing.answered(permit);
            }
        }
        assert_eq!(take_all(&pacing).len(), 8);
    }

    /// Requests that were in flight when the limit fell must come back before their permits can be withdrawn.
    #[test]
    fn a_limit_that_rises_while_too_many_are_in_flight_withdraws_fewer() {
        let pacing = Pacing::new(4);
        let mut all = take_all(&pacing);
        pacing.pushed_back(all.pop().expect("four"));
        // Two may be in flight and three are. One more is withdrawn, unless two answers raise the limit
        // first.
        assert_eq!(take_all(&pacing).len(), 0);
        pacing.answered(all.pop().expect("three"));
        pacing.answered(all.pop().expect("two"));
        assert_eq!(take_all(&pacing).len() + all.len(), 3);
    }

    #[test]
    fn the_pacing_allows_at_least_one() {
        assert_eq!(take_all(&Pacing::new(0)).len(), 1);
    }
}
