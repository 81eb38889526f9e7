//! The database file, its migrations, and unlocking it.

use std::path::Path;

use vaultterm_sealing::{InstanceId, Keyring, RootKey};

use crate::{Context, NewUser, StoreError};

/// An opened, migrated database whose keyring is still locked.
#[derive(Clone, Debug)]
pub struct Database {}

/// What initialising made.
#[derive(Debug)]
pub struct Initialised {
    /// The new installation.
    pub instance: InstanceId,
}

/// An unlocked database. Cheap to clone.
#[derive(Clone)]
pub struct Store {}

impl Database {
    /// Opens (or creates) the SQLite file and brings it to the newest migration.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Migration`].
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let _ = path;
        todo!()
    }

    /// Says whether `init` ran on this database.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn is_initialised(&self) -> Result<bool, StoreError> {
        todo!()
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
        let _ = (context, root, owner);
        todo!()
    }

    /// Opens the keyring.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when the root key is another installation's;
    /// [`StoreError::Refused`] when the database is not initialised.
    pub async fn unlock(&self, root: &RootKey) -> Result<Store, StoreError> {
        let _ = root;
        todo!()
    }
}

impl Store {
    /// Returns the installation's id.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        todo!()
    }

    /// Returns the keyring.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        todo!()
    }

    /// Checks that the database answers (for `/readyz`).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Checkpoints and closes the pools.
    pub async fn close(&self) {
        todo!()
    }
}
