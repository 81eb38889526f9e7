//! The servers on a database. Each reports every few seconds that it lives, and learns what the others changed.
//!
//! The moments are those of the database's clock, because the clocks of machines differ. Nothing here is audited.

use std::time::Duration;

use crate::{
    Database, NodeId, Store, StoreError,
    migrations::NEWEST,
    sql::{NOW_US, Row, args},
};

/// A server that did not report for so long counts as gone.
pub const GONE_AFTER: Duration = Duration::from_secs(15);
/// A server that did not report for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// What a server reports of itself.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// How far the clock of its machine is ahead of the database's, in microseconds, as far as it knows.
    pub ahead_us: i64,
    /// The state of the keyring that it works with. `None` while its root key is sealed.
    pub keyring_generation: Option<u64>,
}

/// What a server learns when it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The time by the clock of the database, in microseconds.
    pub now_us: i64,
    /// The state of the keyring.
    pub keyring_generation: u64,
    /// The schema that a server must know to work with the database.
    pub schema_needed: u64,
}

/// A server that reported lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The process.
    pub id: NodeId,
    /// Its name, for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The newest schema that it knows.
    pub schema_known: u64,
    /// When it started, in microseconds.
    pub started_us: i64,
    /// How long ago it reported, by the clock of the database.
    pub silent_for: Duration,
    /// How far the clock of its machine is ahead of the database's, in microseconds.
    pub ahead_us: i64,
    /// The state of the keyring that it works with. `None` while its root key is sealed.
    pub keyring_generation: Option<u64>,
}

impl Node {
    /// Returns whether it counts as gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.silent_for >= GONE_AFTER
    }
}

impl Database {
    /// Returns this process, among all that use the database.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Returns whether several servers may work with the database at the same time.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.db.0.is_shared()
    }

    /// Reports that this server lives.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; [`StoreError::NotInitialised`].
    pub async fn report(&self, report: &Report<'_>) -> Result<Learned, StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = format!(
            "INSERT INTO nodes (id, name, version, schema_known, started_us, seen_us, ahead_us, keyring_generation)
             VALUES ($1, $2, $3, $4, {NOW_US}, {NOW_US}, $5, $6)
             ON CONFLICT (id) DO UPDATE SET seen_us = excluded.seen_us, ahead_us = excluded.ahead_us,
                                            keyring_generation = excluded.keyring_generation"
        );
        let Report { name, version, ahead_us, keyring_generation } = *report;
        tx.run(&sql, args![self.node.0, name, version, NEWEST, ahead_us, keyring_generation]).await?;
        let sql = format!("DELETE FROM nodes WHERE seen_us < {NOW_US} - $1");
        tx.run(&sql, args![micros(FORGOTTEN_AFTER)]).await?;
        let sql = format!("SELECT {NOW_US} AS now_us, keyring_generation, schema_needed FROM instance");
        let row = tx.one(&sql, args![]).await?.ok_or(StoreError::NotInitialised)?;
        let learned = Learned {
            now_us: row.int("now_us")?,
            keyring_generation: row.count("keyring_generation")?,
            schema_needed: row.count("schema_needed")?,
        };
        tx.commit().await?;
        Ok(learned)
    }

    /// Reports that this server ends.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let mut tx = self.db.touch().await?;
        tx.run("DELETE FROM nodes WHERE id = $1", args![self.node.0]).await?;
        tx.commit().await
    }

    /// Lists the servers that reported within a day, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        nodes(&self.db).await
    }
}

impl Store {
    /// Lists the servers that reported within a day, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        nodes(&self.db).await
    }
}

async fn nodes(db: &crate::sql::Db) -> Result<Vec<Node>, StoreError> {
    let sql = format!("SELECT nodes.*, {NOW_US} - seen_us AS silent_us FROM nodes ORDER BY started_us, id");
    db.all(&sql, args![]).await?.iter().map(node).collect()
}

fn node(row: &Row) -> Result<Node, StoreError> {
    let generation = row.maybe_int("keyring_generation")?;
    Ok(Node {
        id: NodeId(row.id("id")?),
        name: row.text("name")?,
        version: row.text("version")?,
        schema_known: row.count("schema_known")?,
        started_us: row.int("started_us")?,
        silent_for: Duration::from_micros(u64::try_from(row.int("silent_us")?).unwrap_or(0)),
        ahead_us: row.int("ahead_us")?,
        keyring_generation: generation.and_then(|generation| u64::try_from(generation).ok()),
    })
}

pub(crate) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    fn report(generation: Option<u64>) -> Report<'static> {
        Report { name: "one", version: "1.0.0", ahead_us: -5, keyring_generation: generation }
    }

    #[tokio::test]
    async fn servers_report_themselves_learn_the_state_and_leave() {
        let house = House::new().await;
        let (one, two) = (Database::open(&house.url).await.unwrap(), Database::open(&house.url).await.unwrap());
        let learned = one.report(&report(None)).await.unwrap();
        assert_eq!((learned.keyring_generation, learned.schema_needed), (0, crate::migrations::NEEDED));
        let by_this_machine = vaultterm_sync::system_time().0 / 1_000;
        assert!((learned.now_us - by_this_machine).abs() < 60_000_000, "the time of the database");
        two.report(&report(Some(3))).await.unwrap();
        one.report(&report(Some(3))).await.unwrap();
        let nodes = house.store.nodes().await.unwrap();
        assert_eq!(nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [one.node(), two.node()]);
        assert_eq!((nodes[0].keyring_generation, nodes[0].ahead_us, nodes[0].schema_known), (Some(3), -5, NEWEST));
        assert!(!nodes[0].is_gone());
        one.leave().await.unwrap();
        assert_eq!(house.store.nodes().await.unwrap().len(), 1);
        assert_eq!(one.free_leases().await.unwrap(), 0);
        assert!(house.store.nodes().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_silent_server_counts_as_gone_and_is_forgotten_after_a_day() {
        let house = House::new().await;
        let (silent, other) = (Database::open(&house.url).await.unwrap(), Database::open(&house.url).await.unwrap());
        silent.report(&report(None)).await.unwrap();
        let age = async |seconds: i64| {
            let mut tx = house.store.db.touch().await.unwrap();
            tx.run("UPDATE nodes SET seen_us = seen_us - $1", args![seconds * 1_000_000]).await.unwrap();
            tx.commit().await.unwrap();
        };
        age(20).await;
        assert!(house.store.nodes().await.unwrap()[0].is_gone());
        age(24 * 3_600).await;
        other.report(&report(None)).await.unwrap();
        assert_eq!(house.store.nodes().await.unwrap()[0].id, other.node());
    }
}
