//! Paths. They have the same segments in VaultTerm and in Vault.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The path of a record below its collection, and of a secret below the connection's prefix.
///
/// Segments are separated by `/`. `foo` and `foo/bar` may both exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretPath(String);

/// Why a text is refused as a path. A path that KV v2 refuses is refused for records too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The text is empty.
    #[error("a path needs at least one segment")]
    Empty,
    /// A segment is empty, as in `a//b`, `/a` or `a/`.
    #[error("a path has no empty segment: remove the leading, trailing or double `/`")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("a path segment cannot be `.` or `..`")]
    Relative,
    /// The text begins or ends with a space, as in ` a` or `a `.
    #[error("a path cannot begin or end with a space")]
    OuterSpace,
    /// The text contains a control character or another non-printable character.
    #[error("a path cannot hold the non-printable character U+{0:04X}")]
    NotPrintable(u32),
    /// The text is too long.
    #[error("a path has at most {max} bytes, this one has {length}")]
    TooLong {
        /// The number of bytes that were found.
        length: usize,
        /// The number of bytes that are allowed.
        max: usize,
    },
}

impl SecretPath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`PathError`], which says what to change.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > Self::BYTES_MAX {
            return Err(PathError::TooLong { length: text.len(), max: Self::BYTES_MAX });
        }
        if let Some(odd) = text.chars().find(|c| !is_printable(*c)) {
            return Err(PathError::NotPrintable(odd.into()));
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(PathError::OuterSpace);
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err(PathError::EmptySegment),
                "." | ".." => return Err(PathError::Relative),
                _ => {}
            }
        }
        Ok(Self(text))
    }

    /// Checks the place of a mount or of a connection's prefix. Returns the path without the slashes around
    /// it.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn place(text: &str) -> Result<&str, PathError> {
        let place = text.trim_matches('/');
        Self::new(place).map(|_| place)
    }

    /// The maximum number of bytes of a path. Vault's storage allows more, but people do not read more.
    pub const BYTES_MAX: usize = 512;

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path in Unicode normalization form C. Two paths with the same form look alike to people.
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

/// Returns whether KV v2 accepts the character. This is Go's `unicode.IsPrint`: letters, marks, numbers,
/// punctuation, symbols and the ASCII space.
fn is_printable(c: char) -> bool {
    use unicode_properties::{GeneralCategoryGroup as Group, UnicodeGeneralCategory};
    if c.is_ascii() {
        // Most paths are ASCII, and a look into the table of Unicode takes long.
        return c == ' ' || c.is_ascii_graphic();
    }
    matches!(
        c.general_category_group(),
        Group::Letter | Group::Mark | Group::Number | Group::Punctuation | Group::Symbol
    )
}

#[cfg(test)]
mod tests {
    use super::{PathError, SecretPath};

    #[test]
    fn odd_names_that_kv_v2_accepts_are_paths() {
        for text in [
            "foo",
            "foo/bar",
            "a b",
            "50%",
            "#1",
            "what?",
            "back\\slash",
            "a+b*c",
            "🔑/ключ",
            "a  b",
            "%2F",
            "~",
            "a /b",
        ] {
            assert_eq!(SecretPath::new(text).map(String::from).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_slashes_around_a_place_do_not_count() {
        assert_eq!(SecretPath::place("/team/app/"), Ok("team/app"));
        assert_eq!(SecretPath::place("//"), Err(PathError::Empty));
        assert_eq!(SecretPath::place("team//app"), Err(PathError::EmptySegment));
    }

    #[test]
    fn what_kv_v2_refuses_is_refused_with_the_reason() {
        for (text, error) in [
            ("", PathError::Empty),
            ("/a", PathError::EmptySegment),
            ("a/", PathError::EmptySegment),
            ("a//b", PathError::EmptySegment),
            ("a/../b", PathError::Relative),
            (".", PathError::Relative),
            (" a", PathError::OuterSpace),
            ("a ", PathError::OuterSpace),
            ("a\nb", PathError::NotPrintable(0x0A)),
            ("a\u{200b}b", PathError::NotPrintable(0x200B)),
            ("a\u{a0}b", PathError::NotPrintable(0xA0)),
        ] {
            assert_eq!(SecretPath::new(text), Err(error), "{text:?}");
        }
        assert!(matches!(SecretPath::new("x".repeat(513)), Err(PathError::TooLong { length: 513, max: 512 })));
    }
}
