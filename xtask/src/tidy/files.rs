//! Lists the files of the project that the checks read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

/// Returns the files below a folder whose names end with `.ending`, sorted by path. A folder that does
/// not exist has no files.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, ending)?);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
