//! Plans and runs; the engine's journal.

use vaultterm_ledger::Actor;
use vaultterm_sync::{ConnectionId, PlanId, Run, RunId, StoredPlan};

use crate::{Page, Paged, Store, StoreError};

impl Store {
    /// Finds a run.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Lists the runs of a connection, newest first.
    pub async fn runs(&self, connection_id: ConnectionId, page: &Page) -> Result<Paged<Run>, StoreError> {
        let _ = (connection_id, page);
        todo!()
    }

    /// Finds a plan, expired or not.
    pub async fn stored_plan(&self, id: PlanId) -> Result<Option<StoredPlan>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Marks runs that a crash left `running` (their lease is over) as failed. Answers how many.
    pub async fn fail_abandoned_runs(&self, actor: &Actor, now_us: i64) -> Result<u64, StoreError> {
        let _ = (actor, now_us);
        todo!()
    }
}

// `impl vaultterm_sync::Journal for Store` stands in `journal.rs`.
