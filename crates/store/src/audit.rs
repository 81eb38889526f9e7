//! The audit log.

use uuid::Uuid;
use vaultterm_ledger::Action;

use crate::{Context, Page, Paged, Store, StoreError};

/// One entry, for people and programs.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// Place in the log, from 1, without gaps.
    pub seq: u64,
    /// The decoded entry.
    pub entry: vaultterm_ledger::Entry,
    /// Its leaf hash.
    pub hash: [u8; 32],
    /// Its bytes, verbatim.
    pub bytes: Vec<u8>,
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only after this place.
    pub after: Option<u64>,
    /// One action (its name).
    pub action: Option<Action>,
    /// One actor.
    pub actor: Option<Uuid>,
    /// One object.
    pub object: Option<Uuid>,
    /// From this moment on, microseconds.
    pub from_us: Option<i64>,
    /// Before this moment, microseconds.
    pub to_us: Option<i64>,
}

impl Store {
    /// Lists entries, oldest first; the cursor is the last `seq`.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn audit_events(&self, filter: &AuditFilter, page: &Page) -> Result<Paged<AuditEvent>, StoreError> {
        let _ = (filter, page);
        todo!()
    }

    /// Writes an entry that reports no change of the database: a denial, an export.
    pub async fn audit(
        &self,
        context: &Context,
        action: Action,
        objects: Vec<vaultterm_ledger::ObjectRef>,
        outcome: vaultterm_ledger::Outcome,
        detail: std::collections::BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let _ = (context, action, objects, outcome, detail);
        todo!()
    }
}
