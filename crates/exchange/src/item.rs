//! What a file holds, in VaultTerm's terms.

use std::fmt;

use vaultterm_names::names;
use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;

use crate::{format::Format, loss::Loss, place::Place, refused::Refused};

/// What a file holds, and what of it cannot come over. The numbers reconcile: each item of the file is one of `items` or
/// one of `refused`.
#[derive(Debug)]
pub struct Found {
    /// The format in which the file was read.
    pub format: Format,
    /// The items that can become records, in the order of the file.
    pub items: Vec<Item>,
    /// The items that cannot, each with the reason.
    pub refused: Vec<Refused>,
    /// What is lost of the file as a whole, for example a setting that belongs to no item.
    pub losses: Vec<Loss>,
    /// What only the person can decide. The file was read as if each answer were no.
    pub questions: Vec<Question>,
}

impl Found {
    /// Starts with nothing.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, items: Vec::new(), refused: Vec::new(), losses: Vec::new(), questions: Vec::new() }
    }
}

/// One item of a file.
pub struct Item {
    /// Where it stands in the file.
    pub place: Place,
    /// The id that the other program gave it, by which a second import of it is recognised, also elsewhere in the collection.
    /// `None` where the file has nothing but paths or names ([`Format::has_ids`]).
    pub source_id: Option<String>,
    /// The folders around it, the outermost first, with the names that they have in the file.
    pub folder: Vec<String>,
    /// Its name in the file.
    pub name: String,
    /// The type of the record that it becomes.
    pub record_type: RecordType,
    /// Its newest values.
    pub fields: SecretFields,
    /// Labels.
    pub tags: Vec<String>,
    /// It is in the trash of the other program, and goes to the trash here.
    pub is_trashed: bool,
    /// A person needs a fresh proof of identity before each look at its values. Bitwarden's master password reprompt.
    pub ask_again: bool,
    /// When it was made, in microseconds since 1970, if the file tells.
    pub created_us: Option<i64>,
    /// When its newest values were saved, in microseconds since 1970, if the file tells.
    pub updated_us: Option<i64>,
    /// Earlier states, the oldest first. Each is whole: to restore one loses no field.
    pub history: Vec<Past>,
    /// What of it does not come over.
    pub losses: Vec<Loss>,
}

/// An earlier state of an item.
pub struct Past {
    /// When it ended or was saved, in microseconds since 1970, if the file tells.
    pub at_us: Option<i64>,
    /// All values of that time.
    pub fields: SecretFields,
}

impl Past {
    /// Makes the earlier state in which some fields had other values and all others those of `now`.
    #[must_use]
    pub fn of(
        now: &SecretFields,
        at_us: Option<i64>,
        other: impl IntoIterator<Item = (String, serde_json::Value)>,
    ) -> Self {
        let mut fields = now.duplicate();
        for (name, value) in other {
            fields.insert(name, value);
        }
        Self { at_us, fields }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("place", &self.place).field("type", &self.record_type).finish_non_exhaustive()
    }
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").field("at_us", &self.at_us).finish_non_exhaustive()
    }
}

names!(
    /// What only the person who imports can decide, because the file can be meant in two ways.
    Question, "question" {
        /// LastPass writes `&amp;` for `&` in some of its versions: are the values written so?
        DecodeEntities = "decode_entities",
        /// A value of a secret is a JSON object, which looks like a folder: is it a value?
        KeepNested = "keep_nested",
    }
);
