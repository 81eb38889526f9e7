//! Who does something, when, and pages of lists.

use vaultterm_ledger::Actor;

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

/// One part of a list.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one.
    pub next_cursor: Option<String>,
}
