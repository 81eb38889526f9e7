//! Why a file, or an item of it, cannot come over. No error holds a value.

use std::fmt;

use serde::{Deserialize, Serialize};
use vaultterm_sealing::FieldsError;

use crate::{format::Format, limits::LimitMet, loss::shown, place::Place};

/// An item that cannot become a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Where it stands in the file.
    pub place: Place,
    /// Its name in the file, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The reason, in words, without any value.
    pub why: String,
}

impl Refused {
    /// Refuses an item.
    #[must_use]
    pub fn new(place: Place, name: Option<&str>, why: impl fmt::Display) -> Self {
        Self { place, name: name.map(shown), why: why.to_string() }
    }

    /// Refuses an item whose fields break a limit of records.
    #[must_use]
    pub fn fields(place: Place, name: &str, why: &FieldsError) -> Self {
        Self::new(place, Some(name), why)
    }
}

/// Why a whole file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum FileError {
    /// Nothing tells the format.
    #[error(
        "VaultTerm does not recognise the format of this file: {seen}. If you know its format, name it (--from FORMAT on the \
         command line)"
    )]
    Unrecognised {
        /// What the file looks like, without any text of it.
        seen: String,
    },
    /// The file is of another format than was named.
    #[error("this is no file of the format `{expected}`: {detail}")]
    NotThisFormat {
        /// The format that was named or recognised.
        expected: Format,
        /// What is missing or different.
        detail: String,
    },
    /// The file is encrypted.
    #[error("this file is protected: give its password")]
    NeedsPassword,
    /// The file is sealed with `age` for a key.
    #[error(
        "this file is sealed for a key of age: give the file that holds your identity (AGE-SECRET-KEY-1…) as the key file \
         (--key-file on the command line)"
    )]
    NeedsKeyFile,
    /// The password alone does not open the database. Nothing tells whether a key file belongs to it.
    #[error(
        "the password does not open this database: check it, and if the database has a key file too, give that as well \
         (--key-file on the command line)"
    )]
    WrongPasswordAlone,
    /// The password, or the key file, does not open it.
    #[error("the password or the key file does not open this file")]
    WrongPassword,
    /// Only the account that made the file can open it.
    #[error(
        "this Bitwarden file is restricted to the account that exported it: export again as `.json` \
         or as `.json (Encrypted)` with the type `Password protected`"
    )]
    AccountRestricted,
    /// The file holds one secret without its name, and has no name itself.
    #[error(
        "this file holds one secret but not its name, and its own name is not known: save it as a file that is named like the \
         secret, such as `db.json`, or tell its name with --file-name (in the API: `file_name`)"
    )]
    Nameless,
    /// The text is not UTF-8 or UTF-16.
    #[error("the text of this file is neither UTF-8 nor UTF-16 with a byte order mark: {hint}")]
    Encoding {
        /// What to do.
        hint: String,
    },
    /// A limit.
    #[error("{met}")]
    Limit {
        /// Which.
        met: LimitMet,
    },
    /// A line, a row or a part of the file is none that VaultTerm reads, for example because programs read it in different ways.
    #[error("VaultTerm does not read {place} of this file: {detail}")]
    Unclear {
        /// Where.
        place: Place,
        /// Why, and what to do.
        detail: String,
    },
    /// The file is damaged.
    #[error("this file is damaged or was cut off{}: {detail}", at(place.as_ref()))]
    Damaged {
        /// Where, if that is known.
        place: Option<Place>,
        /// What was expected.
        detail: String,
    },
}

impl From<LimitMet> for FileError {
    fn from(met: LimitMet) -> Self {
        Self::Limit { met }
    }
}

impl FileError {
    /// A damaged file.
    #[must_use]
    pub fn damaged(place: impl Into<Option<Place>>, detail: impl Into<String>) -> Self {
        Self::Damaged { place: place.into(), detail: detail.into() }
    }
}

fn at(place: Option<&Place>) -> String {
    place.map(|place| format!(" at {place}")).unwrap_or_default()
}
