//! SQLite: a file for one server.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    AssertSqlSafe,
    error::DatabaseError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::pools::{Pools, STATEMENTS_MAX, TURN_TIMEOUT};
use crate::{StoreError, files::beside, migrations};

pub(super) const TOKENS: &[(&str, &str)] = &[
    ("@BYTES", "BLOB"),
    ("@PATH", "TEXT"),
    ("@WITHOUT_ROWID", "WITHOUT ROWID"),
    ("@NOW_US", "CAST(unixepoch('subsec') * 1000000 AS BIGINT)"),
];

/// The maximum number of connections that read. They hold no lock, so a few serve many requests.
const READERS_MAX: u32 = 4;
/// The maximum time for which another process (a backup) may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of rows that SQLite reads before it waits for the reader. With few, a large read is a switch between two threads
/// for each of them.
const ROWS_AHEAD: usize = 512;
/// The number of pages in the write-ahead log after which they are copied into the file. A run changes the same pages again
/// and again, and each copy counts once.
const WAL_PAGES: &str = "4000";
/// The size of the cache of the connection that writes, in KiB as a negative number. It holds the pages that a batch changes.
const WRITER_CACHE: &str = "-8192";
/// The size to which the write-ahead log shrinks after a large change.
const WAL_BYTES: &str = "67108864";

/// The result codes for a database that another connection locks (`SQLITE_BUSY`, `SQLITE_LOCKED`). Extended codes have
/// them in their low byte.
const LOCKS: [i64; 2] = [5, 6];

/// Opens or creates a file that only its owner can read, and migrates it to the newest schema.
pub(super) async fn open(path: &Path) -> Result<Pools, StoreError> {
    make_private(path).map_err(|error| StoreError::Database(sqlx::Error::Io(error)))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit must be on disk when it is acknowledged. Vault may have been told already, and an
        // audit entry that a power cut takes back would be false.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_MAX)
        .row_buffer_size(ROWS_AHEAD)
        .pragma("journal_size_limit", WAL_BYTES)
        // A replaced value (such as a credential) is overwritten, and does not stay in a free page.
        .pragma("secure_delete", "ON");
    let writer = SqlitePoolOptions::new().max_connections(1).acquire_timeout(TURN_TIMEOUT);
    let changing = options.clone().pragma("wal_autocheckpoint", WAL_PAGES).pragma("cache_size", WRITER_CACHE);
    let writer = writer.connect_with(changing).await?;
    migrations::migrator(TOKENS).run(&writer).await?;
    let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).acquire_timeout(TURN_TIMEOUT);
    let readers = readers.connect_with(options.read_only(true)).await?;
    Ok(Pools::Sqlite { writer, readers, turns: Arc::default() })
}

/// Creates the file so that only its owner can read it. Creates its folder in the same way if there is none.
/// This must happen before SQLite opens the file, because the write-ahead log and the shared memory get the
/// mode of the file.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the database could be read by others; its mode is 0600 now");
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Opens a database file that no process uses, only to read it. It runs no migrations and leaves no trace,
/// not even a write-ahead log.
pub(crate) async fn look_at(path: &Path) -> Result<Pools, StoreError> {
    opened(SqliteConnectOptions::new().filename(path).read_only(true).immutable(true)).await
}

async fn opened(options: SqliteConnectOptions) -> Result<Pools, StoreError> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    Ok(Pools::Sqlite { writer: pool.clone(), readers: pool, turns: Arc::default() })
}

/// Opens a database file that may be in use, without migrating it, only to read.
pub(super) async fn only_looking(path: &Path) -> Result<Pools, StoreError> {
    opened(SqliteConnectOptions::new().filename(path).read_only(true)).await
}

/// Writes the state that one transaction sees into an empty SQLite file, which then has no free pages. Writers do not wait.
/// Returns `false` if the database is no SQLite file, which alone can do so.
pub(crate) async fn write_image(pools: &Pools, to: &Path) -> Result<bool, StoreError> {
    let Pools::Sqlite { readers, .. } = pools else { return Ok(false) };
    let to = to.to_str().ok_or(StoreError::Malformed("file name"))?;
    sqlx::query("VACUUM INTO $1").bind(to.to_owned()).execute(readers).await?;
    Ok(true)
}

/// Merges the write-ahead log of a database into its file, so that the file alone is complete. A damaged
/// database has no such log.
pub(crate) async fn fold(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path);
    if let Ok(pool) = SqlitePoolOptions::new().max_connections(1).connect_with(options).await {
        // An error shows in the files that are left.
        let _ = sqlx::query(AssertSqlSafe("PRAGMA wal_checkpoint(TRUNCATE)".to_owned())).execute(&pool).await;
        pool.close().await;
    }
}

/// Returns the path of the write-ahead log beside a database file, if it holds something. SQLite would take it for that of
/// any new file with this name.
pub(crate) fn log_in_the_way(path: &Path) -> Option<PathBuf> {
    let log = beside(path, "-wal");
    fs::metadata(&log).is_ok_and(|found| found.len() > 0).then_some(log)
}

pub(super) fn is_busy(error: &dyn DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<i64>().ok());
    code.is_some_and(|code| LOCKS.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

    use serde_json::json;

    use sqlx::{
        AssertSqlSafe, Connection as _, Executor as _,
        sqlite::{SqliteConnectOptions, SqliteConnection},
    };

    use crate::{Database, StoreError, testing::House};

    #[tokio::test]
    async fn a_database_that_another_process_locks_is_busy_and_not_broken() {
        let house = House::in_a_file().await;
        let path = house.folder.path().join("data").join("vaultterm.db");
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::ZERO);
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        let writer = house.store.db.write().await.unwrap();
        let refused = other.execute(AssertSqlSafe("BEGIN IMMEDIATE".to_owned())).await.unwrap_err();
        assert!(matches!(StoreError::from(refused), StoreError::Busy));
        drop(writer);
        let broken = other.execute(AssertSqlSafe("SELECT 1 FROM nowhere".to_owned())).await.unwrap_err();
        assert!(matches!(StoreError::from(broken), StoreError::Database(_)));
        assert!(matches!(StoreError::from(sqlx::Error::PoolTimedOut), StoreError::Busy));
    }

    #[tokio::test]
    async fn files_are_for_their_owner_only() {
        let house = House::in_a_file().await;
        house.save("a", json!({"x": 1})).await.unwrap();
        let data = house.folder.path().join("data");
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data), 0o700);
        let mut names = Vec::new();
        for entry in fs::read_dir(&data).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["vaultterm.db", "vaultterm.db-shm", "vaultterm.db-wal"]);
    }

    #[tokio::test]
    async fn a_file_that_others_could_read_is_closed_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vaultterm.db");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Database::open_sqlite(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
