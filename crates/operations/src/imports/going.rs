//! Imports that store records at this moment, at this server: how far each is, and why one failed that nobody waited for.
//!
//! All records of an import become visible together, so only the process that stores them can tell how far it is.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use uuid::Uuid;

/// The failures that are kept for people who have not looked yet. Their ids are in the order of time: the oldest make room.
const FAILURES_MAX: usize = 100;

/// How far an import is that stores records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The items that are stored.
    pub done: u64,
    /// The items that will be. 0 as long as the import only looks at what is here.
    pub total: u64,
}

/// The imports that go on, and those that failed.
#[derive(Clone, Debug, Default)]
pub(super) struct AllGoing(Arc<Mutex<All>>);

#[derive(Debug, Default)]
struct All {
    going: BTreeMap<Uuid, Arc<Counts>>,
    /// Why, in words.
    failed: BTreeMap<Uuid, String>,
}

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    total: AtomicU64,
}

/// An import that stores records, until this is dropped.
pub(super) struct Going {
    id: Uuid,
    counts: Arc<Counts>,
    all: AllGoing,
}

impl AllGoing {
    /// Notes that an import begins. `None` if it goes on already.
    pub(super) fn begin(&self, id: Uuid) -> Option<Going> {
        let mut all = self.all();
        if all.going.contains_key(&id) {
            return None;
        }
        all.failed.remove(&id);
        let counts = Arc::<Counts>::default();
        all.going.insert(id, Arc::clone(&counts));
        Some(Going { id, counts, all: self.clone() })
    }

    /// Tells how far an import is, while it goes on.
    pub(super) fn progress(&self, id: Uuid) -> Option<Progress> {
        let all = self.all();
        let counts = all.going.get(&id)?;
        let (done, total) = (counts.done.load(Ordering::Relaxed), counts.total.load(Ordering::Relaxed));
        Some(Progress { done, total })
    }

    /// Keeps why an import failed, for the next look.
    pub(super) fn fail(&self, id: Uuid, why: String) {
        let mut all = self.all();
        all.failed.insert(id, why);
        while all.failed.len() > FAILURES_MAX {
            all.failed.pop_first();
        }
    }

    /// Takes why an import failed.
    pub(super) fn take_failure(&self, id: Uuid) -> Option<String> {
        self.all().failed.remove(&id)
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Going {
    /// Tells how many items will be stored.
    pub(super) fn expect(&self, total: u64) {
        self.counts.total.store(total, Ordering::Relaxed);
    }

    /// Tells how many items are stored.
    pub(super) fn set(&self, done: u64) {
        self.counts.done.store(done, Ordering::Relaxed);
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.all.all().going.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_goes_on_once_and_tells_how_far_it_is() {
        let all = AllGoing::default();
        let id = Uuid::from_u128(1);
        assert_eq!(all.progress(id), None);
        let going = all.begin(id).unwrap();
        assert!(all.begin(id).is_none());
        assert_eq!(all.progress(id), Some(Progress { done: 0, total: 0 }));
        going.expect(10);
        going.set(3);
        assert_eq!(all.progress(id), Some(Progress { done: 3, total: 10 }));
        assert!(all.begin(Uuid::from_u128(2)).is_some());
        drop(going);
        assert_eq!(all.progress(id), None);
    }

    #[test]
    fn a_failure_is_told_once_and_forgotten_when_the_import_begins_again() {
        let all = AllGoing::default();
        let id = Uuid::from_u128(1);
        all.fail(id, "why".to_owned());
        assert_eq!(all.take_failure(id).as_deref(), Some("why"));
        assert_eq!(all.take_failure(id), None);
        all.fail(id, "why".to_owned());
        drop(all.begin(id));
        assert_eq!(all.take_failure(id), None);
        for id in 0..=FAILURES_MAX as u128 {
            all.fail(Uuid::from_u128(id), String::new());
        }
        assert!(all.take_failure(Uuid::from_u128(0)).is_none() && all.take_failure(id).is_some());
    }
}
