//! Copies a whole database into another one, on the same or another engine. What is sealed stays sealed: the copy opens with
//! the same root key.
//!
//! It serves the move between SQLite and PostgreSQL, and the backups of a PostgreSQL database, whose image is an SQLite file.

use vaultterm_ledger::{AuditAction, ObjectKind};

use crate::{
    Context, Database, DatabaseUrl, Store, StoreError,
    arguments::{Arg, Statement, args},
    context::Facts as _,
    engine::{Change, Pools, Table, tables},
};

/// How many rows of a table were copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// The name of the table.
    pub name: String,
    /// The number of its rows.
    pub rows: u64,
}

/// The rows that one statement reads and writes. A row has at most a few columns, and a sealed value at most a mebibyte.
const ROWS_AT_ONCE: usize = 64;

/// Copies all rows in one transaction on each side. The source is read as it was at one moment. The target must have the same
/// schema and no rows.
///
/// # Errors
/// [`StoreError::Refused`] when the target holds rows; [`StoreError::Malformed`] when the schemas or the counts differ. Nothing
/// was written in that case.
pub(crate) async fn copy(from: &Pools, to: &Pools) -> Result<Vec<CopiedTable>, StoreError> {
    let tables = tables(from).await?;
    if !same_shape(&tables, &self::tables(to).await?) {
        return Err(StoreError::Malformed("schema: both databases must have the same tables and columns"));
    }
    let mut source = from.snapshot().await?;
    let (mut target, _) = to.write("SELECT 1 AS one").await?;
    for table in &tables {
        if count(&mut target, table).await? != 0 {
            let why = format!("the target is in use: its table `{}` has rows; name an empty database", table.name);
            return Err(StoreError::Refused(why));
        }
    }
    let mut copied = Vec::with_capacity(tables.len());
    for table in &tables {
        let rows = copy_table(&mut source, &mut target, table).await?;
        if count(&mut source, table).await? != rows || count(&mut target, table).await? != rows {
            return Err(StoreError::Malformed("count of rows in a copy"));
        }
        copied.push(CopiedTable { name: table.name.clone(), rows });
    }
    target.commit(None).await?;
    Ok(copied)
}

impl Database {
    /// Copies all rows into a database that is empty. Both must be of this version. The source is only read.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the target holds rows. Nothing was written in that case.
    pub async fn copy_to(&self, target: &Self) -> Result<Vec<CopiedTable>, StoreError> {
        copy(&self.db.0, &target.db.0).await
    }
}

impl DatabaseUrl {
    /// Returns whether the database holds nothing. A file that is not there holds nothing.
    ///
    /// # Errors
    /// [`StoreError::Database`]; [`StoreError::Busy`] when a server does not answer.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        if let Some(file) = self.file() {
            return Ok(std::fs::metadata(file).map_or(true, |found| found.len() == 0));
        }
        let pools = self.only_looking().await?;
        let empty = is_empty(&pools).await;
        pools.close().await;
        empty
    }
}

impl Store {
    /// Tells the audit log that this database was copied from another place (`DATABASE_COPIED`).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn record_copy(&self, context: &Context, from: &str, rows: u64) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let draft = context.draft(AuditAction::DatabaseCopied, ObjectKind::Database, self.instance().0, None);
        tx.audit(draft.with("from", from).with("rows", rows));
        tx.commit().await
    }
}

/// Returns whether no table of a database has a row.
pub(crate) async fn is_empty(pools: &Pools) -> Result<bool, StoreError> {
    // The pool may have one connection only, which the snapshot takes.
    let tables = tables(pools).await?;
    let mut source = pools.snapshot().await?;
    for table in &tables {
        if count(&mut source, table).await? != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether both have the same tables with the same columns and keys. Their order may differ where no reference tells it.
fn same_shape(one: &[Table], other: &[Table]) -> bool {
    one.len() == other.len()
        && one.iter().all(|table| {
            other.iter().any(|same| same.name == table.name && same.columns == table.columns && same.key == table.key)
        })
}

async fn count(change: &mut Change, table: &Table) -> Result<u64, StoreError> {
    let sql = format!("SELECT COUNT(*) AS n FROM \"{}\"", table.name);
    let row = change.one(Statement { sql: &sql, args: args![] }).await?;
    let count = row.ok_or(StoreError::Malformed("count"))?.int("n")?;
    count.and_then(|count| u64::try_from(count).ok()).ok_or(StoreError::Malformed("count"))
}

/// Copies the rows of a table in the order of its key, and returns their number.
async fn copy_table(source: &mut Change, target: &mut Change, table: &Table) -> Result<u64, StoreError> {
    let (columns, key) = (listed(table.columns.iter().map(|column| &column.name)), listed(table.key.iter()));
    let mut after: Vec<Arg> = Vec::new();
    let mut copied = 0;
    loop {
        let condition =
            if after.is_empty() { String::new() } else { format!("WHERE ({key}) > {}", places(1, after.len())) };
        let sql = format!("SELECT {columns} FROM \"{}\" {condition} ORDER BY {key} LIMIT {ROWS_AT_ONCE}", table.name);
        let rows = source.all(Statement { sql: &sql, args: after }).await?;
        let Some(last) = rows.last() else { return Ok(copied) };
        after = Vec::with_capacity(table.key.len());
        for column in table.columns_of_key() {
            after.push(column.kind.read(last, &column.name)?);
        }
        let mut values = Vec::with_capacity(rows.len() * table.columns.len());
        for row in &rows {
            for column in &table.columns {
                values.push(column.kind.read(row, &column.name)?);
            }
        }
        let width = table.columns.len();
        let groups: Vec<_> = (0..rows.len()).map(|row| places(row * width + 1, width)).collect();
        let sql = format!("INSERT INTO \"{}\" ({columns}) VALUES {}", table.name, groups.join(", "));
        copied += target.run(Statement { sql: &sql, args: values }).await?;
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Writes placeholders: `($3, $4)` from the third on for two.
fn places(first: usize, count: usize) -> String {
    format!("({})", (first..first + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    /// Copies the database of a house into one of the given URL, and lets the house live on there.
    async fn moved(house: &mut House, to: DatabaseUrl) -> Vec<CopiedTable> {
        let target = to.open().await.unwrap();
        let copied = copy(&house.store.db.0, &target).await.unwrap();
        target.close().await;
        house.store.close().await;
        house.url = to;
        house.store = crate::testing::reopened(house, &house.root).await.unwrap();
        copied
    }

    #[tokio::test]
    async fn a_database_moves_into_a_file_and_back_with_everything_that_opens_in_it() {
        let mut house = House::new().await;
        let spots = house.gallery().await;
        let before = house.open_all(&spots).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let there = moved(&mut house, DatabaseUrl::Sqlite(folder.path().join("there.db"))).await;
        assert_eq!(house.open_all(&spots).await.unwrap(), before);
        assert!(there.iter().any(|table| table.name == "revisions" && table.rows > 1), "{there:?}");
        let url = vaultterm_testkit::fresh_database(&folder.path().join("back")).await;
        let back = moved(&mut house, url.parse().unwrap()).await;
        assert_eq!(house.open_all(&spots).await.unwrap(), before);
        let sorted = |mut copied: Vec<CopiedTable>| {
            copied.sort_by(|one, other| one.name.cmp(&other.name));
            copied
        };
        assert_eq!(sorted(back), sorted(there));
        let verdict = house.store.verify_audit().await.unwrap();
        assert_eq!(verdict.broken, None);
        assert!(verdict.entries > 10);
    }

    #[tokio::test]
    async fn more_rows_than_one_statement_takes_arrive_each_once_and_in_any_order_of_their_texts() {
        let mut house = House::new().await;
        for n in 0..150_u32 {
            // Upper and lower case, digits and other letters, which locales would sort otherwise than by bytes.
            let letter = ["Z", "a", "é", "_", "0"][n as usize % 5];
            house.save(&format!("{letter}/{n}"), serde_json::json!({"x": n})).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let copied = moved(&mut house, DatabaseUrl::Sqlite(folder.path().join("there.db"))).await;
        let rows = |name: &str| copied.iter().find(|table| table.name == name).map(|table| table.rows);
        assert_eq!((rows("records"), rows("revisions")), (Some(150), Some(150)));
        assert_eq!(house.store.verify_audit().await.unwrap().broken, None);
    }

    #[tokio::test]
    async fn a_database_that_holds_something_is_no_target_and_stays_as_it_is() {
        let (house, other) = (House::new().await, House::new().await);
        other.save("kept", serde_json::json!({"x": 1})).await.unwrap();
        let before = other.store.log_end().await.unwrap().seq;
        let error = copy(&house.store.db.0, &other.store.db.0).await.unwrap_err();
        assert!(error.to_string().contains("is in use"), "{error}");
        assert_eq!(other.store.log_end().await.unwrap().seq, before);
        assert!(!is_empty(&other.store.db.0).await.unwrap());
    }
}
