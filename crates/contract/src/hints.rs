//! Hints: where a secret changed in Vault, as somebody beside it says.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Where to look. It is never believed further than that: a run looks there, and finds what there is.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hints {
    /// Paths below the connection's own. At most 1,000, together with `changes`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Who changed the secrets at `paths`, in words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// Paths with what is known of each change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<HintedChange>,
    /// Asks to look at everything once, because nobody knows where something changed.
    pub everything: bool,
}

/// A change of a secret in Vault.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HintedChange {
    /// The path below the connection's own.
    pub path: String,
    /// Who changed it, in words for people; at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// The version that the change made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it changed, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// What became of hints.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct HintsView {
    /// The number of paths that were taken.
    pub accepted: u64,
    /// The number of paths that wait for a run of the connection.
    pub waiting: u64,
    /// Whether a run will look at everything: somebody asked for that, or more than 10,000 paths waited.
    pub everything: bool,
}

/// A connection for which the caller may send hints, and its place in Vault.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HintScopeView {
    pub connection_id: Uuid,
    pub name: String,
    pub address: String,
    pub namespace: Option<String>,
    pub mount: String,
    /// The path prefix below the mount; empty for the whole mount.
    pub path: String,
}
