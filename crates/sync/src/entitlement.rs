//! Whether the license permits synchronization.
//!
//! The engine asks when a run is about to apply its plan, and before a decision on a conflict. The engine
//! knows nothing about licenses. The server implements [`Entitlement`]. This module contains the texts that
//! people read.

use vaultterm_reconcile::{Halt, HaltKind};

/// The source of the answer whether synchronization is included at the moment.
pub trait Entitlement: Send + Sync {
    /// Returns why synchronization is not included, or `None` if it is.
    fn missing(&self) -> Option<Unlicensed>;
}

/// The license does not include synchronization.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the license does not include synchronization with HashiCorp Vault: plans still work, nothing is written and nothing is forgotten ({0})"
)]
pub struct Unlicensed(String);

impl Unlicensed {
    /// Returns the error with its reason: no license, an expired one, or a tier without synchronization.
    #[must_use]
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// Returns the halt of plans and runs. No person can acknowledge it.
    #[must_use]
    pub fn halt(&self) -> Halt {
        Halt { kind: HaltKind::License, detail: self.to_string() }
    }
}
