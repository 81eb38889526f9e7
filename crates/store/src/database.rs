//! The database file: opens it, migrates it, and unlocks its keyring.

use std::{
    borrow::Cow,
    fs,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use vaultterm_sealing::{InstanceId, Keyring, RootKey};

use crate::{
    Clock, Context, Database, NewUser, SealedRoot, Store, StoreError, keys,
    sql::{Db, args},
    users,
};

/// The result of initialising a database.
#[derive(Debug)]
pub struct Initialised {
    /// The new installation.
    pub instance: InstanceId,
}

/// The maximum number of connections that read. They hold no lock, so a few serve many requests.
const READERS_MAX: u32 = 4;
/// The maximum time for which another process (a backup) may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for which a request waits for its turn to write.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);
/// The size to which the write-ahead log shrinks after a large change.
const WAL_BYTES: &str = "67108864";
/// The number of cached statements. It is larger than the number of statements in this crate, so that each is
/// prepared once.
const STATEMENTS_MAX: usize = 256;

impl Database {
    /// Opens or creates the SQLite file, readable only by its owner, and migrates it to the newest schema.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Migration`].
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
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
            .pragma("journal_size_limit", WAL_BYTES)
            // A replaced value (such as a credential) is overwritten, and does not stay in a free page.
            .pragma("secure_delete", "ON");
        let writer = SqlitePoolOptions::new().max_connections(1).acquire_timeout(TURN_TIMEOUT);
        let writer = writer.connect_with(options.clone()).await?;
        migrator().run(&writer).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).acquire_timeout(TURN_TIMEOUT);
        let readers = readers.connect_with(options.read_only(true)).await?;
        Ok(Self { db: Db { writer, readers }, clock: Arc::new(vaultterm_sync::system_time) })
    }

    /// Replaces the source of the time, for tests.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Returns whether `init` ran on this database.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn is_initialised(&self) -> Result<bool, StoreError> {
        Ok(self.db.one("SELECT id FROM instance", args![]).await?.is_some())
    }

    /// Creates a new installation with its instance id, keyring and audit log, and the first owner if one is
    /// given.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the database is initialised already.
    pub async fn initialise(
        &self,
        context: &Context,
        root: &RootKey,
        owner: Option<NewUser>,
    ) -> Result<Initialised, StoreError> {
        self.initialise_as(context, InstanceId(vaultterm_sync::new_id()), root, None, owner).await
    }

    /// Does the same for an installation whose id was drawn before, because its root key is sealed by
    /// Transit.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the database is initialised already.
    pub async fn initialise_as(
        &self,
        context: &Context,
        instance: InstanceId,
        root: &RootKey,
        sealed: Option<&SealedRoot>,
        owner: Option<NewUser>,
    ) -> Result<Initialised, StoreError> {
        let (_, rows) = Keyring::create(root, instance)?;
        let mut tx = self.db.write().await?;
        if tx.one("SELECT id FROM instance", args![]).await?.is_some() {
            return Err(StoreError::Refused("the database is initialised already".to_owned()));
        }
        let sql = "INSERT INTO instance (only, id, created_us, root_id) VALUES (1, $1, $2, $3)";
        tx.run(sql, args![instance.0, context.now_us, root.id().0]).await?;
        let sql = "INSERT INTO audit_head (only, log_id, seq, hash) VALUES (1, $1, 0, $2)";
        tx.run(sql, args![vaultterm_sync::new_id(), [0; 32]]).await?;
        for row in &rows {
            keys::insert(&mut tx, row).await?;
        }
        if let Some(sealed) = sealed {
            keys::keep_sealed(&mut tx, context, sealed).await?;
        }
        if let Some(owner) = owner {
            users::insert(&mut tx, context, owner).await?;
        }
        tx.commit().await?;
        Ok(Initialised { instance })
    }

    /// Opens the keyring and returns the store.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when the root key belongs to another installation; [`StoreError::Refused`]
    /// when the database is not initialised.
    pub async fn unlock(&self, root: &RootKey) -> Result<Store, StoreError> {
        let instance = self.instance().await?;
        let rows = self.db.all("SELECT * FROM keyring", args![]).await?;
        let rows = rows.iter().map(keys::keyring_row).collect::<Result<Vec<_>, _>>()?;
        let keyring = Keyring::open(root, instance, &rows)?;
        if self.root_id().await? != Some(root.id()) {
            // The database is older than the ids of root keys.
            let mut tx = self.db.write().await?;
            tx.run("UPDATE instance SET root_id = $1", args![root.id().0]).await?;
            tx.commit().await?;
        }
        let (db, clock) = (self.db.clone(), self.clock.clone());
        Ok(Store { db, keyring: Arc::new(keyring), clock, last_uses: Arc::default(), paths: Arc::default() })
    }

    /// Closes the pools of a database. They are also those of all its stores.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

impl Store {
    /// Writes the last uses of tokens that are only noted so far, if that is possible, and closes the pools.
    /// SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        if let Err(error) = self.write_last_uses().await {
            tracing::warn!(%error, "the times at which tokens were last used could not be written");
        }
        self.db.close().await;
    }
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

/// The migrations with their numbers, the oldest first. A released migration never changes. Numbers may be
/// left out.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("../migrations/0001_first.sql")),
    (2, "keys", include_str!("../migrations/0002_keys.sql")),
    (3, "newest_runs", include_str!("../migrations/0003_newest_runs.sql")),
    (4, "license", include_str!("../migrations/0004_license.sql")),
    (5, "audit_checkpoints", include_str!("../migrations/0005_audit_checkpoints.sql")),
    (6, "backup", include_str!("../migrations/0006_backup.sql")),
    (7, "webhooks", include_str!("../migrations/0007_webhooks.sql")),
    (9, "changes", include_str!("../migrations/0009_changes.sql")),
    (11, "logins_and_licenses", include_str!("../migrations/0011_logins_and_licenses.sql")),
    (12, "accepted", include_str!("../migrations/0012_accepted.sql")),
    (13, "sessions", include_str!("../migrations/0013_sessions.sql")),
    (14, "people", include_str!("../migrations/0014_people.sql")),
    (15, "passkeys", include_str!("../migrations/0015_passkeys.sql")),
    (16, "parts_of_runs", include_str!("../migrations/0016_parts_of_runs.sql")),
    (19, "generated", include_str!("../migrations/0019_generated.sql")),
    (20, "job_leases", include_str!("../migrations/0020_job_leases.sql")),
    (23, "seen_in_vault", include_str!("../migrations/0023_seen_in_vault.sql")),
    (24, "asked_and_told", include_str!("../migrations/0024_asked_and_told.sql")),
];

/// The newest migration that this version knows.
pub const NEWEST: u64 = MIGRATIONS[MIGRATIONS.len() - 1].0.unsigned_abs();

/// The parts of SQL that differ between database engines, with their SQLite form.
const TOKENS: [(&str, &str); 3] = [("@BYTES", "BLOB"), ("@PATH", "TEXT"), ("@WITHOUT_ROWID", "WITHOUT ROWID")];

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|(version, name, text)| {
        let sql = TOKENS.iter().fold((*text).to_owned(), |sql, (token, word)| sql.replace(token, word));
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use serde_json::json;
    use vaultterm_sealing::{RootKey, SealingError};

    use super::Database;
    use crate::{
        ErrorClass, StoreError,
        testing::{House, somebody},
    };

    #[tokio::test]
    async fn files_are_for_their_owner_only() {
        let house = House::new().await;
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

    #[tokio::test]
    async fn a_database_is_initialised_once_and_opens_with_its_own_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vaultterm.db");
        let root = RootKey::generate();
        let database = Database::open_sqlite(&path).await.unwrap();
        assert!(!database.is_initialised().await.unwrap());
        assert_eq!(database.unlock(&root).await.unwrap_err().class(), ErrorClass::Refused);
        let made = database.initialise(&somebody(), &root, None).await.unwrap();
        assert_eq!(database.initialise(&somebody(), &root, None).await.unwrap_err().class(), ErrorClass::Refused);
        database.close().await;

        let database = Database::open_sqlite(&path).await.unwrap();
        assert!(database.is_initialised().await.unwrap());
        let error = database.unlock(&RootKey::generate()).await.unwrap_err();
        assert!(matches!(error, StoreError::Sealing(SealingError::WrongRootKey)));
        let store = database.unlock(&root).await.unwrap();
        store.ping().await.unwrap();
        assert_eq!(store.instance(), made.instance);
    }

    #[tokio::test]
    async fn a_store_survives_being_closed_and_opened() {
        let house = House::new().await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        house.store.close().await;
        let database = Database::open_sqlite(&house.folder.path().join("data/vaultterm.db")).await.unwrap();
        let store = database.unlock(&house.root).await.unwrap();
        let shown = store.reveal_record(&somebody(), record.id, None, None, None, crate::Proving::Fresh).await.unwrap();
        assert_eq!(shown.to_json().expose(), br#"{"x":1}"#);
        assert_eq!(store.verify_audit().await.unwrap().broken, None);
    }
}
