//! A license that is in effect until a test takes it away.

use std::sync::{Arc, Mutex, PoisonError};

use vaultterm_sync::{Entitlement, Unlicensed};

/// A license for tests. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct FakeLicense(Arc<Mutex<Option<String>>>);

impl FakeLicense {
    /// Takes the entitlement away, with a reason.
    pub fn take_away(&self, why: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    /// Gives the entitlement back.
    pub fn give_back(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Entitlement for FakeLicense {
    fn missing(&self) -> Option<Unlicensed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map(Unlicensed::because)
    }
}
