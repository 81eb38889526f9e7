//! What leaves: records with their earlier states, as the writers of all formats get them.

use std::fmt;

use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;
use zeroize::Zeroizing;

use crate::{
    format::Format,
    item::Past,
    loss::{Loss, Lost},
};

/// A record that leaves. A record that only programs may get (`inject_only`) is never made into one.
pub struct Outgoing {
    /// The id of the record. The file holds it where the format has a place for ids, so that a second import of the file
    /// recognises the record.
    pub id: String,
    /// The path below the collection. Its last segment is the name of the item, and those before it are its folders.
    pub path: String,
    /// The type.
    pub record_type: RecordType,
    /// The newest values.
    pub fields: SecretFields,
    /// Labels.
    pub tags: Vec<String>,
    /// A person needs a fresh proof of identity before each look at its values.
    pub ask_again: bool,
    /// It is in the trash.
    pub is_trashed: bool,
    /// Earlier states, the oldest first. Each is whole, and `at_us` is when it was saved.
    pub history: Vec<Past>,
    /// When the record was made, in microseconds since 1970.
    pub created_us: Option<i64>,
    /// When its newest values were saved, in microseconds since 1970.
    pub updated_us: Option<i64>,
}

impl Outgoing {
    /// Makes a record without tags, marks, history and dates.
    #[must_use]
    pub fn new(id: impl Into<String>, path: impl Into<String>, record_type: RecordType, fields: SecretFields) -> Self {
        Self {
            id: id.into(),
            path: path.into(),
            record_type,
            fields,
            tags: Vec::new(),
            ask_again: false,
            is_trashed: false,
            history: Vec::new(),
            created_us: None,
            updated_us: None,
        }
    }

    /// Returns the last segment of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name)
    }

    /// Returns the path without its last segment, if there is more than one.
    #[must_use]
    pub fn folder(&self) -> Option<&str> {
        self.path.rsplit_once('/').map(|(folder, _)| folder)
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("path", &self.path).field("type", &self.record_type).finish_non_exhaustive()
    }
}

/// A loss of one record.
pub type RecordLoss = (String, Loss);

/// A file for another program.
pub struct Written {
    /// The file. Wiped when it is dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What the file does not hold, by the path of the record: exactly what [`crate::losses`] foretold.
    pub losses: Vec<RecordLoss>,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("losses", &self.losses).finish_non_exhaustive()
    }
}

/// Why nothing was written. No error holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// VaultTerm reads this format, but does not write it.
    #[error("VaultTerm does not write the format `{format}`: choose one of {}", written())]
    NotWritten {
        /// The format that was asked for.
        format: Format,
    },
}

fn written() -> String {
    crate::format::WRITTEN.map(|format| format!("`{format}`")).join(", ")
}

/// Collects the losses of one record.
pub(crate) struct LossesOf<'a> {
    path: &'a str,
    losses: Vec<RecordLoss>,
}

impl<'a> LossesOf<'a> {
    /// Starts with nothing.
    pub(crate) fn new(record: &'a Outgoing) -> Self {
        Self { path: &record.path, losses: Vec::new() }
    }

    /// Adds a loss.
    pub(crate) fn add(&mut self, loss: Loss) {
        self.losses.push((self.path.to_owned(), loss));
    }

    /// Adds a loss without a name, if there is one.
    pub(crate) fn add_if(&mut self, is_lost: bool, what: Lost) {
        if is_lost {
            self.add(Loss::new(what));
        }
    }

    /// Returns them.
    pub(crate) fn finish(self) -> Vec<RecordLoss> {
        self.losses
    }
}
