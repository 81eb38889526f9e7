//! Paces the requests to a Vault: at most so many per second, evenly, and fewer while the server answers more slowly than it
//! can.
//!
//! A request takes a turn, and turns are `1 / rate` seconds apart. No turns are saved up: a client that was silent for a
//! minute does not send sixty seconds of requests at once.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// A server counts as slow if its answers take more than this multiple of what they took at best.
const SLOW: f64 = 3.0;
/// Differences below this are noise on any network, in seconds.
const NOISE: f64 = 0.005;
/// The weight of the newest answer in the latency of the last answers.
const NEWEST: f64 = 0.1;
/// By how much the best latency is forgotten with each answer: after some thousand answers, a server that became slower
/// for good counts as normal.
const FORGETS: f64 = 1.000_3;
/// The lowest share of the rate that a slow server still gets.
const SHARE_MIN: f64 = 0.1;
/// How much of the share a slow answer takes away, and a quick one gives back.
const CUT: f64 = 0.95;
const RISE: f64 = 0.005;

/// The requests that may be sent per second.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests per second. 0 means without limit.
    rate: f64,
    /// The share of the rate that is in use, because of the latency of the server.
    share: f64,
    /// The time of the next turn.
    next: Option<Instant>,
    /// The best and the usual latency, in seconds.
    best: f64,
    usual: f64,
}

impl Budget {
    /// Returns a budget of this number of requests per second. 0 means without limit.
    pub(crate) fn new(per_second: f64) -> Self {
        let state = State { rate: per_second, share: 1.0, next: None, best: f64::INFINITY, usual: 0.0 };
        Self(Mutex::new(state))
    }

    /// Changes the number of requests per second.
    pub(crate) fn set(&self, per_second: f64) {
        self.state().rate = per_second;
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) {
        if let Some(at) = self.take(Instant::now()) {
            sleep_until(at).await;
        }
    }

    /// Takes the next turn. Returns its time, or `None` if it is now.
    fn take(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        if state.rate <= 0.0 {
            return None;
        }
        let turn = state.next.filter(|next| *next > now).unwrap_or(now);
        let apart = Duration::from_secs_f64(1.0 / (state.rate * state.share));
        state.next = Some(turn + apart);
        (turn > now).then_some(turn)
    }

    /// Learns how long an answer took.
    pub(crate) fn answered(&self, took: Duration) {
        let mut state = self.state();
        if state.rate <= 0.0 {
            return;
        }
        let took = took.as_secs_f64();
        state.usual = if state.best.is_finite() { state.usual + NEWEST * (took - state.usual) } else { took };
        state.best = took.min(state.best * FORGETS);
        let slow = state.usual > state.best * SLOW + NOISE;
        state.share = if slow { (state.share * CUT).max(SHARE_MIN) } else { (state.share + RISE).min(1.0) };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Returns the times of the next turns from `now` on, if all are taken at once.
    fn turns(budget: &Budget, now: Instant, count: usize) -> Vec<Duration> {
        (0..count).map(|_| budget.take(now).map_or(Duration::ZERO, |at| at - now)).collect()
    }

    #[test]
    fn turns_are_evenly_apart() {
        let now = Instant::now();
        assert_eq!(turns(&Budget::new(50.0), now, 4), [Duration::ZERO, MS * 20, MS * 40, MS * 60]);
    }

    #[test]
    fn silence_saves_nothing_up() {
        let (budget, now) = (Budget::new(50.0), Instant::now());
        turns(&budget, now, 1);
        assert_eq!(turns(&budget, now + Duration::from_secs(60), 3), [Duration::ZERO, MS * 20, MS * 40]);
    }

    #[test]
    fn without_a_limit_nothing_waits_and_a_new_limit_counts_at_once() {
        let (budget, now) = (Budget::new(0.0), Instant::now());
        assert_eq!(turns(&budget, now, 3), [Duration::ZERO; 3]);
        budget.set(10.0);
        assert_eq!(turns(&budget, now, 2), [Duration::ZERO, MS * 100]);
    }

    #[test]
    fn a_server_that_becomes_slow_gets_fewer_requests_and_more_again_when_it_recovers() {
        let (budget, now) = (Budget::new(100.0), Instant::now());
        let apart = || {
            budget.state().next = None;
            turns(&budget, now, 2)[1]
        };
        (0..100).for_each(|_| budget.answered(MS * 10));
        assert_eq!(apart(), MS * 10);
        (0..100).for_each(|_| budget.answered(MS * 100));
        assert!(apart() > MS * 80, "{:?}", apart());
        assert!(apart() <= MS * 100, "it never falls below a tenth: {:?}", apart());
        (0..400).for_each(|_| budget.answered(MS * 10));
        assert_eq!(apart(), MS * 10);
    }

    #[test]
    fn a_server_that_is_always_slow_is_not_slow_because_of_us() {
        let (budget, now) = (Budget::new(100.0), Instant::now());
        (0..1_000).for_each(|_| budget.answered(MS * 300));
        budget.state().next = None;
        assert_eq!(turns(&budget, now, 2)[1], MS * 10);
    }
}
