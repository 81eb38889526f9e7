//! Backups: one file that holds the whole database at one moment, sealed and signed; and coming
//! back from it.
//!
//! A backup is an *image* of the database (`image.rs`, the one place that knows an engine), read
//! behind a *header* (`header.rs`) that says which root key opens it, in the parts of an archive of
//! `vaultterm-sealing`. Making one is `write.rs`, coming back `restore.rs`. Who may, where files lie
//! and who keeps the root key is decided by the binary.

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
pub use image::{ImageKind, clear_leftovers, schema_of};
pub use restore::{Archive, Restored, Target};
pub use write::Backup;

/// Why there is no backup, or no coming back from one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is not, or not any more, what a backup wrote.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The header is signed by nobody we know, or was changed.
    #[error("the header of the backup is damaged: {0}")]
    Header(&'static str),
    /// A newer version made it.
    #[error("a newer version of VaultTerm made the backup: its database has schema {found}, this one knows {known}")]
    Newer {
        /// Of the backup.
        found: u64,
        /// Of this version.
        known: u64,
    },
    /// The root key is another one.
    #[error("the backup needs the root key {needed}, and this is {held}", needed = needed.0, held = held.0)]
    OtherRootKey {
        /// Of the backup.
        needed: RootKeyId,
        /// The one at hand.
        held: RootKeyId,
    },
    /// The database that would make way is another installation's.
    #[error("the backup is of the installation {found}, and the database at {path} of {here}; nothing was changed", found = found.0, here = here.0)]
    OtherInstallation {
        /// Of the backup.
        found: InstanceId,
        /// The one that stands there.
        here: InstanceId,
        /// Where.
        path: PathBuf,
    },
    /// There is a database already.
    #[error("there is a database at {0} already; nothing was changed")]
    InTheWay(PathBuf),
    /// The write-ahead log of a database is there, and would be taken for that of the new one.
    #[error("{0} holds changes of a database that cannot be folded into it; nothing was changed")]
    LogInTheWay(PathBuf),
    /// The root key was rotated meanwhile.
    #[error("the root key was rotated while the backup began: begin again")]
    Rotated,
    /// A file failed.
    #[error("cannot access {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Archive(ArchiveError::Io(_) | ArchiveError::Sealing(_)) | Self::File { .. } | Self::Store(_) => {
                return None;
            }
            Self::Archive(ArchiveError::NotAnArchive) => "name a file that `vaultterm backup` wrote",
            Self::Archive(ArchiveError::Format(_)) | Self::Newer { .. } => {
                "restore it with the version that made it, or a newer one"
            }
            Self::Archive(_) | Self::Header(_) => "take another copy, or an older backup; nothing was changed",
            Self::OtherRootKey { .. } => "name the file with that root key: MASTER_KEY_FILE",
            Self::OtherInstallation { .. } => "name another place with --data-dir, or move the database there away",
            Self::InTheWay(_) => "`--replace` keeps it beside the restored one, or name another place with --data-dir",
            Self::LogInTheWay(_) => "move it away, together with its database, then restore again",
            Self::Rotated => "repeat the command",
        })
    }
}

impl From<SealingError> for BackupError {
    fn from(error: SealingError) -> Self {
        Self::Store(error.into())
    }
}
