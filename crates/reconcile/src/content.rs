//! What a secret holds, without its values: a keyed digest per field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The keyed digest of one field's value, and how long the value is.
///
/// Two values are equal exactly when their digests are (HMAC-SHA-256 over a canonical
/// encoding, made by the `sealing` crate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldDigest {
    /// The digest.
    pub digest: [u8; 32],
    /// Length of the value: characters of a string, bytes of the JSON text otherwise.
    pub length: u64,
}

/// Field name → digest of its value.
pub type Content = BTreeMap<String, FieldDigest>;
