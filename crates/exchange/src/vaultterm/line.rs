//! The lines of an archive.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use vaultterm_reconcile::RecordType;

/// The version that VaultTerm writes and reads.
pub(crate) const VERSION: i64 = 1;

/// The first line.
#[derive(Serialize)]
pub(crate) struct HeadLine {
    pub(crate) vaultterm: i64,
    pub(crate) records: usize,
}

/// A record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordLine<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) path: Cow<'a, str>,
    #[serde(rename = "type")]
    pub(crate) record_type: RecordType,
    #[serde(borrow)]
    pub(crate) fields: &'a RawValue,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) ask_again: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) trashed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) updated_us: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<PastLine<'a>>,
}

/// An earlier state.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PastLine<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_us: Option<i64>,
    #[serde(borrow)]
    pub(crate) fields: &'a RawValue,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
