//! Paths: the same, segment for segment, in VaultTerm and in Vault.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The path of a record below its collection, and of a secret below the connection's prefix.
///
/// Segments are separated by `/`; `foo` and `foo/bar` may both exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretPath(String);

/// Why a text is not a path. What KV v2 refuses is refused for records too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing at all.
    #[error("a path needs at least one segment")]
    Empty,
    /// `a//b`, `/a` or `a/`.
    #[error("a path has no empty segment: remove the leading, trailing or double `/`")]
    EmptySegment,
    /// `.` or `..`.
    #[error("a path segment cannot be `.` or `..`")]
    Relative,
    /// ` a` or `a `.
    #[error("a path cannot begin or end with a space")]
    OuterSpace,
    /// A control or other non-printable character.
    #[error("a path cannot hold the non-printable character U+{0:04X}")]
    NotPrintable(u32),
    /// Too long.
    #[error("a path has at most {max} bytes, this one has {length}")]
    TooLong {
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
}

impl SecretPath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`PathError`] says what to change.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        Ok(Self(text.into()))
    }

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Iterates over the segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns the path in Unicode normalization form C: two paths with the same one look
    /// alike to people.
    #[must_use]
    pub fn normalized(&self) -> String {
        use unicode_normalization::UnicodeNormalization;
        self.0.nfc().collect()
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for SecretPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<SecretPath> for String {
    fn from(path: SecretPath) -> Self {
        path.0
    }
}
