//! Turns the database into a single file, and the file back into a database.
//!
//! The image is itself an SQLite database, with the state that one transaction saw. Of an SQLite database, `VACUUM INTO`
//! writes it, without free pages; of a PostgreSQL database, all rows are copied into it. Writers do not wait for it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::{DatabaseUrl, copy::copy, engine, files::beside, sql::Db};

/// The kind of database that an image contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// An SQLite file.
    Sqlite,
}

/// A private file beside a database. It is removed on drop, together with the files that SQLite put beside
/// it.
pub(super) struct Scratch {
    path: PathBuf,
}

/// The suffixes of such files, after the name of the database.
const IMAGE: &str = "image";
const RESTORING: &str = "restoring";
const KEPT: &str = "before-restore";

impl Scratch {
    /// Creates an empty scratch file.
    pub(super) fn create(database: &Path, what: &str) -> Result<(Self, File), BackupError> {
        let path = beside(database, &format!(".{what}-{}", vaultterm_sync::new_id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| failed(&path, error))?;
        Ok((Self { path }, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A file that is gone needs no removal. A file that cannot be removed now is removed the next time.
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(beside(&self.path, suffix));
        }
    }
}

/// Makes the image of a database that is in use.
pub(super) async fn make(db: &Db, database: &Path) -> Result<(Scratch, File), BackupError> {
    let (scratch, file) = Scratch::create(database, IMAGE)?;
    if !engine::write_image(&db.0, scratch.path()).await? {
        let image = DatabaseUrl::Sqlite(scratch.path().to_owned()).open().await?;
        let copied = copy(&db.0, &image).await;
        image.close().await;
        copied?;
        // Only the file itself goes into the backup, so it must be complete.
        no_log(scratch.path())?;
    }
    Ok((scratch, file))
}

/// Creates the file into which an image is loaded.
pub(super) fn begin_loading(kind: ImageKind, database: &Path) -> Result<(Scratch, File), BackupError> {
    match kind {
        ImageKind::Sqlite => Scratch::create(database, RESTORING),
    }
}

/// Merges the write-ahead log of a database into its file. A damaged database may be replaced too, as long as it has no such
/// log.
pub(super) async fn fold(path: &Path) -> Result<(), BackupError> {
    engine::fold(path).await;
    no_log(path)
}

/// Refuses a database file with a write-ahead log beside it.
pub(super) fn no_log(path: &Path) -> Result<(), BackupError> {
    engine::log_in_the_way(path).map_or(Ok(()), |log| Err(BackupError::LogInTheWay(log)))
}

/// Gives a database a second name beside it and returns that name. The database also keeps its first name, so
/// that a database is there even if the process dies next.
pub(super) fn keep(database: &Path, now_us: i64) -> Result<PathBuf, BackupError> {
    let moment = jiff::Timestamp::from_microsecond(now_us).unwrap_or_default();
    let kept = beside(database, &format!(".{KEPT}-{}", moment.strftime("%Y%m%dT%H%M%S%.6fZ")));
    // On file systems without hard links a copy replaces the second name. It takes longer.
    let linked = fs::hard_link(database, &kept).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::copy(database, &kept).and_then(|_| File::open(&kept)?.sync_all()),
    });
    linked.map_err(|error| failed(&kept, error))?;
    Ok(kept)
}

/// Removes the files that killed backups and restores left beside a database. The caller must make sure that
/// no other backup or restore is in progress.
///
/// # Errors
/// Errors of the file system.
pub fn clear_leftovers(database: &Path) -> io::Result<()> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = database.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let in_use = fs::metadata(database).ok().map(|found| (found.dev(), found.ino()));
    for entry in entries {
        let entry = entry?;
        let found = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = found.strip_prefix(&name) else { continue };
        let scratch = [IMAGE, RESTORING].iter().any(|what| rest.starts_with(&format!(".{what}-")));
        // This file was kept, but the database that should replace it never came. It is a second name of the
        // database in use.
        let second_name = rest.starts_with(&format!(".{KEPT}-"))
            && entry.metadata().is_ok_and(|kept| Some((kept.dev(), kept.ino())) == in_use);
        if scratch || second_name {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn failed(path: &Path, source: io::Error) -> BackupError {
    BackupError::File { path: path.to_owned(), source }
}
