//! What a feed remembers from one start to the next, in a small file.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::place::Place;

/// What is remembered. Everything before the place was told to VaultTerm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) place: Option<Place>,
    /// Whether VaultTerm must still be asked to look at everything.
    #[serde(default)]
    pub(crate) gap: bool,
}

/// Reads the file. One that is missing, or holds something else, remembers nothing.
///
/// # Errors
/// When there is a file that cannot be read.
pub(crate) fn load(path: &Path) -> io::Result<State> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error),
    }
}

/// Replaces the file as a whole, so that a kill leaves the one before.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn save(path: &Path, state: &State) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let bytes = serde_json::to_vec(state).map_err(io::Error::other)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&bytes)?;
    drop(file);
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn what_is_remembered_is_read_again_by_its_owner_alone_and_anything_else_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = (folder.path().join("state"), folder.path().join("log"));
        assert_eq!(load(&path).unwrap(), State::default());
        fs::write(&log, "one\ntwo\n").unwrap();
        let place = Place::at(&File::open(&log).unwrap(), 4).unwrap();
        let state = State { place: Some(place), gap: true };
        save(&path, &State::default()).unwrap();
        save(&path, &state).unwrap();
        assert_eq!(load(&path).unwrap(), state);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&path).unwrap().contains("one"));
        fs::write(&path, "{\"place\":").unwrap();
        assert_eq!(load(&path).unwrap(), State::default());
        assert!(load(folder.path()).is_err(), "a folder");
        assert!(save(&folder.path().join("none/state"), &state).is_err());
    }
}
