//! Limits how often one address may try to log in. The lock of one account after wrong passwords is in the
//! database (`login.rs`). This limit keeps one machine from trying all accounts, and from filling the log.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use vaultterm_store::AttemptLimit;

use crate::{
    refusal::{Refusal, RefusalKind},
    services::Services,
};

/// Attempts at once, and then one in each interval.
const LIMIT: AttemptLimit = AttemptLimit { burst: 60, every: Duration::from_secs(1) };

/// Counts an attempt of an address to prove who somebody is, or refuses it.
///
/// # Errors
/// `RateLimited`, with how long to wait.
pub(crate) async fn attempt(services: &Services, from: Option<IpAddr>) -> Result<(), Refusal> {
    let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match services.store.count_attempt(from, LIMIT).await? {
        None => Ok(()),
        Some(wait) => {
            let refusal = Refusal::new(RefusalKind::RateLimited, "too many logins from this address");
            Err(refusal.after(wait.as_secs() + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn one_address_is_slowed_on_every_server_and_another_is_not() {
        let house = House::new().await;
        let second = house.second_services();
        let one = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut refused = None;
        for attempts in 0..2 * LIMIT.burst {
            let services = if attempts % 2 == 0 { &house.services } else { &second };
            refused = refused.or(attempt(services, one).await.err());
        }
        let refused = refused.expect("too many");
        assert_eq!(refused.kind, RefusalKind::RateLimited);
        assert!(attempt(&house.services, Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)))).await.is_ok());
    }
}
