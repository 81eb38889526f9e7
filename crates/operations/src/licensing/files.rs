//! The license file, which the operator puts in its place, and the state file beside it. The server reads
//! both as a whole, and replaces the state file as a whole.
//!
//! The state file remembers the highest counter and the accepted licenses apart from the database. So a
//! database that was restored from a backup neither accepts an older license again nor refuses one that was
//! accepted.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vaultterm_license::TEXT_BYTES_MAX;
use vaultterm_store::{beside, sync_folder};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The state file holds something else.
    #[error("{0} is damaged: it should hold the highest counter of a license that was seen")]
    State(PathBuf),
}

/// The inode, size and change time of a file. They differ for another file, and after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look(Option<(u64, u64, i64, i64)>);

/// Looks at a file without reading it.
pub(super) fn look(path: &Path) -> Look {
    let seen = fs::metadata(path).ok();
    Look(seen.map(|seen| (seen.ino(), seen.len(), seen.ctime(), seen.ctime_nsec())))
}

/// Reads the license file, up to what is too long for one; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let new = beside(path, &format!(".{}.new", vaultterm_sync::new_id()));
    let written = write_new(&new, bytes).and_then(|()| fs::rename(&new, path)).and_then(|()| sync_folder(path));
    written.map_err(|source| {
        // After the renaming there is nothing left to remove.
        let _ = fs::remove_file(&new);
        FileError::Write { path: path.to_owned(), source }
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What is remembered of licenses apart from the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The highest counter of a license whose first day has come.
    pub(super) highest_counter: u64,
    /// The licenses that were accepted here. They may be installed again, even if their counter is too low by now.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) accepted: BTreeSet<Uuid>,
}

/// Reads what is remembered; nothing when there is no state file.
pub(super) fn state(path: &Path) -> Result<State, FileError> {
    match read(path)? {
        None => Ok(State::default()),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| FileError::State(path.to_owned())),
    }
}

/// Adds to the state file: the counter only grows, and no license is removed. Leaves a file alone that needs
/// no change.
pub(super) fn remember(path: &Path, more: &State) -> Result<(), FileError> {
    let known = state(path)?;
    let all = State {
        highest_counter: known.highest_counter.max(more.highest_counter),
        accepted: known.accepted.union(&more.accepted).copied().collect(),
    };
    if all == known {
        return Ok(());
    }
    let text = serde_json::to_vec(&all).expect("numbers and ids are JSON");
    replace(path, &text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn with(highest_counter: u64, accepted: &[u128]) -> State {
        State { highest_counter, accepted: accepted.iter().copied().map(Uuid::from_u128).collect() }
    }

    #[test]
    fn the_highest_counter_is_remembered_and_never_lowered_and_no_license_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("license.state");
        assert_eq!(state(&path).unwrap(), State::default());
        for (seen, known) in
            [(with(3, &[1]), with(3, &[1])), (with(2, &[2]), with(3, &[1, 2])), (with(9, &[]), with(9, &[1, 2]))]
        {
            remember(&path, &seen).unwrap();
            assert_eq!(state(&path).unwrap(), known);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_state_is_no_zero() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("license.state");
        fs::write(&path, "{").unwrap();
        assert!(matches!(state(&path), Err(FileError::State(_))));
        assert!(matches!(remember(&path, &with(9, &[])), Err(FileError::State(_))));
    }

    #[test]
    fn a_state_file_of_an_older_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("license.state");
        fs::write(&path, r#"{"highest_counter":7}"#).unwrap();
        assert_eq!(state(&path).unwrap(), with(7, &[]));
    }

    #[test]
    fn a_change_shows_from_outside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("license.vtlic");
        let mut looks = vec![look(&path)];
        for text in ["one", "two"] {
            replace(&path, text.as_bytes()).unwrap();
            looks.push(look(&path));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(looks[0], look(&path));
        assert!(looks[0] != looks[1] && looks[1] != looks[2]);
        assert!(matches!(replace(&folder.path().join("none/x"), b"x"), Err(FileError::Write { .. })));
    }
}
