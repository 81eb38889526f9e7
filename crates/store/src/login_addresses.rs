//! How often an address may try to log in, counted for all servers together.
//!
//! The bucket of an address is one moment: the one at which all of its attempts are worked off, at one attempt in each
//! interval. An attempt moves it by an interval, and is refused if the moment would be too far ahead (the generic cell rate
//! algorithm of ITU-T I.371). The row holds a keyed digest, and not the address.

use std::{net::IpAddr, time::Duration};

use crate::{
    Store, StoreError,
    nodes::micros,
    sql::{NOW_US, args},
};

/// A limit of attempts.
#[derive(Clone, Copy, Debug)]
pub struct AttemptLimit {
    /// Attempts that an address may make at once.
    pub burst: u32,
    /// The time after which it may make one more.
    pub every: Duration,
}

impl Store {
    /// Counts an attempt of an address. Returns how long the address must wait if it made too many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_attempt(&self, from: IpAddr, limit: AttemptLimit) -> Result<Option<Duration>, StoreError> {
        let address = self.keyring.token_digest(&format!("address of an attempt: {from}"));
        let every = micros(limit.every);
        let ahead = every.saturating_mul(i64::from(limit.burst.saturating_sub(1)));
        let mut tx = self.db.touch().await?;
        tx.run(&format!("DELETE FROM login_addresses WHERE clear_us < {NOW_US}"), args![]).await?;
        let sql = format!(
            "INSERT INTO login_addresses (address, clear_us) VALUES ($1, {NOW_US} + $2)
             ON CONFLICT (address) DO UPDATE SET clear_us = login_addresses.clear_us + $2
                 WHERE login_addresses.clear_us <= {NOW_US} + $3"
        );
        if tx.run(&sql, args![address, every, ahead]).await? == 1 {
            tx.commit().await?;
            return Ok(None);
        }
        let sql = format!("SELECT clear_us - {NOW_US} - $2 AS wait_us FROM login_addresses WHERE address = $1");
        let row = tx.one(&sql, args![address, ahead]).await?;
        let wait = row.map_or(Ok(0), |row| row.int("wait_us"))?;
        Ok(Some(Duration::from_micros(u64::try_from(wait).unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{House, reopened};

    #[tokio::test]
    async fn an_address_may_make_a_few_attempts_at_once_on_all_servers_together_and_then_one_in_each_interval() {
        let house = House::new().await;
        let other = reopened(&house, &house.root).await.unwrap();
        let limit = AttemptLimit { burst: 3, every: Duration::from_secs(3_600) };
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        for store in [&house.store, &other, &house.store] {
            assert_eq!(store.count_attempt(one, limit).await.unwrap(), None);
        }
        let wait = other.count_attempt(one, limit).await.unwrap().expect("too many");
        assert!(wait > Duration::from_secs(3_500) && wait <= Duration::from_secs(3_600), "{wait:?}");
        assert_eq!(other.count_attempt(two, limit).await.unwrap(), None, "another address is not slowed");
        let mut tx = house.store.db.touch().await.unwrap();
        let sql = "UPDATE login_addresses SET clear_us = clear_us - $1";
        tx.run(sql, args![micros(limit.every)]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(house.store.count_attempt(one, limit).await.unwrap(), None, "an interval passed");
        assert!(house.store.count_attempt(one, limit).await.unwrap().is_some());
    }
}
