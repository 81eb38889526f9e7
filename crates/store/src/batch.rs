//! The state that the outcomes of one transaction share.

use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::{CollectionId, ConnectionId, RunId};

use crate::Context;

/// The state that the outcomes of a transaction share.
pub(crate) struct Batch {
    pub(crate) connection_id: ConnectionId,
    pub(crate) collection_id: CollectionId,
    pub(crate) run_id: RunId,
    pub(crate) now: UnixNanos,
    /// The change number of the collection, if a record changes in this transaction.
    pub(crate) change_number: u64,
    /// The context of the person or program that started the run.
    pub(crate) context: Context,
}
