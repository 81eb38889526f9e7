//! The right to use a database alone, which a server holds as long as it runs.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::{
    open::{DatabaseUrl, schema},
    pools::Pools,
    postgres, sqlite,
};
use crate::StoreError;

/// The advisory lock of the claim: `vclaim` in ASCII. It counts within one database.
const CLAIM: i64 = 0x7663_6c61_696d;

/// How often a claim is tried. The server takes a moment to notice that the process before is gone.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// The right to use a database on a server alone. The database gives it back when the connection of the claim ends, for any
/// reason.
#[derive(Debug)]
pub struct Claim(#[allow(dead_code, reason = "held, not read")] PgConnection);

impl DatabaseUrl {
    /// Claims a database on a server. Returns `None` when another process has claimed it. A file has no such claim: its users
    /// lock a file beside it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the server does not answer.
    pub async fn claim(&self) -> Result<Option<Claim>, StoreError> {
        let Self::Postgres(options) = self else { return Ok(None) };
        let mut connection = PgConnection::connect_with(&options.clone().application_name("vaultterm claim")).await?;
        let sql = "SELECT pg_try_advisory_lock($1)";
        let mut tries = TRIES;
        loop {
            let taken: bool = sqlx::query_scalar(sql).bind(CLAIM).fetch_one(&mut connection).await?;
            tries -= 1;
            if taken || tries == 0 {
                return Ok(taken.then_some(Claim(connection)));
            }
            tokio::time::sleep(PAUSE).await;
        }
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
