//! Every refusal of the API, as a problem document (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem document (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Which kind: `urn:vaultterm:problem:…`, a closed list.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time. Never a secret.
    pub detail: String,
    /// The request's id, as in the log.
    pub instance: String,
    /// Fields of the request that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Seconds to wait, for `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

/// One field that is wrong.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Its name in the body, dotted.
    pub field: String,
    /// What is wrong with it. Never its value.
    pub message: String,
}
