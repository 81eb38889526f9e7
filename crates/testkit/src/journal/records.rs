//! The actions of people on the local side: save, rename, trash, restore.

use vaultterm_reconcile::{RecordId, RecordType, SecretPath};
use vaultterm_sync::{CollectionId, Origin};

use super::{MemoryJournal, MemoryRecord, MemoryRevision};
use crate::Data;

impl MemoryJournal {
    /// Saves a new record, or the next revision of the record at the path.
    pub fn save(
        &self,
        collection_id: CollectionId,
        path: &SecretPath,
        record_type: RecordType,
        data: Data,
    ) -> RecordId {
        let mut state = self.state();
        state.change_number += 1;
        let revision = MemoryRevision { data, record_type, origin: Origin::Person };
        if let Some(id) = state.live_at(collection_id, path) {
            if let Some(record) = state.records.get_mut(&id) {
                record.revisions.push(revision);
            }
            return id;
        }
        let id = RecordId(state.draw_id());
        let record = MemoryRecord { collection_id, path: path.clone(), trashed: None, revisions: vec![revision] };
        state.records.insert(id, record);
        id
    }

    /// Renames the record at a path. As in the store, this makes a new revision with the same values.
    ///
    /// # Panics
    /// If there is no record at the path, or the new path is taken.
    pub fn rename(&self, collection_id: CollectionId, from: &SecretPath, to: &SecretPath) {
        let mut state = self.state();
        state.change_number += 1;
        assert!(state.live_at(collection_id, to).is_none(), "{to} is taken");
        let id = state.live_at(collection_id, from).expect("a record to rename");
        let record = state.records.get_mut(&id).expect("the record was just found");
        record.path = to.clone();
        let again = record.current().clone();
        record.revisions.push(again);
    }

    /// Moves the record at a path to the trash.
    ///
    /// # Panics
    /// If there is no record at the path.
    pub fn trash(&self, collection_id: CollectionId, path: &SecretPath) {
        let now = self.clock.tick();
        let mut state = self.state();
        state.change_number += 1;
        let id = state.live_at(collection_id, path).expect("a record to trash");
        let record = state.records.get_mut(&id).expect("the record was just found");
        record.trashed = Some(now);
    }

    /// Takes the newest trashed record at a path out of the trash.
    ///
    /// # Panics
    /// If there is no trashed record at the path, or the path holds a live record.
    pub fn untrash(&self, collection_id: CollectionId, path: &SecretPath) {
        let mut state = self.state();
        state.change_number += 1;
        assert!(state.live_at(collection_id, path).is_none(), "{path} is taken");
        let trashed = state
            .records
            .values_mut()
            .filter(|record| record.collection_id == collection_id && record.path == *path && record.trashed.is_some());
        let record = trashed.max_by_key(|record| record.trashed).expect("a record in the trash");
        record.trashed = None;
        // As in the store, a restore makes a new revision with the same values.
        let again = record.current().clone();
        record.revisions.push(again);
    }

    /// Returns the live record at a path.
    #[must_use]
    pub fn live(&self, collection_id: CollectionId, path: &SecretPath) -> Option<(RecordId, MemoryRecord)> {
        let state = self.state();
        let id = state.live_at(collection_id, path)?;
        Some((id, state.records.get(&id)?.clone()))
    }

    /// Returns all records, including trashed ones.
    #[must_use]
    pub fn records(&self) -> Vec<(RecordId, MemoryRecord)> {
        self.state().records.iter().map(|(id, record)| (*id, record.clone())).collect()
    }
}
