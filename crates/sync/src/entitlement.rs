//! Whether anything may be written at all: what the license includes.
//!
//! Asked when a run is about to apply, and before a decision on a conflict. The engine knows nothing
//! of licenses; whoever does implements [`Entitlement`]. The words that a person reads are here, once.

use vaultterm_reconcile::{Halt, HaltKind};

/// Says whether synchronization is included, at this moment.
pub trait Entitlement: Send + Sync {
    /// Returns why it is not; `None` when it is.
    fn missing(&self) -> Option<Unlicensed>;
}

/// Synchronization is not included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the license does not include synchronization with HashiCorp Vault: plans still work, nothing is written and nothing is forgotten ({0})"
)]
pub struct Unlicensed(String);

impl Unlicensed {
    /// What to do about it.
    pub const HINT: &str = "install one with `vaultterm license install FILE`; `vaultterm license show` says how it is";

    /// Says why: no license, an expired one, a tier without it.
    #[must_use]
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// The halt of plans and runs. Nobody can acknowledge it.
    #[must_use]
    pub fn halt(&self) -> Halt {
        Halt { kind: HaltKind::License, detail: format!("{self}: {}", Self::HINT) }
    }
}
