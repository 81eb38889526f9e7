//! What VaultTerm has still to be told, within bounds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;
use vaultterm_reconcile::SecretPath;

/// The paths of a connection that wait at most. With more of them, they are forgotten, and VaultTerm looks at everything.
const PATHS_MAX: usize = 10_000;
/// The paths of one request.
const BATCH_MAX: usize = 1_000;

/// What is known of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Who made it, in words for people.
    pub writer: Option<String>,
    /// The version that it made.
    pub version: Option<u64>,
    /// When it was made.
    pub at: Option<Timestamp>,
}

impl Hint {
    /// Goes on with a later hint for the same path. One that names nobody leaves the writer who is known.
    fn followed_by(&mut self, later: Self) {
        if later.writer.is_some() || self.writer.is_none() {
            *self = later;
        }
    }
}

/// A request to VaultTerm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The paths that changed, at most 1,000.
    pub changes: Vec<(SecretPath, Hint)>,
    /// Whether to look at everything.
    pub everything: bool,
}

/// What waits for one connection.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    changes: BTreeMap<SecretPath, Hint>,
    everything: bool,
}

impl Desk {
    fn bound(&mut self) -> bool {
        let is_too_much = self.changes.len() > PATHS_MAX;
        if is_too_much {
            (self.changes, self.everything) = (BTreeMap::new(), true);
        }
        is_too_much
    }

    /// Divides what waits into requests. The wish to look at everything comes with the first.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        let changes: Vec<_> = self.changes.iter().map(|(path, hint)| (path.clone(), hint.clone())).collect();
        let mut batches: Vec<_> =
            changes.chunks(BATCH_MAX).map(|part| Batch { changes: part.to_vec(), everything: false }).collect();
        if self.everything {
            match batches.first_mut() {
                Some(first) => first.everything = true,
                None => batches.push(Batch { changes: Vec::new(), everything: true }),
            }
        }
        batches
    }
}

/// What waits for all connections.
#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<Uuid, Desk>);

impl Waiting {
    /// Notes a change. Returns whether too many wait, and they became a wish to look at everything.
    pub(crate) fn note(&mut self, connection: Uuid, path: SecretPath, hint: Hint) -> bool {
        let desk = self.0.entry(connection).or_default();
        desk.changes.entry(path).or_default().followed_by(hint);
        desk.bound()
    }

    /// Notes that everything must be looked at.
    pub(crate) fn everything(&mut self, connections: impl IntoIterator<Item = Uuid>) {
        for connection in connections {
            self.0.entry(connection).or_default().everything = true;
        }
    }

    /// Forgets connections that are not known any more.
    pub(crate) fn retain(&mut self, is_known: impl Fn(Uuid) -> bool) {
        self.0.retain(|id, _| is_known(*id));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes what waits, for sending.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Takes the next connection.
    pub(crate) fn next(&mut self) -> Option<(Uuid, Desk)> {
        self.0.pop_first()
    }

    /// Puts a connection back that could not be told.
    pub(crate) fn put_back(&mut self, connection: Uuid, desk: Desk) {
        self.0.insert(connection, desk);
    }

    /// Puts back what could not be sent. What came meanwhile is later.
    pub(crate) fn give_back(&mut self, unsent: Self) {
        for (id, mut desk) in unsent.0 {
            let later = self.0.remove(&id).unwrap_or_default();
            for (path, hint) in later.changes {
                desk.changes.entry(path).or_default().followed_by(hint);
            }
            desk.everything |= later.everything;
            desk.bound();
            self.0.insert(id, desk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);

    fn path(text: &str) -> SecretPath {
        SecretPath::new(text).unwrap()
    }

    fn by(writer: &str) -> Hint {
        Hint { writer: Some(writer.to_owned()), ..Hint::default() }
    }

    #[test]
    fn several_changes_of_a_path_are_one_and_the_last_known_writer_stays() {
        let mut waiting = Waiting::default();
        for hint in [by("ann"), by("bob"), Hint::default()] {
            assert!(!waiting.note(ONE, path("a"), hint));
        }
        let (_, desk) = waiting.next().unwrap();
        assert_eq!(desk.batches(), [Batch { changes: vec![(path("a"), by("bob"))], everything: false }]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_request_names_a_thousand_paths_at_most() {
        let mut waiting = Waiting::default();
        for n in 0..2_001 {
            waiting.note(ONE, path(&format!("p{n}")), Hint::default());
        }
        waiting.everything([ONE]);
        let batches = waiting.next().unwrap().1.batches();
        let sizes: Vec<_> = batches.iter().map(|batch| (batch.changes.len(), batch.everything)).collect();
        assert_eq!(sizes, [(1_000, true), (1_000, false), (1, false)]);
        waiting.everything([ONE]);
        assert_eq!(waiting.next().unwrap().1.batches(), [Batch { changes: vec![], everything: true }]);
    }

    #[test]
    fn more_than_may_wait_is_forgotten_and_becomes_a_look_at_everything() {
        let mut waiting = Waiting::default();
        let full = (0..PATHS_MAX).any(|n| waiting.note(ONE, path(&format!("p{n}")), Hint::default()));
        assert!(!full);
        let unsent = waiting.take();
        assert!(!waiting.note(ONE, path("one more"), Hint::default()));
        waiting.give_back(unsent);
        assert_eq!(waiting.next().unwrap().1.batches(), [Batch { changes: vec![], everything: true }]);
    }

    #[test]
    fn what_comes_back_unsent_stands_behind_what_came_meanwhile() {
        let mut waiting = Waiting::default();
        waiting.note(ONE, path("a"), by("first"));
        waiting.note(ONE, path("b"), by("first"));
        waiting.everything([Uuid::from_u128(2)]);
        let unsent = waiting.take();
        waiting.note(ONE, path("a"), by("second"));
        waiting.note(ONE, path("b"), Hint::default());
        waiting.give_back(unsent);
        waiting.retain(|id| id == ONE);
        let changes = waiting.next().unwrap().1.batches().remove(0).changes;
        assert_eq!(changes, [(path("a"), by("second")), (path("b"), by("first"))]);
        assert!(waiting.is_empty());
    }
}
