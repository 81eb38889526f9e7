//! The root key: 32 bytes that wrap the keyring.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The key at the top. Kept in locked memory where the system allows it.
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
    #[must_use]
    pub fn generate() -> Self {
        todo!()
    }

    /// Parses 64 hexadecimal digits; `origin` is named in errors.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str, origin: &str) -> Result<Self, RootKeyError> {
        let _ = (text, origin);
        todo!()
    }

    /// Reads a key file. Refuses one that others may read.
    ///
    /// # Errors
    /// [`RootKeyError`].
    pub fn read(path: &Path) -> Result<Self, RootKeyError> {
        let _ = path;
        todo!()
    }

    /// Writes a new key file with mode 0600; never overwrites one.
    ///
    /// # Errors
    /// [`RootKeyError::File`].
    pub fn write_new(&self, path: &Path) -> Result<(), RootKeyError> {
        let _ = path;
        todo!()
    }

    /// Shows the key to code that must have it.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}
