//! Limits how often one address may try to log in. The lock of one account after wrong passwords is in the
//! database (`login.rs`). This limit keeps one machine from trying all accounts, and from filling the log.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use tokio::sync::OwnedMutexGuard;

use crate::refusal::{Refusal, RefusalKind};

/// Attempts at once, and then per second.
const BURST: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN;
/// How many addresses are remembered before the limiter forgets those that made no attempt lately.
const ADDRESSES_MAX: usize = 10_000;

/// How often one address may try a password.
pub struct Throttle {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: governor::clock::DefaultClock,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl Throttle {
    /// Begins with no address known.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST)),
            clock: governor::clock::DefaultClock::default(),
        }
    }

    /// Counts an attempt, or refuses it.
    ///
    /// # Errors
    /// `RateLimited`, with how long to wait.
    pub fn attempt(&self, from: Option<IpAddr>) -> Result<(), Refusal> {
        if self.limiter.len() > ADDRESSES_MAX {
            self.limiter.retain_recent();
        }
        let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.limiter.check_key(&from).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now()).as_secs() + 1;
            Refusal::new(RefusalKind::RateLimited, "too many logins from this address").after(wait)
        })
    }
}

/// Lets one attempt at an account happen at a time, so that the lock, the password and the cost of a wrong
/// one are judged together, even with many attempts at once.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn at an account, and holds it until the guard is dropped. Addresses are compared
    /// without case.
    pub async fn at(&self, email: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let email = email.trim().to_lowercase();
            let known = turns.get(&email).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::new(tokio::sync::Mutex::new(()));
                turns.insert(email, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_slowed_and_another_is_not() {
        let throttle = Throttle::new();
        let one = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let refused = (0..2 * BURST.get()).filter(|_| throttle.attempt(one).is_err()).count();
        assert!(refused > 0);
        assert!(throttle.attempt(Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)))).is_ok());
    }

    #[tokio::test]
    async fn attempts_at_one_account_wait_for_one_another_and_those_at_another_do_not() {
        let turns = Turns::default();
        let first = turns.at("ann@example.com").await;
        let second = turns.at(" Ann@Example.com");
        tokio::pin!(second);
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(turns.at("ben@example.com").await);
        drop(first);
        drop(second.await);
        let _turn = turns.at("eve@example.com").await;
        assert_eq!(turns.0.lock().unwrap().len(), 1, "accounts that nobody waits for are forgotten");
    }
}
