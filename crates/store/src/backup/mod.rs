//! Backups: a sealed and signed file with the whole database at one moment, and its restore.
//!
//! A backup is an *image* of the database (`image.rs`, the only module that knows the database engine).
//! Before it comes a *header* (`header.rs`) that names the root key which opens it. Both are in the form of
//! an archive of `vaultterm-sealing`. `write.rs` makes a backup, and `restore.rs` restores one. The binary
//! decides who may do this, where the files are, and who keeps the root key.

mod header;
mod image;
mod restore;
#[cfg(test)]
mod tests;
mod write;

use std::{io, path::PathBuf};

use vaultterm_sealing::{ArchiveError, InstanceId, RootKeyId, SealingError};

use crate::StoreError;

pub use header::BackupHeader;
pub use image::{ImageKind, clear_leftovers};
pub use restore::{Archive, Restored, Target};
pub use write::Backup;

/// Why a backup or a restore failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is not a backup, or was changed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The header was changed, or a key that is not known signed it.
    #[error("the header of the backup is damaged: {0}")]
    Header(&'static str),
    /// A newer version made the backup.
    #[error("a newer version of VaultTerm made the backup: its database has schema {found}, this one knows {known}")]
    Newer {
        /// The schema of the backup.
        found: u64,
        /// The newest schema that this version knows.
        known: u64,
    },
    /// The backup needs another root key.
    #[error("the backup needs the root key {needed}, and this is {held}", needed = needed.0, held = held.0)]
    OtherRootKey {
        /// The root key of the backup.
        needed: RootKeyId,
        /// The root key that the caller gave.
        held: RootKeyId,
    },
    /// The database that would be replaced belongs to another installation.
    #[error("the backup is of the installation {found}, and the database at {path} of {here}; nothing was changed", found = found.0, here = here.0)]
    OtherInstallation {
        /// The installation of the backup.
        found: InstanceId,
        /// The installation of the existing database.
        here: InstanceId,
        /// The path of the existing database.
        path: PathBuf,
    },
    /// There is a database already.
    #[error("there is a database at {0} already; nothing was changed")]
    InTheWay(PathBuf),
    /// The database on a server holds something.
    #[error("the database {0} is not empty; nothing was changed")]
    NotEmpty(String),
    /// There is a write-ahead log of a database. SQLite would take it for that of the new database.
    #[error("{0} holds changes of a database that cannot be folded into it; nothing was changed")]
    LogInTheWay(PathBuf),
    /// The root key was rotated during the backup.
    #[error("the root key was rotated while the backup began: begin again")]
    Rotated,
    /// A file could not be read or written.
    #[error("cannot access {path}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SealingError> for BackupError {
    fn from(error: SealingError) -> Self {
        Self::Store(error.into())
    }
}
