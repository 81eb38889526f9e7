//! The right to use a database on a server: alone, as a command that replaces it needs it, or together with other servers.
//! A server holds its right as long as it runs.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::{
    open::{DatabaseUrl, schema},
    pools::Pools,
    postgres, sqlite,
};
use crate::{
    StoreError,
    arguments::{Statement, args},
};

/// The advisory lock of the claim: `vclaim` in ASCII. It counts within one database.
const CLAIM: i64 = 0x7663_6c61_696d;

/// How often a claim is tried. The server takes a moment to notice that the process before is gone.
pub(super) const TRIES: u32 = 20;
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// How often a kept claim is looked at.
const LOOK: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };
/// The time within which the server answers such a look.
const ANSWER: Duration = Duration::from_secs(10);

/// The name of the connection that held the claim of a server when it still had the database for itself.
const BEFORE: &str = "vaultterm claim";

/// With whom a claim is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// With nobody.
    Alone,
    /// With other servers.
    Servers,
}

impl Company {
    /// Returns the name of the connection that holds such a claim.
    const fn connection_name(self) -> &'static str {
        match self {
            Self::Alone => "vaultterm claim alone",
            Self::Servers => "vaultterm claim shared",
        }
    }

    const fn lock(self) -> &'static str {
        match self {
            Self::Alone => "SELECT pg_try_advisory_lock($1)",
            Self::Servers => "SELECT pg_try_advisory_lock_shared($1)",
        }
    }
}

/// The right to use a database on a server. The database gives it back when the connection of the claim ends, for any
/// reason.
#[derive(Debug)]
pub struct Claim {
    connection: PgConnection,
    url: DatabaseUrl,
    company: Company,
}

impl Claim {
    /// Holds the claim, and claims again when the server ended the connection, as when it restarts. Returns when another
    /// process has claimed the database for itself meanwhile.
    pub async fn keep(mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let look = tokio::time::timeout(ANSWER, self.connection.ping());
            if matches!(look.await, Ok(Ok(()))) {
                continue;
            }
            self = loop {
                match self.url.claim(self.company).await {
                    Ok(Some(again)) => break again,
                    Ok(None) => return,
                    // The server does not answer. Nobody else can claim the database either.
                    Err(_) => tokio::time::sleep(LOOK).await,
                }
            };
        }
    }
}

impl DatabaseUrl {
    /// Claims a database on a server. Returns `None` when another process has a claim that does not go with it. A file has no
    /// such claim: its users lock a file beside it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the server does not answer.
    pub async fn claim(&self, company: Company) -> Result<Option<Claim>, StoreError> {
        let Self::Postgres(options) = self else { return Ok(None) };
        let options = options.clone().application_name(company.connection_name());
        let mut connection = PgConnection::connect_with(&options).await?;
        let mut tries = TRIES;
        loop {
            let taken: bool = sqlx::query_scalar(company.lock()).bind(CLAIM).fetch_one(&mut connection).await?;
            tries -= 1;
            if taken || tries == 0 {
                let claimed = Claim { connection, url: self.clone(), company };
                return Ok(taken.then_some(claimed));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Claims a database as a server did when it still had the database for itself.
    #[cfg(test)]
    pub(super) async fn claim_as_before(&self) -> Result<PgConnection, StoreError> {
        let Self::Postgres(options) = self else { panic!("this test needs {}", vaultterm_testkit::POSTGRES) };
        let mut connection = PgConnection::connect_with(&options.clone().application_name(BEFORE)).await?;
        sqlx::query(Company::Alone.lock()).bind(CLAIM).execute(&mut connection).await?;
        Ok(connection)
    }

    /// Returns the newest migration of a database that may be in use, and changes nothing. 0 if it has none.
    ///
    /// # Errors
    /// [`StoreError::Database`]; [`StoreError::Busy`] when a server does not answer.
    pub async fn schema(&self) -> Result<u64, StoreError> {
        let pools = self.only_looking().await?;
        let schema = schema(&pools).await;
        pools.close().await;
        schema
    }

    /// Opens a database that may be in use, without migrating it, only to read.
    pub(crate) async fn only_looking(&self) -> Result<Pools, StoreError> {
        match self {
            Self::Sqlite(path) => sqlite::only_looking(path).await,
            Self::Postgres(options) => postgres::only_looking((**options).clone()).await,
        }
    }
}

/// Returns whether a server has the database for itself, as servers did before they could share one.
pub(super) async fn is_held_by_older(pools: &Pools) -> Result<bool, StoreError> {
    let sql = "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
               WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND classid::BIGINT = $1 AND objid::BIGINT = $2 AND mode = 'ExclusiveLock' AND granted
                 AND application_name = $3";
    let args = args![CLAIM >> 32, CLAIM & 0xffff_ffff, BEFORE];
    Ok(pools.one(Statement { sql, args }).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn a_claim_is_held_by_one_and_is_taken_again_after_its_connection_ended() {
        let folder = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = vaultterm_testkit::fresh_database(folder.path()).await.parse().unwrap();
        let DatabaseUrl::Postgres(options) = &url else { panic!("this test needs {}", vaultterm_testkit::POSTGRES) };
        let keeping = tokio::spawn(url.claim(Company::Alone).await.unwrap().expect("it is free").keep());
        assert!(url.claim(Company::Alone).await.unwrap().is_none(), "it is held");
        let mut admin = PgConnection::connect_with(options).await.unwrap();
        let holders =
            "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'vaultterm claim%'";
        let end = sqlx::AssertSqlSafe(format!("SELECT pg_terminate_backend(pid) {holders}"));
        sqlx::query(end).execute(&mut admin).await.unwrap();
        tokio::time::sleep(LOOK * 20).await;
        assert!(url.claim(Company::Alone).await.unwrap().is_none(), "it is held again");
        // Another process claims it while the connection is away.
        keeping.abort();
        let _ = keeping.await;
        let mut late = url.claim(Company::Alone).await.unwrap().expect("it was given back");
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(CLAIM).execute(&mut late.connection).await.unwrap();
        let other = url.claim(Company::Alone).await.unwrap().expect("it is free");
        late.connection.close().await.unwrap();
        let late = Claim {
            connection: PgConnection::connect_with(options).await.unwrap(),
            url: url.clone(),
            company: Company::Alone,
        };
        let end = sqlx::AssertSqlSafe("SELECT pg_terminate_backend(pg_backend_pid())".to_owned());
        let mut late = late;
        let _ = sqlx::query(end).execute(&mut late.connection).await;
        tokio::time::timeout(ANSWER * 3, late.keep()).await.expect("it notices that another process has the claim");
        drop(other);
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn servers_share_a_database_and_a_command_has_it_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = vaultterm_testkit::fresh_database(folder.path()).await.parse().unwrap();
        let first = url.claim(Company::Servers).await.unwrap().expect("it is free");
        let second = url.claim(Company::Servers).await.unwrap().expect("servers share it");
        assert!(url.claim(Company::Alone).await.unwrap().is_none(), "servers run");
        drop(first);
        assert!(url.claim(Company::Alone).await.unwrap().is_none(), "one server runs");
        drop(second);
        let alone = url.claim(Company::Alone).await.unwrap().expect("nobody uses it");
        assert!(url.claim(Company::Servers).await.unwrap().is_none(), "a command uses it");
        drop(alone);
    }
}
