//! Files that only their owner can read. They are written completely or not at all, and are refused when
//! other users can read them.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Creates a directory with mode 0700, and missing parents with the same mode.
pub(crate) fn create_directory(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::local(format!("cannot create the directory {}", path.display())).because(&error))
}

/// A file with mode 0600 that takes the place of another one only after it is complete.
pub(crate) struct Replacement {
    target: PathBuf,
    beside: PathBuf,
    file: fs::File,
}

impl Replacement {
    /// Begins the file that will replace `target`.
    pub(crate) fn create(target: &Path) -> Result<Self, Failure> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", vaultterm_sync::new_id()));
        let beside = target.with_file_name(name);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(|error| unwritable(target, &error))?;
        Ok(Self { target: target.to_owned(), beside, file })
    }

    /// Writes more bytes to the file.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| unwritable(&self.target, &error))
    }

    /// Puts the file in its place, where no file may exist. An existing file stays.
    pub(crate) fn finish_new(self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| unwritable(&self.target, &error))?;
        // A hard link refuses to replace a file. On file systems without hard links, renaming must do. The
        // first name is removed when `self` is dropped.
        let named = fs::hard_link(&self.beside, &self.target).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            _ if self.target.exists() => Err(io::ErrorKind::AlreadyExists.into()),
            _ => fs::rename(&self.beside, &self.target),
        });
        named.map_err(|error| unwritable(&self.target, &error))
    }

    /// Puts the file in its place.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let moved = self.file.sync_all().and_then(|()| fs::rename(&self.beside, &self.target));
        moved.map_err(|error| unwritable(&self.target, &error))
    }
}

impl io::Write for &Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.file).flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After `finish` there is nothing left to remove, so an error does not matter.
        let _ = fs::remove_file(&self.beside);
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::local(format!("cannot write {}", path.display())).because(error)
}

/// Writes a file with mode 0600, completely or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut file = Replacement::create(path)?;
    file.write(content)?;
    file.finish()
}

/// Refuses a file that users other than its owner can read, by the rule of [`vaultterm_sealing::exposed`].
pub(crate) fn check_mode(path: &Path) -> Result<(), Failure> {
    let exposed = fs::File::open(path).and_then(|file| vaultterm_sealing::exposed(&file));
    match exposed {
        Ok(None) => Ok(()),
        Ok(Some(mode)) => Err(Failure::local(format!("{} can be read by others (mode {mode:o})", path.display()))
            .hint(format!(
                "run: chmod 600 {}; in a container mount it 0440, for the group of the server",
                path.display()
            ))),
        Err(error) => Err(Failure::local(format!("cannot read {}", path.display())).because(&error)),
    }
}

/// Returns a directory of the XDG base directory specification: `$variable`, or else `~/fallback`.
pub(crate) fn xdg_directory(variable: &str, fallback: &str) -> Result<PathBuf, Failure> {
    // The specification says that a relative path in the variable must be ignored.
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    set.or_else(|| std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(fallback)))
        .map(|directory| directory.join("vaultterm"))
        .ok_or_else(|| Failure::local(format!("neither {variable} nor HOME names a directory")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_new_file_never_replaces_another() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("backup");
        let begun = |content: &[u8]| {
            let mut file = Replacement::create(&path).expect("begun");
            file.write(content).expect("written");
            file
        };
        let (first, second) = (begun(b"one"), begun(b"two"));
        first.finish_new().expect("nothing was there");
        second.finish_new().expect_err("something was");
        assert_eq!(fs::read(&path).expect("read"), b"one");
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1);
    }

    #[test]
    fn a_written_file_is_private_and_replaces_the_old_one_whole() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("token");
        write(&path, b"one").expect("written");
        write(&path, b"two").expect("written");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1);
        check_mode(&path).expect("private");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(check_mode(&path).expect_err("refused").hints[0].contains("chmod 600"));
    }
}
