//! The body of a request that says nothing more than its path.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A body without fields.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
