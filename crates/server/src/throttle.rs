//! How often one address may try to log in. The lock of one person after wrong passwords is in
//! the database (`api/auth.rs`); this keeps one machine from trying them all, or filling the log.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};

use crate::problem::{Kind, Problem};

/// Attempts at once, and then per second.
const BURST: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN;
/// Addresses remembered before those that rested are forgotten.
const ADDRESSES_MAX: usize = 10_000;

pub(crate) struct Throttle {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: governor::clock::DefaultClock,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST)),
            clock: governor::clock::DefaultClock::default(),
        }
    }

    /// Counts an attempt, or refuses it.
    pub(crate) fn attempt(&self, from: Option<IpAddr>) -> Result<(), Problem> {
        if self.limiter.len() > ADDRESSES_MAX {
            self.limiter.retain_recent();
        }
        let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.limiter.check_key(&from).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now()).as_secs() + 1;
            Problem::new(Kind::RateLimited, "too many logins from this address").retry_after(wait)
        })
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
}
