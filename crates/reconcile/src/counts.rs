//! The counts of a plan or a run.

use serde::{Deserialize, Serialize};

/// The number of paths of each kind in a plan or a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the API's and say it all")]
pub struct Counts {
    pub created_remote: u64,
    pub updated_remote: u64,
    pub deleted_remote: u64,
    pub created_local: u64,
    pub updated_local: u64,
    pub deleted_local: u64,
    pub adopted: u64,
    pub unchanged: u64,
    #[serde(default)]
    pub accepted: u64,
    pub conflicts: u64,
    pub skipped: u64,
    pub failed: u64,
    pub stale: u64,
}

impl Counts {
    /// Returns what these counts have more than others, each at least 0.
    #[must_use]
    pub const fn less(&self, other: &Self) -> Self {
        Self {
            created_remote: self.created_remote.saturating_sub(other.created_remote),
            updated_remote: self.updated_remote.saturating_sub(other.updated_remote),
            deleted_remote: self.deleted_remote.saturating_sub(other.deleted_remote),
            created_local: self.created_local.saturating_sub(other.created_local),
            updated_local: self.updated_local.saturating_sub(other.updated_local),
            deleted_local: self.deleted_local.saturating_sub(other.deleted_local),
            adopted: self.adopted.saturating_sub(other.adopted),
            unchanged: self.unchanged.saturating_sub(other.unchanged),
            accepted: self.accepted.saturating_sub(other.accepted),
            conflicts: self.conflicts.saturating_sub(other.conflicts),
            skipped: self.skipped.saturating_sub(other.skipped),
            failed: self.failed.saturating_sub(other.failed),
            stale: self.stale.saturating_sub(other.stale),
        }
    }
}
