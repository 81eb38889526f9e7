//! The errors of the engine.

use vaultterm_reconcile::{NotResolvable, SecretPath};

use crate::{JournalError, RemoteFault, Unlicensed};

/// Why the engine could not do what the caller asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The connection, plan or conflict does not exist.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// Another run holds the lease.
    #[error("a run is in progress on this connection")]
    RunInProgress,
    /// The plan has expired, or the connection was edited since.
    #[error("{0}")]
    PlanNotApplicable(String),
    /// The plan has no step at this path, so nothing can be left out there.
    #[error("the plan does nothing at `{0}`: only paths with a step can be left out")]
    NotInPlan(SecretPath),
    /// A side changed since the decision was made.
    #[error("{0}")]
    Stale(String),
    /// The conflict is not open, or the resolution does not fit it.
    #[error("{0}")]
    NotResolvable(String),
    /// The decision by field leaves these fields open, although they differ and may belong to one credential.
    #[error("{}", NotResolvable::FieldsMissing(.0.clone()))]
    Undecided(Vec<String>),
    /// The license does not include synchronization.
    #[error(transparent)]
    Unlicensed(#[from] Unlicensed),
    /// An error of Vault.
    #[error(transparent)]
    Remote(#[from] RemoteFault),
    /// An error of the database.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
