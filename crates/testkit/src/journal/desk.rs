//! Runs the contract of journals on the journal in memory.

use std::time::Duration;

use uuid::Uuid;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{Mode, RecordId, RecordType, SecretPath};
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, RunId, RunState};

use super::MemoryJournal;
use crate::{Data, Fuse, ManualClock, SECRET_ID, journal_contract::Desk, world::connection};

/// The actions of people at a [`MemoryJournal`].
pub struct MemoryDesk {
    journal: MemoryJournal,
    clock: ManualClock,
    connection_id: ConnectionId,
    collection_id: CollectionId,
}

/// Returns a journal in memory and its desk. The contract of journals runs on them.
#[must_use]
pub fn memory_world() -> (MemoryJournal, MemoryDesk) {
    let clock = ManualClock::new();
    let journal = MemoryJournal::new(clock.clone(), Fuse::new());
    let (connection_id, collection_id) = (ConnectionId(Uuid::from_u128(1)), CollectionId(Uuid::from_u128(2)));
    let mut row = connection(connection_id, collection_id, Mode::Bidirectional);
    row.started = false;
    journal.add_connection(row, SECRET_ID);
    (journal.clone(), MemoryDesk { journal, clock, connection_id, collection_id })
}

impl Desk for MemoryDesk {
    fn connection_id(&self) -> ConnectionId {
        self.connection_id
    }

    fn collection_id(&self) -> CollectionId {
        self.collection_id
    }

    async fn save(&self, path: &SecretPath, record_type: RecordType, data: Data) -> RecordId {
        self.journal.save(self.collection_id, path, record_type, data)
    }

    async fn rename(&self, from: &SecretPath, to: &SecretPath) {
        self.journal.rename(self.collection_id, from, to);
    }

    async fn trash(&self, path: &SecretPath) {
        self.journal.trash(self.collection_id, path);
    }

    async fn change_scope(&self) {
        self.journal.edit_connection(self.connection_id, |connection| connection.scope_changed = true);
    }

    async fn pause(&self, paused: bool) {
        self.journal.edit_connection(self.connection_id, |connection| connection.paused = paused);
    }

    async fn raise_guard(&self, reason: &str) {
        self.journal.raise_guard(self.connection_id, reason);
    }

    async fn wrap_credential(&self, token: &str) {
        self.journal.set_wrapping_token(self.connection_id, token);
    }

    async fn run_state(&self, id: RunId) -> Option<RunState> {
        self.journal.run_row(id).map(|run| run.state)
    }

    async fn conflict_ids(&self) -> Vec<ConflictId> {
        self.journal.conflict_rows().into_iter().map(|row| row.id).collect()
    }

    async fn audited(&self) -> Vec<AuditAction> {
        self.journal.audit().into_iter().map(|line| line.action).collect()
    }

    async fn let_pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }
}
