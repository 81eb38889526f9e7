//! Named leases: the task that has a lease is the only one that does the job of that name.
//!
//! They hold in this process. That is enough for now, because the lock file gives the database to one
//! process. With several processes they have to become rows in the database.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The leases that are taken. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Leases(Arc<Mutex<BTreeSet<String>>>);

/// A lease, given back when it is dropped.
#[derive(Debug)]
pub struct Lease {
    leases: Leases,
    name: String,
}

impl Leases {
    /// Takes a lease, unless somebody has it.
    #[must_use]
    pub fn take(&self, name: &str) -> Option<Lease> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned()).then(|| Lease { leases: self.clone(), name: name.to_owned() })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::Leases;

    #[test]
    fn a_lease_has_one_holder_at_a_time() {
        let leases = Leases::default();
        let lease = leases.take("checkpoints").expect("nobody has it");
        assert!(leases.take("checkpoints").is_none());
        assert!(leases.take("due runs").is_some(), "others do not wait");
        drop(lease);
        assert!(leases.take("checkpoints").is_some());
    }
}
