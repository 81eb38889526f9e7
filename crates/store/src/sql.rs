//! One SQL text, whatever the engine: a thin layer over sqlx.
//!
//! Statements are written once, with `$1` placeholders and TEXT, BIGINT and BLOB columns only, so
//! that PostgreSQL can be added here without a second copy of any query.

use std::str::FromStr;

use sqlx::{
    AssertSqlSafe, Row as _, Sqlite, SqlitePool, Transaction,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

use crate::StoreError;

/// One argument of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Text(String),
    Int(i64),
    Bytes(Vec<u8>),
    NoText,
    NoInt,
    NoBytes,
}

macro_rules! into_arg {
    ($($type:ty => |$value:ident| $arg:expr),+ $(,)?) => {$(
        impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                $arg
            }
        }
    )+};
}

into_arg!(
    &str => |text| Self::Text(text.to_owned()),
    String => |text| Self::Text(text),
    &String => |text| Self::Text(text.clone()),
    i64 => |number| Self::Int(number),
    u32 => |number| Self::Int(number.into()),
    u64 => |number| Self::Int(i64::try_from(number).unwrap_or(i64::MAX)),
    bool => |flag| Self::Int(flag.into()),
    Vec<u8> => |bytes| Self::Bytes(bytes),
    [u8; 32] => |bytes| Self::Bytes(bytes.to_vec()),
    Uuid => |id| Self::Text(id.to_string()),
    Option<&str> => |text| text.map_or(Self::NoText, |text| Self::Text(text.to_owned())),
    Option<String> => |text| text.map_or(Self::NoText, Self::Text),
    Option<i64> => |number| number.map_or(Self::NoInt, Self::Int),
    Option<Vec<u8>> => |bytes| bytes.map_or(Self::NoBytes, Self::Bytes),
    Option<Uuid> => |id| id.map_or(Self::NoText, |id| Self::Text(id.to_string())),
);

/// Arguments, in the order of the placeholders.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Arg::from($value)),*] };
}
pub(crate) use args;

/// One row, read by column name.
pub(crate) struct Row(SqliteRow);

impl Row {
    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn maybe_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn count(&self, column: &str) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|_| StoreError::Malformed("number"))
    }

    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn id(&self, column: &str) -> Result<Uuid, StoreError> {
        self.parsed(column)
    }

    /// A text that is the name of something.
    pub(crate) fn parsed<T: FromStr>(&self, column: &str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::Malformed(std::any::type_name::<T>()))
    }

    /// A text that is JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| StoreError::Malformed(std::any::type_name::<T>()))
    }
}

/// Encodes what is kept as JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what is stored as JSON has only text keys")
}

fn bound(sql: &str, args: Vec<Arg>) -> Query<'static, Sqlite, SqliteArguments> {
    // Every text is a literal of this crate, or built from such literals and numbers.
    let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    for arg in args {
        query = match arg {
            Arg::Text(text) => query.bind(text),
            Arg::Int(number) => query.bind(number),
            Arg::Bytes(bytes) => query.bind(bytes),
            Arg::NoText => query.bind(None::<String>),
            Arg::NoInt => query.bind(None::<i64>),
            Arg::NoBytes => query.bind(None::<Vec<u8>>),
        };
    }
    query
}

/// The pools: one connection that writes, several that read.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Db {
    /// Begins a change. SQLite has one writer at a time, so it waits for its turn here, and never
    /// fails half-way because of another one.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        Ok(Tx(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    pub(crate) async fn all(&self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        Ok(bound(sql, args).fetch_all(&self.readers).await?.into_iter().map(Row).collect())
    }

    pub(crate) async fn one(&self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        Ok(bound(sql, args).fetch_optional(&self.readers).await?.map(Row))
    }
}

/// A change that is not committed yet; dropped, nothing of it happened.
pub(crate) struct Tx(Transaction<'static, Sqlite>);

impl Tx {
    pub(crate) async fn run(&mut self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        Ok(bound(sql, args).execute(&mut *self.0).await?.rows_affected())
    }

    pub(crate) async fn all(&mut self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        Ok(bound(sql, args).fetch_all(&mut *self.0).await?.into_iter().map(Row).collect())
    }

    pub(crate) async fn one(&mut self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        Ok(bound(sql, args).fetch_optional(&mut *self.0).await?.map(Row))
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

/// Says whether a failure means that a unique name or path is taken.
pub(crate) fn is_taken(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
}

/// Turns "taken" into an error that names what is.
pub(crate) fn taken(error: StoreError, what: &'static str, name: &str) -> StoreError {
    if is_taken(&error) { StoreError::Exists { what, name: name.to_owned() } } else { error }
}
