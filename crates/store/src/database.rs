//! The database file, its migrations, and unlocking it.

use std::{borrow::Cow, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc, time::Duration};

use sqlx::{
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use uuid::Uuid;
use vaultterm_sealing::{InstanceId, KeyPurpose, KeyState, Keyring, KeyringRow, RootKey};

use crate::{
    Context, NewUser, StoreError,
    audit::Log,
    sql::{Db, Row, args},
};

/// Tells the time, in microseconds since the Unix epoch.
pub type Clock = fn() -> i64;

/// An opened, migrated database whose keyring is still locked.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) db: Db,
    pub(crate) now_us: Clock,
}

/// What initialising made.
#[derive(Debug)]
pub struct Initialised {
    /// The new installation.
    pub instance: InstanceId,
}

/// An unlocked database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Db,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) log: Log,
    pub(crate) now_us: Clock,
}

const READERS_MAX: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

impl Database {
    /// Opens (or creates, readable by the owner only) the SQLite file and brings it to the newest
    /// migration.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Migration`].
    pub async fn open_sqlite(path: &Path, now_us: Clock) -> Result<Self, StoreError> {
        let created = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        created.map_err(|error| StoreError::Database(sqlx::Error::Io(error)))?;
        // FULL: a committed change survives a power cut. A vault that forgets the last write after
        // Vault has it would only converge, but one that forgets an audit entry would lie.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("secure_delete", "ON");
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        migrator().run(&writer).await?;
        let readers =
            SqlitePoolOptions::new().max_connections(READERS_MAX).connect_with(options.read_only(true)).await?;
        Ok(Self { db: Db { writer, readers }, now_us })
    }

    /// Says whether `init` ran on this database.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn is_initialised(&self) -> Result<bool, StoreError> {
        Ok(self.db.one("SELECT id FROM instance", args![]).await?.is_some())
    }

    /// Makes a new installation: instance id, keyring, audit log, and the first owner when given.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is initialised already.
    pub async fn initialise(
        &self,
        context: &Context,
        root: &RootKey,
        owner: Option<NewUser>,
    ) -> Result<Initialised, StoreError> {
        let instance = InstanceId(Uuid::now_v7());
        let log = Log { id: Uuid::now_v7() };
        let (_, rows) = Keyring::create(root, instance)?;
        let mut tx = self.db.write().await?;
        if tx.one("SELECT id FROM instance", args![]).await?.is_some() {
            return Err(StoreError::Refused("the database is initialised already".to_owned()));
        }
        tx.run(
            "INSERT INTO instance (only, id, log_id, created_us) VALUES (1, $1, $2, $3)",
            args![instance.0, log.id, context.now_us],
        )
        .await?;
        for row in rows {
            tx.run(
                "INSERT INTO keyring (id, purpose, generation, state, wrapped) VALUES ($1, $2, $3, $4, $5)",
                args![row.id, row.purpose.as_str(), row.generation, row.state.as_str(), row.wrapped],
            )
            .await?;
        }
        if let Some(owner) = owner {
            crate::users::insert_user(&mut tx, log, context, owner).await?;
        }
        tx.commit().await?;
        Ok(Initialised { instance })
    }

    /// Opens the keyring.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when the root key is another installation's;
    /// [`StoreError::Refused`] when the database is not initialised.
    pub async fn unlock(&self, root: &RootKey) -> Result<Store, StoreError> {
        let row = self.db.one("SELECT id, log_id FROM instance", args![]).await?.ok_or_else(|| {
            StoreError::Refused("the database is not initialised: run `vaultterm init` first".to_owned())
        })?;
        let instance = InstanceId(row.id("id")?);
        let rows = self.db.all("SELECT id, purpose, generation, state, wrapped FROM keyring", args![]).await?;
        let rows = rows.iter().map(keyring_row).collect::<Result<Vec<_>, _>>()?;
        let keyring = Keyring::open(root, instance, &rows)?;
        let log = Log { id: row.id("log_id")? };
        Ok(Store { db: self.db.clone(), keyring: Arc::new(keyring), log, now_us: self.now_us })
    }
}

impl Store {
    /// Returns the installation's id.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.keyring.instance()
    }

    /// Returns the keyring.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Checks that the database answers (for `/readyz`).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db.one("SELECT id FROM instance", args![]).await.map(|_| ())
    }

    /// Closes the pools; SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        self.db.readers.close().await;
        self.db.writer.close().await;
    }
}

fn keyring_row(row: &Row) -> Result<KeyringRow, StoreError> {
    let (purpose, state) = (row.text("purpose")?, row.text("state")?);
    let named = |name: &'static str| StoreError::Malformed(name);
    Ok(KeyringRow {
        id: row.id("id")?,
        purpose: KeyPurpose::ALL.into_iter().find(|one| one.as_str() == purpose).ok_or(named("key purpose"))?,
        generation: u32::try_from(row.int("generation")?).map_err(|_| named("key generation"))?,
        state: [KeyState::Active, KeyState::DecryptOnly]
            .into_iter()
            .find(|one| one.as_str() == state)
            .ok_or(named("key state"))?,
        wrapped: row.bytes("wrapped")?,
    })
}

fn migrator() -> Migrator {
    let text = include_str!("schema.sql").replace("@BYTES", "BLOB");
    let first = Migration::new(
        1,
        Cow::Borrowed("the first shape"),
        MigrationType::Simple,
        sqlx::SqlStr::from_static(Box::leak(text.into_boxed_str())),
        false,
    );
    Migrator::with_migrations(vec![first])
}
