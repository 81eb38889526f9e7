//! Which part of a list a caller asks for.

use vaultterm_store::Page;

use crate::refusal::Refusal;

const LIMIT_MAX: u32 = 500;

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// How many items at most: 1 to 500, 100 unless told.
    pub limit: Option<u32>,
    /// Where the part begins: what the part before named.
    pub cursor: Option<String>,
}

impl Part {
    /// Checks the limit.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn page(self) -> Result<Page, Refusal> {
        match self.limit {
            Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => {
                Err(Refusal::field("limit", format!("a page has 1 to {LIMIT_MAX} items")))
            }
            limit => Ok(Page { limit: limit.unwrap_or_default(), cursor: self.cursor }),
        }
    }
}
