//! Who does something, when, and pages of lists.

use vaultterm_ledger::Actor;

use crate::{StoreError, sql::Row};

/// Who changes something, and when: goes into the audit entry of the change.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who.
    pub actor: Actor,
    /// Where the request came from.
    pub source_ip: Option<String>,
    /// VaultTerm's request id.
    pub request_id: Option<String>,
    /// When, in microseconds since the Unix epoch.
    pub now_us: i64,
}

/// Which part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// How many items at most; the store caps it at 500.
    pub limit: u32,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Page {
    const LIMIT_MAX: u32 = 500;
    const LIMIT_DEFAULT: u32 = 100;

    fn limit(&self) -> usize {
        let limit = if self.limit == 0 { Self::LIMIT_DEFAULT } else { self.limit.min(Self::LIMIT_MAX) };
        limit as usize
    }

    /// How many rows to ask for: one more than is shown tells whether there is a next page.
    pub(crate) fn fetch(&self) -> u64 {
        self.limit() as u64 + 1
    }

    /// The key after which the page begins; empty for the first.
    pub(crate) fn after(&self) -> &str {
        self.cursor.as_deref().unwrap_or_default()
    }

    /// Cuts the rows to the page and reads them.
    pub(crate) fn cut<T>(
        &self,
        mut rows: Vec<Row>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
        key: impl Fn(&T) -> String,
    ) -> Result<Paged<T>, StoreError> {
        let more = rows.len() > self.limit();
        rows.truncate(self.limit());
        let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next_cursor = items.last().filter(|_| more).map(key);
        Ok(Paged { items, next_cursor })
    }
}

/// One part of a list.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one.
    pub next_cursor: Option<String>,
}
