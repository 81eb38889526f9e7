//! Conflicts.

use vaultterm_sealing::SecretFields;
use vaultterm_sync::{CollectionId, ConflictId, ConflictStatus, ConnectionId, StoredConflict};

use crate::{Context, Page, Paged, Store, StoreError};

/// Which conflicts to list.
#[derive(Clone, Debug, Default)]
pub struct ConflictFilter {
    /// Of one connection.
    pub connection_id: Option<ConnectionId>,
    /// Of the connections of these collections.
    pub collections: Option<Vec<CollectionId>>,
    /// In one state.
    pub status: Option<ConflictStatus>,
}

impl Store {
    /// Lists conflicts by path.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn conflicts(&self, filter: &ConflictFilter, page: &Page) -> Result<Paged<StoredConflict>, StoreError> {
        let _ = (filter, page);
        todo!()
    }

    /// Finds a conflict.
    pub async fn stored_conflict(&self, id: ConflictId) -> Result<Option<StoredConflict>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Reads the local values of a conflict, base and current, and audits that both sides are
    /// shown (`HCV_CONFLICT_REVEALED`), committed before the answer.
    pub async fn reveal_conflict(
        &self,
        context: &Context,
        id: ConflictId,
    ) -> Result<(Option<SecretFields>, Option<SecretFields>), StoreError> {
        let _ = (context, id);
        todo!()
    }
}
