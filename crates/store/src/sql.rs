//! A thin layer over sqlx, so that each statement has a single SQL text for all database engines.
//!
//! Statements are written once, with `$1` placeholders and only text, 64-bit integer and byte columns.
//! PostgreSQL can therefore be added in this file without a second copy of any query. No code outside of this
//! file names SQLite, except the opening of the file in `database.rs`.

use std::str::FromStr;

use sqlx::{
    AssertSqlSafe, Row as _, Sqlite, SqlitePool, Transaction,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;
use vaultterm_ledger::Draft;
use vaultterm_reconcile::{RecordId, RecordType, Revision, SecretPath, UnixNanos, UnknownName, Version};
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, PlanId, RunId};

use crate::StoreError;

/// An argument of a statement. NULL also has the type of its column, because PostgreSQL cannot infer it.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! into_arg {
    ($($type:ty => |$value:ident| $variant:ident($arg:expr)),+ $(,)?) => {$(
        impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                Self::$variant(Some($arg))
            }
        }

        impl From<Option<$type>> for Arg {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(|$value| $arg))
            }
        }
    )+};
}

into_arg!(
    &str => |text| Text(text.to_owned()),
    String => |text| Text(text),
    &SecretPath => |path| Text(path.as_str().to_owned()),
    RecordType => |kind| Text(kind.as_str().to_owned()),
    Uuid => |id| Text(id.to_string()),
    RecordId => |id| Text(id.0.to_string()),
    CollectionId => |id| Text(id.to_string()),
    ConnectionId => |id| Text(id.to_string()),
    ConflictId => |id| Text(id.to_string()),
    PlanId => |id| Text(id.to_string()),
    RunId => |id| Text(id.to_string()),
    i64 => |number| Int(number),
    u32 => |number| Int(number.into()),
    u64 => |number| Int(stored(number)),
    Revision => |revision| Int(stored(revision.0)),
    Version => |version| Int(stored(version.0)),
    UnixNanos => |moment| Int(moment.0),
    bool => |flag| Int(flag.into()),
    Vec<u8> => |bytes| Bytes(bytes),
    [u8; 32] => |bytes| Bytes(bytes.to_vec()),
);

/// Converts an unsigned number. Counts, versions and revisions are far below 2⁶³. A larger number was
/// invented by a client, becomes `i64::MAX`, and matches no row.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes the arguments, in the order of the placeholders.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Arg::from($value)),*] };
}
pub(crate) use args;

/// A statement whose conditions depend on the request.
#[derive(Debug)]
pub(crate) struct Select {
    sql: String,
    args: Vec<Arg>,
}

impl Select {
    /// Begins with a text that ends in a condition, with its arguments.
    pub(crate) fn new(sql: &str, args: Vec<Arg>) -> Self {
        Self { sql: sql.to_owned(), args }
    }

    /// Adds a condition. Every `?` in it stands for the value.
    pub(crate) fn and(&mut self, condition: &str, value: impl Into<Arg>) {
        self.args.push(value.into());
        self.add(" AND ", condition);
    }

    /// Adds a condition if there is a value.
    pub(crate) fn and_maybe(&mut self, condition: &str, value: Option<impl Into<Arg>>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }

    /// Adds the condition that a column is one of several values.
    pub(crate) fn and_any(&mut self, column: &str, values: impl IntoIterator<Item = impl Into<Arg>>) {
        let mut places = Vec::new();
        for value in values {
            self.args.push(value.into());
            places.push(format!("${}", self.args.len()));
        }
        // SQL does not allow an empty list. No row is in an empty list.
        let condition =
            if places.is_empty() { "1 = 0".to_owned() } else { format!("{column} IN ({})", places.join(", ")) };
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition);
    }

    /// Adds two conditions, of which at least one must hold.
    pub(crate) fn and_either(&mut self, one: &str, value: impl Into<Arg>, other: &str, other_value: impl Into<Arg>) {
        self.args.push(value.into());
        self.add(" AND (", one);
        self.args.push(other_value.into());
        self.add(" OR ", other);
        self.sql.push(')');
    }

    /// Adds the condition that some columns, as a row, come after some values.
    pub(crate) fn and_after(&mut self, columns: &str, values: Vec<Arg>) {
        let first = self.args.len() + 1;
        let places: Vec<_> = (first..first + values.len()).map(|n| format!("${n}")).collect();
        self.args.extend(values);
        self.sql.push_str(&format!(" AND ({columns}) > ({})", places.join(", ")));
    }

    /// Ends the statement without an order and without a limit.
    pub(crate) const fn all(self) -> Self {
        self
    }

    /// Ends the statement with an order and a maximum number of rows.
    pub(crate) fn order(mut self, order: &str, limit: u64) -> Self {
        self.args.push(limit.into());
        self.add(" ORDER BY ", &format!("{order} LIMIT ?"));
        self
    }

    fn add(&mut self, before: &str, text: &str) {
        self.sql.push_str(before);
        self.sql.push_str(&text.replace('?', &format!("${}", self.args.len())));
    }
}

/// The time by the clock of the database, in microseconds since the Unix epoch.
pub(crate) const NOW_US: &str = "CAST(unixepoch('subsec') * 1000000 AS BIGINT)";

/// A row, which is read by column names.
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

    pub(crate) fn small(&self, column: &str) -> Result<u32, StoreError> {
        u32::try_from(self.int(column)?).map_err(|_| StoreError::Malformed("number"))
    }

    pub(crate) fn revision(&self, column: &str) -> Result<Revision, StoreError> {
        self.count(column).map(Revision)
    }

    pub(crate) fn nanos(&self, column: &str) -> Result<UnixNanos, StoreError> {
        self.int(column).map(UnixNanos)
    }

    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn hash(&self, column: &str) -> Result<[u8; 32], StoreError> {
        self.bytes(column)?.try_into().map_err(|_| StoreError::Malformed("hash"))
    }

    pub(crate) fn id(&self, column: &str) -> Result<Uuid, StoreError> {
        self.parsed(column, "id")
    }

    pub(crate) fn maybe_id(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        let text = self.maybe_text(column)?;
        text.map(|text| text.parse().map_err(|_| StoreError::Malformed("id"))).transpose()
    }

    pub(crate) fn path(&self, column: &str) -> Result<SecretPath, StoreError> {
        self.parsed(column, "path")
    }

    pub(crate) fn record_type(&self) -> Result<RecordType, StoreError> {
        self.parsed("record_type", "record type")
    }

    fn parsed<T: FromStr>(&self, column: &str, what: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::Malformed(what))
    }

    /// Reads a name. A name that this version does not know is an error.
    pub(crate) fn named<T: FromStr<Err = UnknownName>>(&self, column: &str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|error: UnknownName| StoreError::Malformed(error.what))
    }

    /// Reads a text that is JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| StoreError::Malformed(column))
    }
}

/// Encodes a value that is stored as JSON.
pub(crate) fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("what is stored as JSON has only text keys")
}

fn bound(sql: &str, args: Vec<Arg>) -> Query<'static, Sqlite, SqliteArguments> {
    // Every text is a literal of this crate, or is built from such literals and numbers.
    let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    for arg in args {
        query = match arg {
            Arg::Text(text) => query.bind(text),
            Arg::Int(number) => query.bind(number),
            Arg::Bytes(bytes) => query.bind(bytes),
        };
    }
    query
}

/// Runs before every statement, so that a test can end a change there, as a kill would.
#[cfg(test)]
use crate::testing::statement;

#[cfg(not(test))]
#[expect(clippy::unused_async, reason = "in tests it may never end")]
async fn statement() {}

/// The pools: one connection that writes, and several that read.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Db {
    /// Begins a change. SQLite has one writer at a time. A caller waits here for its turn, and therefore
    /// never fails half-way because of another writer.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        statement().await;
        Ok(Tx { inner: self.writer.begin_with("BEGIN IMMEDIATE").await?, drafts: Vec::new(), record_key: None })
    }

    pub(crate) async fn all(&self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        statement().await;
        Ok(bound(sql, args).fetch_all(&self.readers).await?.into_iter().map(Row).collect())
    }

    pub(crate) async fn one(&self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        statement().await;
        Ok(bound(sql, args).fetch_optional(&self.readers).await?.map(Row))
    }

    /// Runs a statement that is not a query and changes no row, on a connection that reads.
    pub(crate) async fn run_reading(&self, sql: &str, args: Vec<Arg>) -> Result<(), StoreError> {
        Ok(bound(sql, args).execute(&self.readers).await.map(drop)?)
    }

    /// Closes all connections after their users are done.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(crate) async fn select(&self, select: Select) -> Result<Vec<Row>, StoreError> {
        self.all(&select.sql, select.args).await
    }
}

/// A change that is not committed yet. If it is dropped, it has no effect.
pub(crate) struct Tx {
    inner: Transaction<'static, Sqlite>,
    /// The audit entries of the change.
    drafts: Vec<Draft>,
    /// The record key that is active in this transaction, after it was requested.
    record_key: Option<Uuid>,
}

impl Tx {
    /// Runs a statement and returns the number of affected rows.
    pub(crate) async fn run(&mut self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        statement().await;
        Ok(bound(sql, args).execute(&mut *self.inner).await?.rows_affected())
    }

    pub(crate) async fn all(&mut self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        statement().await;
        Ok(bound(sql, args).fetch_all(&mut *self.inner).await?.into_iter().map(Row).collect())
    }

    pub(crate) async fn one(&mut self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        statement().await;
        Ok(bound(sql, args).fetch_optional(&mut *self.inner).await?.map(Row))
    }

    /// Returns the record key that seals in this transaction. It cannot be retired before the commit, because
    /// a rotation also needs the only writer.
    pub(crate) async fn record_key(&mut self) -> Result<Uuid, StoreError> {
        if let Some(id) = self.record_key {
            return Ok(id);
        }
        let sql = "SELECT id FROM keyring WHERE purpose = 'record' AND state = 'active'";
        let id = self.one(sql, args![]).await?.ok_or(StoreError::Malformed("keyring"))?.id("id")?;
        self.record_key = Some(id);
        Ok(id)
    }

    /// Reports the change in the audit log. The entry is written at the commit, in the same transaction.
    pub(crate) fn audit(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    /// Takes the audit entries that are not written yet.
    pub(crate) fn take_drafts(&mut self) -> Vec<Draft> {
        std::mem::take(&mut self.drafts)
    }

    /// Makes the change permanent. `Tx::commit` in `audit.rs` calls it, after it wrote the audit entries.
    pub(crate) async fn end(self) -> Result<(), StoreError> {
        statement().await;
        self.inner.commit().await?;
        // A test may end here: the change is permanent, and its caller never hears of it.
        statement().await;
        Ok(())
    }
}

/// Returns whether an error means that a unique name or path is taken.
fn is_taken(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
}

/// Turns such an error into one that names the object.
pub(crate) fn taken(error: StoreError, what: &'static str, name: &str) -> StoreError {
    if is_taken(&error) { StoreError::Exists { what, name: name.to_owned() } } else { error }
}
