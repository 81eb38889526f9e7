//! The root key: 32 bytes that wrap the keyring.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// The key at the top. Wiped on drop; `Debug` prints nothing.
pub struct RootKey(Zeroizing<[u8; 32]>);

/// Why a root key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file cannot be read or written.
    #[error("cannot access the master key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Others than the owner may read the file.
    #[error("the master key file {path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The content is not 64 hex digits.
    #[error("a master key is 64 hexadecimal digits; {origin} holds something else")]
    Malformed {
        /// Where it was read.
        origin: String,
    },
}

impl RootKey {
    /// Draws a new root key.
    ///
    /// # Panics
    /// When the system has no randomness: nothing safe can be done then.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).expect("the system provides randomness");
        Self(bytes)
    }

    /// Parses 64 hexadecimal digits; `origin` is named in errors.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str, origin: &str) -> Result<Self, RootKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice())
            .map_err(|_| RootKeyError::Malformed { origin: origin.to_owned() })?;
        Ok(Self(bytes))
    }

    /// Reads a key file. Refuses one that others may read.
    ///
    /// # Errors
    /// [`RootKeyError`].
    pub fn read(path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::File { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(RootKeyError::Permissions { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        (&mut file).take(Self::FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        Self::from_hex(&text, &path.display().to_string())
    }

    /// Writes a new key file with mode 0600; never overwrites one.
    ///
    /// # Errors
    /// [`RootKeyError::File`].
    pub fn write_new(&self, path: &Path) -> Result<(), RootKeyError> {
        let failed = |source| RootKeyError::File { path: path.to_owned(), source };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let mut text = Zeroizing::new(hex::encode(self.0.as_slice()));
        text.push('\n');
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Shows the key to code that must have it.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// More than a key file ever holds: a larger file is something else.
    const FILE_BYTES_MAX: u64 = 256;
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootKey")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::{RootKey, RootKeyError};

    #[test]
    fn a_written_key_is_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = RootKey::generate();
        key.write_new(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(RootKey::read(&path).unwrap().expose(), key.expose());
        assert!(matches!(RootKey::generate().write_new(&path), Err(RootKeyError::File { .. })));
        assert_eq!(RootKey::read(&path).unwrap().expose(), key.expose());
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        RootKey::generate().write_new(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(RootKey::read(&path), Err(RootKeyError::Permissions { mode: 0o640, .. })));
    }

    #[test]
    fn anything_but_64_hexadecimal_digits_is_refused_without_being_shown() {
        for text in ["", "abc", &"g".repeat(64), &"0".repeat(65)] {
            let error = RootKey::from_hex(text, "DEV_MASTER_KEY").unwrap_err();
            assert_eq!(error.to_string(), "a master key is 64 hexadecimal digits; DEV_MASTER_KEY holds something else");
        }
    }
}
