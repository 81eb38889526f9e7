//! Opens a database by its URL.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::postgres::PgConnectOptions;

use super::{pools::Pools, postgres, sqlite};
use crate::{
    StoreError,
    arguments::{Statement, args},
};

/// Where a database is.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`: the path of the file.
    Sqlite(PathBuf),
    /// `postgres://…`: how to connect.
    Postgres(Box<PgConnectOptions>),
}

/// Why a text is not the URL of a database. The text may contain a password, so the error does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADatabaseUrl {
    /// The text names no engine that this version knows.
    #[error("it names a database that this version does not support")]
    Engine,
    /// The URL of a PostgreSQL server has a part that cannot be read.
    #[error("it is no valid PostgreSQL URL")]
    Postgres,
}

impl FromStr for DatabaseUrl {
    type Err = NotADatabaseUrl;

    fn from_str(text: &str) -> Result<Self, NotADatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path))));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = postgres::options(text).map_err(|_| NotADatabaseUrl::Postgres)?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(NotADatabaseUrl::Engine)
    }
}

impl DatabaseUrl {
    /// Returns the path of the file, if the database is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// Opens or creates the database, and migrates it to the newest schema.
    pub(crate) async fn open(&self) -> Result<Pools, StoreError> {
        match self {
            Self::Sqlite(path) => sqlite::open(path).await,
            Self::Postgres(options) => postgres::open((**options).clone()).await,
        }
    }
}

impl fmt::Display for DatabaseUrl {
    /// Writes where the database is, without a password: the path of a file, or `HOST:PORT/NAME`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(options) => {
                let name = options.get_database().unwrap_or_else(|| options.get_username());
                match options.get_socket() {
                    Some(socket) => write!(f, "{}/{name}", socket.display()),
                    None => write!(f, "{}:{}/{name}", options.get_host(), options.get_port()),
                }
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns the newest migration of an open database. 0 if it has none.
pub(crate) async fn schema(pools: &Pools) -> Result<u64, StoreError> {
    let sql = match pools {
        Pools::Sqlite { .. } => "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'",
        Pools::Postgres { .. } => "SELECT 'x' AS name WHERE to_regclass('_sqlx_migrations') IS NOT NULL",
    };
    if pools.one(Statement { sql, args: args![] }).await?.is_none() {
        return Ok(0);
    }
    let sql = "SELECT COALESCE(MAX(version), 0) AS version FROM _sqlx_migrations";
    let row = pools.one(Statement { sql, args: args![] }).await?;
    let version = row.ok_or(StoreError::Malformed("schema"))?.int("version")?;
    version.and_then(|version| u64::try_from(version).ok()).ok_or(StoreError::Malformed("schema"))
}
