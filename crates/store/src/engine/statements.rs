//! Runs statements on either engine.

use std::{borrow::Cow, time::Instant};

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Executor, IntoArguments, Postgres, Sqlite, SqlitePool, Transaction, query::Query};

use super::{entry::AuditEntry, places, pools::Pools, postgres, row::Row, sqlite, words::spoken};
use crate::{
    StoreError,
    arguments::{Arg, Statement},
};

/// A transaction that changes the database.
pub(crate) enum Change {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(postgres::Change),
}

/// What the statements of this crate need of an engine.
trait Engine: sqlx::Database
where
    Self::Arguments: IntoArguments<Self>,
{
    /// The words of the engine for the tokens in a statement.
    const TOKENS: &[(&str, &str)];

    /// Rewrites a statement that the engine would take slowly as it is. Gives the arguments back to leave it.
    fn rewritten(sql: &str, args: Vec<Arg>) -> Result<(String, Vec<Arg>), Vec<Arg>>;

    /// Adds an argument.
    fn bind(query: Query<'static, Self, Self::Arguments>, arg: Arg) -> Query<'static, Self, Self::Arguments>;
}

macro_rules! engine {
    ($engine:ty, $tokens:expr, $rewritten:expr) => {
        impl Engine for $engine {
            const TOKENS: &[(&str, &str)] = $tokens;

            fn rewritten(sql: &str, args: Vec<Arg>) -> Result<(String, Vec<Arg>), Vec<Arg>> {
                $rewritten(sql, args)
            }

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
engine!(Sqlite, sqlite::TOKENS, places::by_position);
engine!(Postgres, postgres::TOKENS, |_, args| Err(args));

fn bound<E: Engine>(statement: Statement<'_>) -> Result<Query<'static, E, E::Arguments>, StoreError>
where
    E::Arguments: IntoArguments<E>,
{
    let Statement { sql, args } = statement;
    // Every text is a literal of this crate, or is built from such literals and numbers.
    let sql = if sql.contains('@') { spoken(sql, E::TOKENS) } else { Cow::Borrowed(sql) };
    let (sql, args) = E::rewritten(&sql, args).unwrap_or_else(|args| (sql.into_owned(), args));
    let mut query = sqlx::query(AssertSqlSafe(sql));
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

async fn each<'c, E: Engine>(
    on: impl Executor<'c, Database = E>,
    statement: Statement<'_>,
    row: fn(E::Row) -> Row,
    mut take: impl FnMut(Row) -> Result<(), StoreError>,
) -> Result<(), StoreError>
where
    E::Arguments: IntoArguments<E>,
{
    let mut rows = bound::<E>(statement)?.fetch(on);
    while let Some(found) = rows.try_next().await? {
        take(row(found))?;
    }
    Ok(())
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

/// Begins a change of an SQLite file in its turn.
const IN_TURN: &str = "BEGIN IMMEDIATE";

async fn begin_in_turn(writer: &SqlitePool, first: &str) -> Result<(Change, Row), StoreError> {
    let mut begun = writer.begin_with(IN_TURN).await?;
    let row = one(&mut *begun, Statement { sql: first, args: Vec::new() }, Row::Sqlite).await?;
    Ok((Change::Sqlite(begun), row.ok_or(StoreError::Malformed("first statement of a change"))?))
}

impl Pools {
    /// Begins a change that is audited. The database has one such change at a time. A caller waits here for its turn, and
    /// therefore never fails half-way because of another writer.
    ///
    /// Returns the row of a first statement as well, which has no arguments. It sees what the change before has committed.
    pub(crate) async fn write(&self, first: &str) -> Result<(Change, Row), StoreError> {
        let began = Instant::now();
        let begun = match self {
            Self::Sqlite { writer, .. } => begin_in_turn(writer, first).await,
            Self::Postgres { writer, .. } => {
                let begun = postgres::begin_in_turn(writer, first).await;
                begun.map(|(change, row)| (Change::Postgres(change), Row::Postgres(row)))
            }
        };
        self.turns().note(began.elapsed());
        begun
    }

    /// Begins a change that is not audited, and whose every statement guards itself. Where the engine can, it does not wait
    /// for the turn of other writers.
    pub(crate) async fn touch(&self) -> Result<Change, StoreError> {
        match self {
            Self::Sqlite { writer, .. } => {
                let began = Instant::now();
                let begun = writer.begin_with(IN_TURN).await;
                self.turns().note(began.elapsed());
                Ok(Change::Sqlite(begun?))
            }
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

    /// Hands each row over as soon as it is there. It stops at the first error.
    pub(crate) async fn each(
        &self,
        statement: Statement<'_>,
        take: impl FnMut(Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { readers, .. } => each(readers, statement, Row::Sqlite, take).await,
            Self::Postgres { readers, .. } => each(readers, statement, Row::Postgres, take).await,
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
            Self::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { writer, aside, readers, .. } => {
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

    /// Makes the change permanent. `newest` is its newest audit entry, if it has any.
    ///
    /// # Errors
    /// [`StoreError::Undecided`] when the connection was lost meanwhile and the database cannot be asked whether the
    /// change is permanent. With every other error nothing was changed.
    pub(crate) async fn commit(self, newest: Option<AuditEntry>) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(inner) => Ok(inner.commit().await?),
            Self::Postgres(change) => change.commit(newest).await,
        }
    }
}
