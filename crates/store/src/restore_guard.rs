//! The restore guard: what happens when the database turns out to be older than what is known of it
//! elsewhere.

use std::collections::BTreeMap;

use vaultterm_ledger::{Action, Outcome};

use crate::{Context, Store, StoreError};

impl Store {
    /// Raises the guard (`AUDIT_GUARD_RAISED`).
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn raise_restore_guard(&self, context: &Context, reason: &str) -> Result<(), StoreError> {
        let detail = BTreeMap::from([("reason".to_owned(), reason.to_owned())]);
        self.audit(context, Action::AuditGuardRaised, Vec::new(), Outcome::Success, detail).await
    }
}
