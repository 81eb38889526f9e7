//! Servers of two versions on one database: what each may do with it.
//!
//! A newer server migrates the database while older ones work with it. Its migration must let them: it only adds. A migration
//! after which older servers would do something wrong raises `migrations::NEEDED`. Such a migration waits until no older server
//! works with the database, and an older server that comes later is refused.

use super::{
    claim::{PAUSE, TRIES, is_held_by_older},
    open::DatabaseUrl,
    open::schema,
    pools::Pools,
};
use crate::{
    StoreError,
    arguments::{Statement, args},
    migrations::NEWEST,
    nodes::{GONE_AFTER, micros},
    sql::NOW_US,
};

/// The first schema whose servers report themselves. A server before it had the database for itself, and holds a claim that
/// says so.
const REPORTING_SINCE: u64 = 27;

impl DatabaseUrl {
    /// Refuses to migrate a database while servers work with it that know no newer schema than before `needed`.
    ///
    /// # Errors
    /// [`StoreError::OlderServers`]; [`StoreError::Busy`] when a server does not answer.
    pub(crate) async fn refuse_beside_older(&self, needed: u64) -> Result<(), StoreError> {
        if self.file().is_some() {
            // A file has one server at most.
            return Ok(());
        }
        let pools = self.only_looking().await?;
        let older = older_servers(&pools, needed).await;
        pools.close().await;
        let older = older?;
        if older.is_empty() { Ok(()) } else { Err(StoreError::OlderServers(older.join(", "))) }
    }
}

async fn older_servers(pools: &Pools, needed: u64) -> Result<Vec<String>, StoreError> {
    let present = schema(pools).await?;
    if (1..REPORTING_SINCE).contains(&present) {
        return lonely_server(pools).await;
    }
    if !(REPORTING_SINCE..needed.max(REPORTING_SINCE)).contains(&present) {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT name, version FROM nodes WHERE schema_known < $1 AND seen_us > {NOW_US} - $2 ORDER BY started_us"
    );
    let args = args![needed, micros(GONE_AFTER)];
    let rows = pools.all(Statement { sql: &sql, args }).await?;
    rows.iter()
        .map(|row| {
            let text = |column| Ok::<_, StoreError>(row.text(column)?.unwrap_or_default());
            Ok(format!("{} ({})", text("name")?, text("version")?))
        })
        .collect()
}

/// Looks for a server that reports nothing. One that was just stopped gets a moment, until the database notices.
async fn lonely_server(pools: &Pools) -> Result<Vec<String>, StoreError> {
    for _ in 0..TRIES {
        if !is_held_by_older(pools).await? {
            return Ok(Vec::new());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(vec!["one that works alone and tells no name".to_owned()])
}

/// Refuses a database that a newer version migrated so that this one cannot work with it.
///
/// # Errors
/// [`StoreError::NeedsNewer`].
pub(crate) async fn refuse_newer(pools: &Pools) -> Result<(), StoreError> {
    let sql = "SELECT schema_needed FROM instance";
    let needed = match pools.one(Statement { sql, args: args![] }).await? {
        Some(row) => row.int("schema_needed")?.and_then(|needed| u64::try_from(needed).ok()).unwrap_or(0),
        None => 0,
    };
    if needed > NEWEST { Err(StoreError::NeedsNewer { needed, known: NEWEST }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, Report, testing::House};

    async fn change(house: &House, sql: &str) {
        let mut tx = house.store.db.touch().await.unwrap();
        tx.run(sql, args![]).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn an_older_server_works_with_a_newer_schema_unless_that_needs_a_newer_one() {
        let house = House::new().await;
        let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (999999, 'of a later version', @TRUE, @NO_BYTES, 0)";
        let (yes, bytes) = if house.store.is_shared() { ("TRUE", "''::bytea") } else { ("1", "x''") };
        change(&house, &later.replace("@TRUE", yes).replace("@NO_BYTES", bytes)).await;
        Database::open(&house.url).await.unwrap();
        change(&house, "UPDATE instance SET schema_needed = 999999").await;
        let refused = Database::open(&house.url).await.err().unwrap();
        assert!(matches!(refused, StoreError::NeedsNewer { needed: 999_999, known: NEWEST }), "{refused:?}");
        assert!(refused.to_string().contains("update this one"), "{refused}");
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn a_server_from_before_servers_could_share_a_database_is_stopped_before_its_database_is_migrated() {
        let house = House::new().await;
        change(&house, "DELETE FROM _sqlx_migrations WHERE version >= 27").await;
        let older = house.url.claim_as_before().await.unwrap();
        let refused = Database::open(&house.url).await.err().unwrap();
        assert!(matches!(&refused, StoreError::OlderServers(_)), "{refused:?}");
        assert!(refused.to_string().contains("stop them first"), "{refused}");
        assert_eq!(schema(&house.store.db.0).await.unwrap(), 26, "nothing was migrated");
        drop(older);
        let alone = house.url.claim(crate::Company::Alone).await.unwrap().expect("it is free");
        let migrated = Database::open(&house.url).await.err().unwrap();
        assert!(matches!(migrated, StoreError::Migration(_)), "a command of this version migrates: {migrated:?}");
        drop(alone);
    }

    #[tokio::test]
    async fn a_migration_that_older_servers_cannot_live_with_waits_until_they_are_gone() {
        let house = House::new().await;
        let server = Database::open(&house.url).await.unwrap();
        let report = Report { name: "old:8250", version: "0.9.0", ahead_us: 0, keyring_generation: None };
        server.report(&report).await.unwrap();
        let older = async |needed| older_servers(&house.store.db.0, needed).await.unwrap();
        assert!(older(NEWEST).await.is_empty(), "it knows this schema");
        assert_eq!(older(NEWEST + 1).await, ["old:8250 (0.9.0)"]);
        change(&house, "UPDATE nodes SET seen_us = seen_us - 20000000").await;
        assert!(older(NEWEST + 1).await.is_empty(), "it is gone");
    }
}
