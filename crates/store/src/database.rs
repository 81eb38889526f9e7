//! The database: opens it, initialises it, and unlocks its keyring.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use vaultterm_sealing::{InstanceId, Keyring, RootKey};

use crate::{
    Clock, Context, Database, DatabaseUrl, NewUser, NodeId, SealedRoot, Store, StoreError, engine, keys,
    migrations::NEEDED,
    sql::{Db, args},
    users,
};

/// The result of initialising a database.
#[derive(Debug)]
pub struct Initialised {
    /// The new installation.
    pub instance: InstanceId,
}

impl Database {
    /// Opens or creates a database, and migrates it to the newest schema. A file is readable only by its owner.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Migration`]; [`StoreError::Busy`] when a server does not answer.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        url.refuse_beside_older(NEEDED).await?;
        let (db, clock) = (Db(url.open().await?), Arc::new(vaultterm_sync::system_time));
        engine::refuse_newer(&db.0).await?;
        raise_needed(&db).await?;
        Ok(Self { db, clock, is_clock_given: false, node: NodeId(vaultterm_sync::new_id()) })
    }

    /// Opens or creates the SQLite file at a path.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        Self::open(&DatabaseUrl::Sqlite(path.to_owned())).await
    }

    /// Replaces the source of the time, for tests.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, is_clock_given: true, ..self }
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
        let sql = "INSERT INTO instance (single, id, created_us, root_id, schema_needed) VALUES (1, $1, $2, $3, $4)";
        tx.run(sql, args![instance.0, context.now_us, root.id().0, NEEDED]).await?;
        let sql = "INSERT INTO audit_head (single, log_id, seq, hash) VALUES (1, $1, 0, $2)";
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
        let generation = self.db.one("SELECT keyring_generation FROM instance", args![]).await?;
        let generation = generation.ok_or(StoreError::NotInitialised)?.count("keyring_generation")?;
        let rows = self.db.all("SELECT * FROM keyring", args![]).await?;
        let rows = rows.iter().map(keys::keyring_row).collect::<Result<Vec<_>, _>>()?;
        let keyring = Keyring::open(root, instance, &rows)?;
        if self.root_id().await? != Some(root.id()) {
            // The database is older than the ids of root keys.
            let mut tx = self.db.write().await?;
            tx.run("UPDATE instance SET root_id = $1", args![root.id().0]).await?;
            tx.commit().await?;
        }
        let Self { db, clock, is_clock_given, node } = self.clone();
        Ok(Store {
            db,
            keyring: Arc::new(keyring),
            clock,
            is_clock_given,
            node,
            keyring_generation: Arc::new(AtomicU64::new(generation)),
            last_uses: Arc::default(),
            known_facts: Arc::default(),
            paths: Arc::default(),
            live_counts: Arc::default(),
        })
    }

    /// Closes the pools of a database. They are also those of all its stores.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// Records the schema that a server must know from now on.
async fn raise_needed(db: &Db) -> Result<(), StoreError> {
    let sql = "SELECT id FROM instance WHERE schema_needed < $1";
    if db.one(sql, args![NEEDED]).await?.is_none() {
        return Ok(());
    }
    let mut tx = db.touch().await?;
    tx.run("UPDATE instance SET schema_needed = $1 WHERE schema_needed < $1", args![NEEDED]).await?;
    tx.commit().await
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_sealing::{RootKey, SealingError};

    use super::Database;
    use crate::{
        ErrorClass, StoreError,
        testing::{House, somebody},
    };

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
        let database = Database::open(&house.url).await.unwrap();
        let store = database.unlock(&house.root).await.unwrap();
        let shown = store.reveal_record(&somebody(), record.id, None, None, None, crate::Proving::Fresh).await.unwrap();
        assert_eq!(shown.to_json().expose(), br#"{"x":1}"#);
        assert_eq!(store.verify_audit().await.unwrap().broken, None);
    }
}
