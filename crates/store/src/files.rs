//! Files beside the database: their names, and how they survive a power cut.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// Returns the path of a file in the same folder, with a suffix after the whole name (`.next`, `-wal`).
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Syncs the folder of a file, so that the names in it survive a power cut.
///
/// # Errors
/// The error of the operating system.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
