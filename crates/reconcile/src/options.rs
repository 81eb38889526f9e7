//! The options that a person chooses for a connection.

use serde::{Deserialize, Serialize};

use crate::names;

names!(
    /// The direction in which credentials travel.
    Mode, "mode" {
        /// VaultTerm is authoritative.
        Push = "push",
        /// Vault is authoritative.
        Pull = "pull",
        /// Both sides are kept in step.
        Bidirectional = "bidirectional",
    }
);
names!(
    /// The rule for merging edits of different fields.
    MergePolicy, "merge policy" {
        /// Merges field by field, if one side changed only descriptive fields.
        Descriptive = "descriptive",
        /// Merges field by field, and takes each atomic group from one side. If no group is known, fields
        /// that belong together may come from two people.
        Field = "field",
        /// Every change on both sides is a conflict.
        Secret = "secret",
    }
);
names!(
    /// The effect of a deletion on one side.
    DeletionPolicy, "deletion policy" {
        /// Drops the link and leaves the other side alone.
        Retain = "retain",
        /// Also deletes on the other side (recoverably).
        Propagate = "propagate",
    }
);
names!(
    /// The effect of a `deletion_time` that has passed (`delete_version_after`).
    ExpiryPolicy, "expiry policy" {
        /// The record stays.
        Ignore = "ignore",
        /// The expiry counts as a deletion.
        Propagate = "propagate",
    }
);
names!(
    /// The decision about a path that both sides have with different contents at the first sync.
    InitialPolicy, "initial policy" {
        /// A person decides.
        Conflict = "conflict",
        /// The record wins. The remote value is kept as a revision.
        PreferLocal = "prefer_local",
        /// The secret wins. The value of the record stays in its history.
        PreferRemote = "prefer_remote",
    }
);
names!(
    /// The effect of an edit on the side that is not authoritative.
    DriftPolicy, "drift policy" {
        /// A person decides.
        Conflict = "conflict",
        /// The authoritative side wins. The other value is kept as a revision.
        Overwrite = "overwrite",
    }
);

/// The options of a connection on which the planner depends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The direction in which credentials travel.
    pub mode: Mode,
    /// The rule for merging edits on both sides.
    pub merge: MergePolicy,
    /// The effect of deletions.
    pub deletions: DeletionPolicy,
    /// The effect of an expiry.
    pub expired: ExpiryPolicy,
    /// The decision at the first sync of a path.
    pub initial: InitialPolicy,
    /// The effect of edits on the side that is not authoritative.
    pub on_drift: DriftPolicy,
    /// Whether remote secrets are marked as managed by this instance.
    pub annotate: bool,
    /// The maximum share of the base that one side may lose, in percent. A run halts if a side would lose
    /// more than this share and also more than `max_delete_count` secrets.
    pub max_delete_percent: u32,
    /// The maximum number of secrets that one side may lose. See `max_delete_percent`.
    pub max_delete_count: u32,
    /// The id of this instance, which is written to `vaultterm-instance`.
    pub instance: String,
}

impl Options {
    /// Returns whether the connection marks secrets in Vault at all.
    #[must_use]
    pub const fn marks(&self) -> bool {
        self.annotate && !matches!(self.mode, Mode::Pull)
    }

    /// Returns the risk of the chosen options in a sentence for people, or `None` if there is no risk.
    #[must_use]
    pub const fn risk(&self) -> Option<&'static str> {
        match (self.mode, self.merge) {
            (Mode::Bidirectional, MergePolicy::Field) => Some(
                "merge is `field`: when one half of a credential changes here and the other half in Vault, a run \
                 joins them to a credential that nobody wrote; `merge=descriptive` makes such edits a conflict",
            ),
            _ => None,
        }
    }

    /// Returns the defaults for a mode. `deletions` is `propagate` only in both directions.
    #[must_use]
    pub fn defaults(mode: Mode, instance: impl Into<String>) -> Self {
        Self {
            mode,
            merge: MergePolicy::Descriptive,
            deletions: match mode {
                Mode::Bidirectional => DeletionPolicy::Propagate,
                Mode::Push | Mode::Pull => DeletionPolicy::Retain,
            },
            expired: ExpiryPolicy::Ignore,
            initial: InitialPolicy::Conflict,
            on_drift: DriftPolicy::Conflict,
            annotate: true,
            max_delete_percent: 25,
            max_delete_count: 10,
            instance: instance.into(),
        }
    }
}
