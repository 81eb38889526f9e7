//! The database engines: SQLite in a file, and PostgreSQL on a server. Only the files in this folder name one.
//!
//! Every statement of this crate has a single SQL text. It is written with `$1` placeholders, and its columns are texts,
//! 64-bit integers and bytes. What the engines name differently is a token in the text (`@BYTES`, `@NOW_US`), for which each
//! engine has its own words.

mod catalog;
mod claim;
mod open;
mod postgres;
mod sqlite;

use std::{borrow::Cow, time::Duration};

use sqlx::{
    AssertSqlSafe, Executor, IntoArguments, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction,
    postgres::PgRow, query::Query, sqlite::SqliteRow,
};

use crate::{
    StoreError,
    sql::{Arg, Statement},
};

pub(crate) use catalog::{Table, tables};
pub use claim::Claim;
pub(crate) use open::schema;
pub use open::{DatabaseUrl, NotADatabaseUrl};
pub(crate) use sqlite::{fold, look_at, no_log, write_image};

/// The time for which a request waits for its turn to write.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);
/// The number of cached statements for each connection. It is larger than the number of statements in this crate, so that
/// each is prepared once.
const STATEMENTS_MAX: usize = 512;

/// The pools of an open database.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    /// One connection that writes, and several that read.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    /// One connection for changes that are audited, a few for those that are not, and several that read.
    Postgres { writer: PgPool, aside: PgPool, readers: PgPool },
}

/// A transaction that changes the database.
pub(crate) enum Change {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(postgres::Change),
}

/// A row of a result.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What the statements of this crate need of an engine.
trait Engine: sqlx::Database
where
    Self::Arguments: IntoArguments<Self>,
{
    /// The words of the engine for the tokens in a statement.
    const TOKENS: &[(&str, &str)];

    /// Adds an argument.
    fn bind(query: Query<'static, Self, Self::Arguments>, arg: Arg) -> Query<'static, Self, Self::Arguments>;
}

macro_rules! engine {
    ($engine:ty, $tokens:expr) => {
        impl Engine for $engine {
            const TOKENS: &[(&str, &str)] = $tokens;

            fn bind(query: Query<'static, Self, Self::Arguments>, arg: Arg) -> Query<'static, Self, Self::Arguments> {
                match arg {
                    Arg::Text(text) => query.bind(text),
                    Arg::Int(number) => query.bind(number),
                    Arg::Bytes(bytes) => query.bind(bytes),
                }
            }
        }
    };
}
engine!(Sqlite, sqlite::TOKENS);
engine!(Postgres, postgres::TOKENS);

/// Puts the words of an engine in the place of the tokens.
pub(crate) fn spoken<'a>(text: &'a str, tokens: &[(&str, &str)]) -> Cow<'a, str> {
    let spoken = |text: Cow<'a, str>, (token, words): &(&str, &str)| match text.contains(token) {
        true => Cow::Owned(text.replace(token, words)),
        false => text,
    };
    tokens.iter().fold(Cow::Borrowed(text), spoken)
}

fn bound<E: Engine>(statement: Statement<'_>) -> Result<Query<'static, E, E::Arguments>, StoreError>
where
    E::Arguments: IntoArguments<E>,
{
    let Statement { sql, args } = statement;
    // Every text is a literal of this crate, or is built from such literals and numbers.
    let sql = if sql.contains('@') { spoken(sql, E::TOKENS) } else { Cow::Borrowed(sql) };
    let mut query = sqlx::query(AssertSqlSafe(sql.into_owned()));
    for arg in args {
        if matches!(&arg, Arg::Text(Some(text)) if text.contains('\0')) {
            // PostgreSQL cannot store this character. SQLite refuses it too, so that a database can move.
            return Err(StoreError::invalid("text", "a text must not contain the character NUL"));
        }
        query = E::bind(query, arg);
    }
    Ok(query)
}

async fn run<'c, E: Engine>(
    on: impl Executor<'c, Database = E>,
    statement: Statement<'_>,
) -> Result<E::QueryResult, StoreError>
where
    E::Arguments: IntoArguments<E>,
{
    Ok(bound::<E>(statement)?.execute(on).await?)
}

async fn all<'c, E: Engine>(
    on: impl Executor<'c, Database = E>,
    statement: Statement<'_>,
    row: fn(E::Row) -> Row,
) -> Result<Vec<Row>, StoreError>
where
    E::Arguments: IntoArguments<E>,
{
    Ok(bound::<E>(statement)?.fetch_all(on).await?.into_iter().map(row).collect())
}

async fn one<'c, E: Engine>(
    on: impl Executor<'c, Database = E>,
    statement: Statement<'_>,
    row: fn(E::Row) -> Row,
) -> Result<Option<Row>, StoreError>
where
    E::Arguments: IntoArguments<E>,
{
    Ok(bound::<E>(statement)?.fetch_optional(on).await?.map(row))
}

impl Pools {
    /// Begins a change that is audited. The database has one such change at a time. A caller waits here for its turn, and
    /// therefore never fails half-way because of another writer.
    pub(crate) async fn write(&self) -> Result<Change, StoreError> {
        match self {
            Self::Sqlite { writer, .. } => Ok(Change::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres { writer, .. } => postgres::begin_in_turn(writer).await.map(Change::Postgres),
        }
    }

    /// Begins a change that is not audited, and whose every statement guards itself. Where the engine can, it does not wait
    /// for the turn of other writers.
    pub(crate) async fn touch(&self) -> Result<Change, StoreError> {
        match self {
            Self::Sqlite { .. } => self.write().await,
            Self::Postgres { aside, .. } => postgres::begin_aside(aside).await.map(Change::Postgres),
        }
    }

    /// Begins a transaction that reads the database as it was at one moment.
    pub(crate) async fn snapshot(&self) -> Result<Change, StoreError> {
        match self {
            Self::Sqlite { readers, .. } => Ok(Change::Sqlite(readers.begin().await?)),
            Self::Postgres { readers, .. } => postgres::begin_snapshot(readers).await.map(Change::Postgres),
        }
    }

    pub(crate) async fn all(&self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite { readers, .. } => all(readers, statement, Row::Sqlite).await,
            Self::Postgres { readers, .. } => all(readers, statement, Row::Postgres).await,
        }
    }

    pub(crate) async fn one(&self, statement: Statement<'_>) -> Result<Option<Row>, StoreError> {
        match self {
            Self::Sqlite { readers, .. } => one(readers, statement, Row::Sqlite).await,
            Self::Postgres { readers, .. } => one(readers, statement, Row::Postgres).await,
        }
    }

    /// Closes all connections after their users are done.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { writer, aside, readers } => {
                readers.close().await;
                aside.close().await;
                writer.close().await;
            }
        }
    }
}

impl Change {
    /// Runs a statement and returns the number of affected rows.
    pub(crate) async fn run(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(inner) => run(&mut **inner, statement).await?.rows_affected(),
            Self::Postgres(change) => run(&mut *change.inner, statement).await?.rows_affected(),
        })
    }

    pub(crate) async fn all(&mut self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(inner) => all(&mut **inner, statement, Row::Sqlite).await,
            Self::Postgres(change) => all(&mut *change.inner, statement, Row::Postgres).await,
        }
    }

    pub(crate) async fn one(&mut self, statement: Statement<'_>) -> Result<Option<Row>, StoreError> {
        match self {
            Self::Sqlite(inner) => one(&mut **inner, statement, Row::Sqlite).await,
            Self::Postgres(change) => one(&mut *change.inner, statement, Row::Postgres).await,
        }
    }

    /// Makes the change permanent.
    ///
    /// # Errors
    /// [`StoreError::Undecided`] when the connection was lost meanwhile and the database cannot be asked whether the
    /// change is permanent. With every other error nothing was changed.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(inner) => Ok(inner.commit().await?),
            Self::Postgres(change) => change.commit().await,
        }
    }
}

impl Row {
    pub(crate) fn text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => postgres::int(row, column)?,
        })
    }

    pub(crate) fn bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }
}

/// Returns whether an error of an engine means that the database may carry out the same request in a moment.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => postgres::is_busy(&**error).unwrap_or_else(|| sqlite::is_busy(&**error)),
        error => postgres::is_lost(error),
    }
}
