//! What the scheduler found out about connections, kept in memory. It looks each second, and nearly always nothing changed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use uuid::Uuid;
use vaultterm_reconcile::UnixNanos;
use vaultterm_sync::{ConnectionId, Run, schedule::Hinted};

/// The facts that earlier looks found.
#[derive(Default)]
pub(crate) struct KnownFacts(Mutex<HashMap<ConnectionId, (Mark, Known)>>);

/// What shows whether the facts about a connection are still those of an earlier look: its newest run, and the change number
/// of its collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) newest: Option<Uuid>,
    pub(crate) state: Option<String>,
    pub(crate) finished: Option<i64>,
    pub(crate) change_number: u64,
}

/// What takes several queries to find.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) last_run: Option<Run>,
    /// The number of consecutive failed runs up to the newest run.
    pub(crate) streak: u32,
    pub(crate) changed: Option<UnixNanos>,
    /// The runs that hints started so far.
    pub(crate) hinted: Hinted,
}

impl KnownFacts {
    /// Returns the facts about a connection, if they were found at this mark.
    pub(crate) fn at(&self, id: ConnectionId, mark: &Mark) -> Option<Known> {
        let facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        facts.get(&id).filter(|(as_of, _)| as_of == mark).map(|(_, known)| known.clone())
    }

    /// Keeps the facts that were found after a mark was read.
    pub(crate) fn keep(&self, id: ConnectionId, mark: Mark, known: Known) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (mark, known));
    }
}
