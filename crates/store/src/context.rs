//! The context of a change (its actor and time), and pages of lists.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_ledger::{Actor, AuditAction, AuditOutcome, Draft, ObjectKind, ObjectRef};

use crate::StoreError;

/// The actor and the time of a change. They are part of the audit entry of the change.
#[derive(Clone, Debug)]
pub struct Context {
    /// The actor.
    pub actor: Actor,
    /// The IP address of the client.
    pub source_ip: Option<String>,
    /// The request id of VaultTerm.
    pub request_id: Option<String>,
    /// The time, in microseconds since the Unix epoch.
    pub now_us: i64,
}

impl Context {
    /// Returns the draft of an entry about an object.
    pub(crate) fn draft(&self, action: AuditAction, kind: ObjectKind, id: Uuid, name: Option<&str>) -> Draft {
        Draft {
            time_us: self.now_us,
            actor: self.actor.clone(),
            source_ip: self.source_ip.clone(),
            request_id: self.request_id.clone(),
            action,
            objects: vec![ObjectRef { kind, id, name: name.map(str::to_owned) }],
            outcome: AuditOutcome::Success,
            remote: None,
            detail: BTreeMap::new(),
        }
    }
}

/// Adds facts to a draft.
pub(crate) trait Facts: Sized {
    /// Adds a fact. It must never be a value of a record.
    fn with(self, name: &str, value: impl ToString) -> Self;

    /// Adds a fact if there is one.
    fn with_maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds another object.
    fn about(self, kind: ObjectKind, id: Uuid) -> Self;
}

impl Facts for Draft {
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.detail.insert(name.to_owned(), value.to_string());
        self
    }

    fn about(mut self, kind: ObjectKind, id: Uuid) -> Self {
        self.objects.push(ObjectRef { kind, id, name: None });
        self
    }
}

/// A part of a list that a caller asks for.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The maximum number of items. 0 means 100. The store limits it to 500.
    pub limit: u32,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl Page {
    const LIMIT_MAX: u32 = 500;
    const LIMIT_DEFAULT: u32 = 100;

    pub(crate) fn limit(&self) -> usize {
        let limit = if self.limit == 0 { Self::LIMIT_DEFAULT } else { self.limit.min(Self::LIMIT_MAX) };
        limit as usize
    }
}

/// Compares the revision that a caller named with the current one, in the transaction of the change.
pub(crate) fn still_at(what: &'static str, current: u64, expect: Option<u64>) -> Result<(), StoreError> {
    match expect {
        Some(expected) if expected != current => Err(StoreError::Stale { what, current, expected }),
        _ => Ok(()),
    }
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next part, if there is one.
    pub next_cursor: Option<String>,
}
