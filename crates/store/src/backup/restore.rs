//! Restores a backup.
//!
//! The restored database is built beside its final place. Every part is opened and the signature is checked.
//! Then one transaction marks the database as restored (a new epoch, no logins, every connection plan-only).
//! Only after that a single rename puts it in its place. If the process dies in between, the old state or the
//! restored one is there, and the restored one always has its guard.

use std::{
    fs::{self, File},
    io::{Read, Write as _},
    path::{Path, PathBuf},
};

use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sealing::{ArchiveError, ArchiveReader, InstanceId, Keyring, RootKey, SealingError};

use super::{BackupError, BackupHeader, image};
use crate::{
    Context, Database, DatabaseUrl, Store, StoreError,
    context::Facts as _,
    copy, engine,
    files::sync_folder,
    restore_guard, runs,
    sql::{Db, Tx, args},
};

/// A backup whose header was read. At this point nothing of it is authenticated.
pub struct Archive<R> {
    header: BackupHeader,
    reader: ArchiveReader<R>,
}

/// The place of a restore.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The database. The caller must make sure that no process uses it.
    pub url: &'a DatabaseUrl,
    /// The path beside which the restored database is built. For an SQLite database it is its file.
    pub beside: &'a Path,
    /// Whether to replace an existing file. The old one is kept beside it. A database on a server is never replaced: it must be
    /// empty.
    pub replace: bool,
}

/// The result of a restore.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The header of the backup.
    pub header: BackupHeader,
    /// The epoch of the installation from now on.
    pub epoch: u64,
    /// The number of logins and API tokens that are no longer valid.
    pub tokens_revoked: u64,
    /// The number of connections that are plan-only now.
    pub connections_guarded: u64,
    /// The path at which the old database is kept.
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

    /// Returns the header of the backup.
    #[must_use]
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// Puts the database of the backup in its place (`BACKUP_RESTORED`). `pause` is awaited between parts.
    ///
    /// # Errors
    /// [`BackupError`]. Nothing was changed in that case.
    pub async fn restore(
        self,
        context: &Context,
        root: &RootKey,
        target: Target<'_>,
        pause: impl AsyncFnMut(),
    ) -> Result<Restored, BackupError> {
        let Target { url, beside: database, replace } = target;
        if url.file().is_none() {
            return self.restore_to_server(context, root, target, pause).await;
        }
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
        sync_folder(database).map_err(|error| image::failed(database, error))?;
        Ok(restored)
    }

    /// Builds the database of the backup in a file, and copies it into an empty database on a server, in one transaction.
    async fn restore_to_server(
        self,
        context: &Context,
        root: &RootKey,
        Target { url, beside, .. }: Target<'_>,
        pause: impl AsyncFnMut(),
    ) -> Result<Restored, BackupError> {
        let target = url.open().await?;
        let restored = async {
            if !copy::is_empty(&target).await? {
                return Err(BackupError::NotEmpty(url.to_string()));
            }
            let epoch = self.epoch_after(None, beside)?;
            let keyring = self.keyring(root)?;
            image::clear_leftovers(beside).map_err(|error| image::failed(beside, error))?;
            let (scratch, file) = image::begin_loading(self.header.image, beside)?;
            let header = self.load(&file, &keyring, pause).await?;
            let restored = begin_anew(scratch.path(), context, root, header, epoch).await?;
            let source = engine::look_at(scratch.path()).await?;
            let copied = copy::copy(&source, &target).await;
            source.close().await;
            copied?;
            Ok(restored)
        };
        let restored = restored.await;
        target.close().await;
        restored
    }

    /// Returns the next epoch, which neither the backup nor the replaced database has had.
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

    /// Opens all parts and checks the signature.
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

/// Returns the installation and the epoch of the database that is to be replaced. Returns `None` if it cannot
/// be read as a database of VaultTerm, because a damaged database may be the reason for the restore.
async fn standing(database: &Path) -> Option<(InstanceId, u64)> {
    let db = Db(engine::look_at(database).await.ok()?);
    let row = db.one("SELECT * FROM instance", args![]).await;
    db.close().await;
    let row = row.ok().flatten()?;
    // A database from before there were epochs is in the first one.
    let id = row.id("id").ok()?;
    Some((InstanceId(id), row.count("epoch").unwrap_or(1)))
}

/// Opens the restored database, migrates it to the newest schema, and marks it as restored.
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
    // Only the file itself moves to the final place, so it must be complete.
    image::no_log(path)?;
    Ok(begun)
}

impl Store {
    /// Makes in one transaction all changes that tell a restored database from one that was not restored.
    async fn begin_anew(&self, context: &Context, header: BackupHeader, epoch: u64) -> Result<Restored, StoreError> {
        if self.instance() != header.instance {
            return Err(StoreError::Malformed("installation in a backup"));
        }
        let mut tx = self.db.write().await?;
        tx.run("UPDATE instance SET epoch = $1", args![epoch]).await?;
        let tokens_revoked = tx.run("DELETE FROM tokens", args![]).await?;
        let tokens_revoked = tokens_revoked + tx.run("DELETE FROM sessions", args![]).await?;
        for table in ["setup_link", "trusted_devices", "person_links"] {
            tx.run(&format!("DELETE FROM {table}"), args![]).await?;
        }
        tx.run("DELETE FROM idempotency", args![]).await?;
        tx.run("DELETE FROM generated_values", args![]).await?;
        tx.run("DELETE FROM drafts", args![]).await?;
        tx.run("UPDATE leases SET holder = NULL, expires = 0", args![]).await?;
        for table in ["job_leases", "nodes", "run_events"] {
            tx.run(&format!("DELETE FROM {table}"), args![]).await?;
        }
        let runs_failed = fail_open_runs(&mut tx, context).await?;
        let reason = format!("VaultTerm's database was restored from a backup of {}", header.created());
        let connections_guarded = restore_guard::raise(&mut tx, &reason).await?;
        let draft = context.draft(AuditAction::BackupRestored, ObjectKind::Backup, header.archive_id, None);
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

/// Closes the runs that were in progress when the backup was made.
async fn fail_open_runs(tx: &mut Tx, context: &Context) -> Result<usize, StoreError> {
    let rows = tx.all("SELECT * FROM runs WHERE state = 'running'", args![]).await?;
    runs::fail(tx, context, &rows).await?;
    Ok(rows.len())
}
