//! Statements, their arguments and rows. This file knows neither a table nor an engine.
//!
//! Statements are written once for all engines, with `$1` placeholders and only text, 64-bit integer and byte
//! columns (see `engine/`).

use std::{fmt::Write as _, str::FromStr};

use uuid::Uuid;
use vaultterm_ledger::Draft;
use vaultterm_reconcile::{RecordType, Revision, SecretPath, UnixNanos, UnknownName};

pub(crate) use crate::arguments::{Arg, args};
use crate::{
    StoreError,
    arguments::Statement,
    engine::{self, AuditEntry, Change, Pools},
};

/// The length from which a list of values is not filled up: such a list is rare.
const FILLED_MAX: usize = 1_024;

/// The maximum number of values in one statement, which engines limit.
const ANY_MAX: usize = 1_024;

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

    /// Adds the condition that a column is one of several values. The last value is repeated until their number is a power
    /// of two, so that there are few texts to prepare.
    pub(crate) fn and_any(&mut self, column: &str, values: impl IntoIterator<Item = impl Into<Arg>>) {
        let mut values: Vec<Arg> = values.into_iter().map(Into::into).collect();
        if let Some(last) = values.last().cloned()
            && values.len() < FILLED_MAX
        {
            values.resize(values.len().next_power_of_two(), last);
        }
        if values.is_empty() {
            // SQL does not allow an empty list. No row is in an empty list.
            self.sql.push_str(" AND 1 = 0");
            return;
        }
        self.sql.push_str(" AND ");
        self.sql.push_str(column);
        let mut before = " IN (";
        for value in values {
            self.args.push(value);
            write!(self.sql, "{before}${}", self.args.len()).expect("a text takes everything");
            before = ", ";
        }
        self.sql.push(')');
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

    /// Goes on with a text that holds no value.
    pub(crate) fn text(&mut self, text: &str) {
        self.sql.push_str(text);
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

/// The time by the clock of the database, in microseconds since the Unix epoch. Each engine has its own words for it.
pub(crate) const NOW_US: &str = "@NOW_US";

/// A row, which is read by column names.
pub(crate) struct Row(engine::Row);

impl Row {
    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.0.text(column)?.ok_or(StoreError::Malformed("text"))
    }

    pub(crate) fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.0.text(column)
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.0.int(column)?.ok_or(StoreError::Malformed("number"))
    }

    pub(crate) fn maybe_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.0.int(column)
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
        self.0.bytes(column)?.ok_or(StoreError::Malformed("bytes"))
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

/// Runs before every statement, so that a test can end a change there, as a kill would.
#[cfg(test)]
use crate::testing::statement;

#[cfg(not(test))]
#[expect(clippy::unused_async, reason = "in tests it may never end")]
async fn statement() {}

/// The open database.
///
/// The futures of the engines lie on the heap. They are large, and every future that awaits a statement would hold them, up to
/// those of whole requests, which then do not fit on the stack of a thread.
#[derive(Clone, Debug)]
pub(crate) struct Db(pub(crate) Pools);

impl Db {
    /// Begins a change that is audited. The database has one such change at a time. A caller waits here for its turn, and
    /// therefore never fails half-way because of another writer.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        statement().await;
        let (inner, row) = Box::pin(self.0.write(OPENING)).await?;
        let row = Row(row);
        let head = row.maybe_id("log_id")?.map(|log_id| AuditHead::read(log_id, &row)).transpose()?;
        Ok(Tx { inner, drafts: Vec::new(), head, newest: None, record_key: row.maybe_id("record_key")? })
    }

    /// Begins a change that is not audited, and whose every statement guards itself: a lease, the time of a last use. On a
    /// database that allows it, such changes do not wait for the turn of others.
    pub(crate) async fn touch(&self) -> Result<Tx, StoreError> {
        statement().await;
        let inner = Box::pin(self.0.touch()).await?;
        Ok(Tx { inner, drafts: Vec::new(), head: None, newest: None, record_key: None })
    }

    pub(crate) async fn all(&self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        statement().await;
        Ok(Box::pin(self.0.all(Statement { sql, args })).await?.into_iter().map(Row).collect())
    }

    /// Reads each row as soon as it is there, and keeps only what was read of it. A row itself is many times as large as the
    /// values in it, so this is for statements with as many rows as there are records.
    pub(crate) async fn all_as<T: Send>(
        &self,
        sql: &str,
        args: Vec<Arg>,
        read: impl Fn(&Row) -> Result<T, StoreError> + Send + Sync,
    ) -> Result<Vec<T>, StoreError> {
        statement().await;
        let mut found = Vec::new();
        let take = |row| {
            found.push(read(&Row(row))?);
            Ok(())
        };
        Box::pin(self.0.each(Statement { sql, args }, take)).await?;
        Ok(found)
    }

    pub(crate) async fn one(&self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        statement().await;
        Ok(Box::pin(self.0.one(Statement { sql, args })).await?.map(Row))
    }

    /// Selects the rows in which a column is one of several values, however many these are.
    pub(crate) async fn any(
        &self,
        sql: &str,
        args: &[Arg],
        column: &str,
        values: impl IntoIterator<Item = impl Into<Arg>>,
    ) -> Result<Vec<Row>, StoreError> {
        let (values, mut rows) = (values.into_iter().map(Into::into).collect::<Vec<Arg>>(), Vec::new());
        for part in values.chunks(ANY_MAX) {
            let mut select = Select::new(sql, args.to_vec());
            select.and_any(column, part.iter().cloned());
            rows.extend(self.select(select.all()).await?);
        }
        Ok(rows)
    }

    /// Closes all connections after their users are done.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }

    pub(crate) async fn select(&self, select: Select) -> Result<Vec<Row>, StoreError> {
        self.all(&select.sql, select.args).await
    }
}

/// What nearly every audited change asks first, in one statement: the end of the audit log, and the key that seals. A
/// database that is not initialised has neither.
const OPENING: &str = "SELECT h.log_id, h.seq, h.hash,
                              (SELECT k.id FROM keyring k WHERE k.purpose = 'record' AND k.state = 'active') AS record_key
                       FROM (SELECT 1 AS one) AS o LEFT JOIN audit_head h ON h.single = o.one";

/// The end of the audit log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuditHead {
    pub(crate) log_id: Uuid,
    /// The number of the newest entry.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: [u8; 32],
}

impl AuditHead {
    fn read(log_id: Uuid, row: &Row) -> Result<Self, StoreError> {
        Ok(Self { log_id, seq: row.count("seq")?, hash: row.hash("hash")? })
    }
}

/// A change that is not committed yet. If it is dropped, it has no effect.
pub(crate) struct Tx {
    inner: Change,
    /// The audit entries of the change.
    drafts: Vec<Draft>,
    /// The end of the audit log, with the entries of this change that are written. Read at the beginning of a change in its
    /// turn.
    head: Option<AuditHead>,
    /// The newest of its audit entries that are written.
    newest: Option<AuditEntry>,
    /// The record key that is active in this transaction. Read at the beginning of a change in its turn, or when it is
    /// requested.
    record_key: Option<Uuid>,
}

impl Tx {
    /// Runs a statement and returns the number of affected rows.
    pub(crate) async fn run(&mut self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        statement().await;
        Box::pin(self.inner.run(Statement { sql, args })).await
    }

    /// Runs a statement whose conditions depend on the request.
    pub(crate) async fn change(&mut self, select: Select) -> Result<u64, StoreError> {
        self.run(&select.sql, select.args).await
    }

    pub(crate) async fn all(&mut self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        statement().await;
        Ok(Box::pin(self.inner.all(Statement { sql, args })).await?.into_iter().map(Row).collect())
    }

    pub(crate) async fn select(&mut self, select: Select) -> Result<Vec<Row>, StoreError> {
        self.all(&select.sql, select.args).await
    }

    pub(crate) async fn one(&mut self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        statement().await;
        Ok(Box::pin(self.inner.one(Statement { sql, args })).await?.map(Row))
    }

    /// Returns the record key that seals in this transaction. It cannot be retired before the commit, because
    /// a rotation also needs the only writer. (The rotation itself seals nothing.)
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

    /// Returns the end of the audit log.
    pub(crate) async fn head(&mut self) -> Result<AuditHead, StoreError> {
        if let Some(head) = self.head {
            return Ok(head);
        }
        let row = self.one("SELECT log_id, seq, hash FROM audit_head", args![]).await?;
        let row = row.ok_or(StoreError::Malformed("audit log"))?;
        AuditHead::read(row.id("log_id")?, &row)
    }

    /// Notes the end of the audit log after the entries of the change were written.
    pub(crate) fn wrote_entries(&mut self, head: AuditHead) {
        self.newest = Some(AuditEntry { seq: head.seq, hash: head.hash });
        self.head = Some(head);
    }

    /// Makes the change permanent. `Tx::commit` in `audit.rs` calls it, after it wrote the audit entries.
    pub(crate) async fn end(self) -> Result<(), StoreError> {
        statement().await;
        Box::pin(self.inner.commit(self.newest)).await?;
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
