//! The content of a secret without its values: a keyed digest per field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The keyed digest of a field's value, and the length of the value.
///
/// Two values are equal exactly if their digests are equal (HMAC-SHA-256 over a canonical encoding, computed
/// by the `sealing` crate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldDigest {
    /// The digest.
    pub digest: [u8; 32],
    /// The length of the value: in characters for a string, and otherwise in bytes of the JSON text.
    pub length: u64,
}

/// A map from field names to the digests of their values.
pub type Content = BTreeMap<String, FieldDigest>;
