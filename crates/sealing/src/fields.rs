//! The fields of a record, which are the data of a secret: name → JSON value.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;
use vaultterm_reconcile::Content;

use crate::{DigestKey, SecretBytes};

/// Field name → value. Wiped on drop; `Debug` prints nothing.
pub struct SecretFields(BTreeMap<String, Value>);

/// Why fields cannot be kept. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// The JSON is broken or no object.
    #[error("fields must be a JSON object of names and values")]
    NotAnObject,
    /// Vault decodes numbers as 64-bit floats, and this one would come back as another.
    #[error(
        "the number in field `{field}` would change on its way through Vault (64-bit float): quote it to keep it exactly"
    )]
    NumberWouldChange {
        /// The field.
        field: String,
    },
    /// A field without a name, or with a name that is too long or not printable.
    #[error("a field name has 1 to {max} printable characters: `{field}` has not")]
    FieldName {
        /// The name.
        field: String,
        /// Characters allowed.
        max: usize,
    },
    /// Too many fields.
    #[error("a record has at most {max} fields, this one has {found}")]
    TooManyFields {
        /// Fields found.
        found: usize,
        /// Fields allowed.
        max: usize,
    },
    /// More JSON strings (names and texts together) than Vault accepts in one request.
    #[error("a record has at most {max} JSON strings (names and texts, nested ones included), this one has {found}")]
    TooManyStrings {
        /// Strings found.
        found: usize,
        /// Strings allowed.
        max: usize,
    },
    /// Too large.
    #[error("the fields of a record have at most {max} bytes of JSON, these have {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
}

impl SecretFields {
    /// Makes an empty set of fields.
    #[must_use]
    pub fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Parses fields that a person or program wants to save. Numbers are judged by their
    /// text, before any parser rounds them.
    ///
    /// # Errors
    /// [`FieldsError`] names the field and what to change.
    pub fn parse(json: &[u8]) -> Result<Self, FieldsError> {
        let _ = json;
        todo!()
    }

    /// Takes over fields that Vault answered or that were sealed before: already what Vault
    /// would answer, so nothing is judged.
    #[must_use]
    pub fn from_trusted(fields: BTreeMap<String, Value>) -> Self {
        Self(fields)
    }

    /// Checks the limits that hold for a whole record (after a patch or merge).
    ///
    /// # Errors
    /// [`FieldsError`] names the limit.
    pub fn check_limits(&self) -> Result<(), FieldsError> {
        todo!()
    }

    /// Shows the fields to code that must have them.
    #[must_use]
    pub fn expose(&self) -> &BTreeMap<String, Value> {
        &self.0
    }

    /// Iterates over the names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Sets one field; the value must come from [`Self::parse`] or from Vault.
    pub fn insert(&mut self, name: String, value: Value) {
        self.0.insert(name, value);
    }

    /// Removes one field and says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Copies the fields, on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Encodes the fields as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> SecretBytes {
        SecretBytes::new(serde_json::to_vec(&self.0).expect("a map of JSON values always encodes"))
    }

    /// Digests every field. Equal values have equal digests however their JSON was spelled
    /// (`1.0` and `1`, key order in objects).
    #[must_use]
    pub fn content(&self, key: &DigestKey) -> Content {
        let _ = key;
        todo!()
    }
}

impl Default for SecretFields {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SecretFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretFields")
    }
}
