//! Coming back from a backup.
//!
//! The restored database is made beside the place where it will stand: every part is opened and the
//! signature checked, then one transaction makes it a new beginning (a new epoch, nobody logged in,
//! every connection plan-only), and only then it takes its place, by one renaming. Whatever dies in
//! between, there is the old state or the restored one, and never a restored one without its guard.

use std::{
    fs::{self, File},
    io::{Read, Write as _},
    path::{Path, PathBuf},
};

use vaultterm_ledger::{Action, ObjectKind};
use vaultterm_sealing::{ArchiveError, ArchiveReader, InstanceId, Keyring, RootKey, SealingError};

use super::{BackupError, BackupHeader, image};
use crate::{
    Context, Database, Store, StoreError,
    context::Facts as _,
    restore_guard, runs,
    sql::{Tx, args},
};

/// A backup whose header was read. Nothing of it is proven yet.
pub struct Archive<R> {
    header: BackupHeader,
    reader: ArchiveReader<R>,
}

/// Where a database is restored to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The database file. Nobody uses it: that is the caller's to make sure.
    pub database: &'a Path,
    /// Whether one that stands there makes way; it is kept beside.
    pub replace: bool,
}

/// What restoring did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Of the backup.
    pub header: BackupHeader,
    /// The installation's epoch from here on.
    pub epoch: u64,
    /// Logins and API tokens that hold no more.
    pub tokens_revoked: u64,
    /// Connections that are plan-only now.
    pub connections_guarded: u64,
    /// Where the database that stood there is kept.
    pub kept: Option<PathBuf>,
}

impl<R: Read> Archive<R> {
    /// Reads the header of a backup.
    ///
    /// # Errors
    /// [`BackupError::Archive`], [`BackupError::Header`], [`BackupError::Newer`].
    pub fn open(input: R) -> Result<Self, BackupError> {
        let (reader, header) = ArchiveReader::begin(input)?;
        Ok(Self { header: BackupHeader::parse(&header)?, reader })
    }

    /// Returns what the backup says of itself.
    #[must_use]
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// Puts the database of the backup in its place (`BACKUP_RESTORED`). `pause` is awaited between
    /// parts.
    ///
    /// # Errors
    /// [`BackupError`]; then nothing was changed.
    pub async fn restore(
        self,
        context: &Context,
        root: &RootKey,
        target: Target<'_>,
        pause: impl AsyncFnMut(),
    ) -> Result<Restored, BackupError> {
        let Target { database, replace } = target;
        let replaced = database.exists();
        if replaced && !replace {
            return Err(BackupError::InTheWay(database.to_owned()));
        }
        if !replaced {
            image::no_log(database)?;
        }
        let epoch = self.epoch_after(if replaced { standing(database).await } else { None }, database)?;
        let keyring = self.keyring(root)?;
        image::clear_leftovers(database).map_err(|error| image::failed(database, error))?;
        let (scratch, file) = image::begin_loading(self.header.image, database)?;
        let header = self.load(&file, &keyring, pause).await?;
        let mut restored = begin_anew(scratch.path(), context, root, header, epoch).await?;
        file.sync_all().map_err(|error| image::failed(scratch.path(), error))?;
        if replaced {
            image::fold(database).await?;
            restored.kept = Some(image::keep(database, context.now_us)?);
        }
        fs::rename(scratch.path(), database).map_err(|error| image::failed(database, error))?;
        image::sync_folder(database)?;
        Ok(restored)
    }

    /// Draws the next epoch: neither the backup nor the database that makes way has had it.
    fn epoch_after(&self, standing: Option<(InstanceId, u64)>, database: &Path) -> Result<u64, BackupError> {
        let BackupHeader { instance, epoch, .. } = self.header;
        match standing {
            Some((here, _)) if here != instance => {
                Err(BackupError::OtherInstallation { found: instance, here, path: database.to_owned() })
            }
            Some((_, before)) => Ok(epoch.max(before).saturating_add(1)),
            None => Ok(epoch.saturating_add(1)),
        }
    }

    /// Opens the keyring of the header.
    fn keyring(&self, root: &RootKey) -> Result<Keyring, BackupError> {
        let BackupHeader { root_id, instance, keyring, .. } = &self.header;
        if root.id() != *root_id {
            return Err(BackupError::OtherRootKey { needed: *root_id, held: root.id() });
        }
        Keyring::open(root, *instance, keyring).map_err(|error| match error {
            SealingError::WrongRootKey | SealingError::Malformed | SealingError::NoActiveKey(_) => {
                BackupError::Header("its keys do not open with the root key that it names")
            }
            error => error.into(),
        })
    }

    /// Opens every part, and checks the signature.
    async fn load(
        self,
        mut file: &File,
        keyring: &Keyring,
        mut pause: impl AsyncFnMut(),
    ) -> Result<BackupHeader, BackupError> {
        let Self { header, mut reader } = self;
        while let Some(part) = reader.next_part(keyring, header.archive_id)? {
            file.write_all(part.expose()).map_err(ArchiveError::Io)?;
            pause().await;
        }
        file.sync_all().map_err(ArchiveError::Io)?;
        Ok(header)
    }
}

/// Returns the installation and the epoch of the database that makes way. What cannot be read as a
/// database of ours has neither: that may be why a backup is restored.
async fn standing(database: &Path) -> Option<(InstanceId, u64)> {
    let db = image::look_at(database).await.ok()?;
    let row = db.one("SELECT * FROM instance", args![]).await;
    db.close().await;
    let row = row.ok().flatten()?;
    // Before there were epochs, it was the first.
    let id = row.id("id").ok()?;
    Some((InstanceId(id), row.count("epoch").unwrap_or(1)))
}

/// Opens the restored database, brings it to the newest migration, and makes it a new beginning.
async fn begin_anew(
    path: &Path,
    context: &Context,
    root: &RootKey,
    header: BackupHeader,
    epoch: u64,
) -> Result<Restored, BackupError> {
    let database = Database::open_sqlite(path).await?;
    let begun = async {
        let store = database.unlock(root).await?;
        store.begin_anew(context, header, epoch).await
    };
    let begun = begun.await;
    database.close().await;
    let begun = begun?;
    // The file alone takes the place: all of it must be in there.
    image::no_log(path)?;
    Ok(begun)
}

impl Store {
    /// Everything that must never hold of a database that was not restored, in one transaction.
    async fn begin_anew(&self, context: &Context, header: BackupHeader, epoch: u64) -> Result<Restored, StoreError> {
        if self.instance() != header.instance {
            return Err(StoreError::Malformed("installation in a backup"));
        }
        let mut tx = self.db.write().await?;
        tx.run("UPDATE instance SET epoch = $1", args![epoch]).await?;
        let tokens_revoked = tx.run("DELETE FROM tokens", args![]).await?;
        tx.run("DELETE FROM setup_link", args![]).await?;
        tx.run("DELETE FROM idempotency", args![]).await?;
        tx.run("UPDATE leases SET holder = NULL, expires = 0", args![]).await?;
        let runs_failed = fail_open_runs(&mut tx, context).await?;
        let reason = format!("VaultTerm's database was restored from a backup of {}", header.created());
        let connections_guarded = restore_guard::raise(&mut tx, &reason).await?;
        let draft = context.draft(Action::BackupRestored, ObjectKind::Backup, header.archive_id, None);
        tx.audit(
            draft
                .with("created", header.created())
                .with("epoch", epoch)
                .with("connections_guarded", connections_guarded)
                .with("runs_failed", runs_failed)
                .with("tokens_revoked", tokens_revoked),
        );
        tx.commit().await?;
        Ok(Restored { header, epoch, tokens_revoked, connections_guarded, kept: None })
    }
}

/// Closes the runs that went on while the backup was made.
async fn fail_open_runs(tx: &mut Tx, context: &Context) -> Result<usize, StoreError> {
    let rows = tx.all("SELECT * FROM runs WHERE state = 'running'", args![]).await?;
    runs::fail(tx, context, &rows).await?;
    Ok(rows.len())
}
