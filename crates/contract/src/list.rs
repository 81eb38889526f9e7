//! Lists in pages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One part of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ListView<T> {
    pub items: Vec<T>,
    /// Where the next part begins; null at the end.
    pub next_cursor: Option<String>,
}
