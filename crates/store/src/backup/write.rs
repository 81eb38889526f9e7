//! Makes a backup while the database is in use.

use std::{
    fs::File,
    io::{Read as _, Write},
    path::Path,
    sync::Arc,
};

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sealing::{
    ArchiveError, ArchiveWriter, InstanceId, Keyring, PART_BYTES, RootKey, RootKeyId, SealingError,
};
use zeroize::Zeroizing;

use super::{BackupError, BackupHeader, ImageKind, image};
use crate::{
    Context, Store, StoreError, engine,
    keys::{keyring_row, sealed_roots},
    sql::{Db, args},
};

/// An image of the database with the keys to seal it, ready to be written to a file.
pub struct Backup {
    header: BackupHeader,
    keyring: Arc<Keyring>,
    image: File,
}

impl Store {
    /// Makes the image of a backup (`BACKUP_CREATED`, which the image contains). The image lies beside
    /// `database`, readable only by its owner, and its name is removed before this function returns. If the
    /// process dies after that, no file stays behind.
    ///
    /// # Errors
    /// [`BackupError::Rotated`] when `root` is no longer the root key; [`BackupError::Store`].
    pub async fn begin_backup(
        &self,
        context: &Context,
        root: &RootKey,
        database: &Path,
    ) -> Result<Backup, BackupError> {
        let archive_id = vaultterm_sync::new_id();
        let mut tx = self.db.write().await?;
        tx.audit(context.draft(AuditAction::BackupCreated, ObjectKind::Backup, archive_id, None));
        tx.commit().await?;
        let (scratch, image) = image::make(&self.db, database).await?;
        // The header is read from the image, because keys may be rotated meanwhile.
        let inside = Db(engine::look_at(scratch.path()).await?);
        let header = header(&inside, archive_id, context.now_us).await;
        inside.close().await;
        let header = header?;
        let keyring = Keyring::open(root, header.instance, &header.keyring).map_err(|error| match error {
            SealingError::WrongRootKey => BackupError::Rotated,
            error => error.into(),
        })?;
        Ok(Backup { header, keyring: Arc::new(keyring), image })
    }
}

impl Backup {
    /// Returns the header of the backup.
    #[must_use]
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// Seals the image into a file, part by part. `pause` is awaited between parts, so that the caller can do
    /// other work or stop.
    ///
    /// # Errors
    /// [`BackupError::Archive`]. The file is useless in that case.
    pub async fn write<W: Write>(self, out: W, mut pause: impl AsyncFnMut()) -> Result<W, BackupError> {
        let Self { header, keyring, image } = self;
        let mut archive = ArchiveWriter::begin(out, keyring, header.archive_id, &header.to_bytes())?;
        let mut part = read_part(&image)?;
        loop {
            // The part is the last one if nothing follows it.
            let next = read_part(&image)?;
            if next.is_empty() {
                return Ok(archive.finish(&part)?);
            }
            archive.part(&part)?;
            part = next;
            pause().await;
        }
    }
}

fn read_part(image: &File) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let mut part = Zeroizing::new(Vec::with_capacity(PART_BYTES));
    image.take(PART_BYTES as u64).read_to_end(&mut part).map_err(ArchiveError::Io)?;
    Ok(part)
}

async fn header(db: &Db, archive_id: Uuid, created_us: i64) -> Result<BackupHeader, BackupError> {
    let instance = db.one("SELECT * FROM instance", args![]).await?.ok_or(StoreError::Malformed("instance"))?;
    let keyring = db.all("SELECT * FROM keyring ORDER BY id", args![]).await?;
    Ok(BackupHeader {
        archive_id,
        created_us,
        instance: InstanceId(instance.id("id")?),
        epoch: instance.count("epoch")?,
        root_id: RootKeyId(instance.id("root_id")?),
        schema: engine::schema(&db.0).await?,
        image: ImageKind::Sqlite,
        keyring: keyring.iter().map(keyring_row).collect::<Result<_, _>>()?,
        sealed_roots: sealed_roots(db).await?,
    })
}
