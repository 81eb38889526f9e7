//! The options that a person chooses for a connection.

use serde::{Deserialize, Serialize};

macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every choice, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name used in the API and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

choice!(
    /// Which way credentials travel.
    Mode {
        /// VaultTerm is authoritative.
        Push = "push",
        /// Vault is authoritative.
        Pull = "pull",
        /// Both sides are kept in step.
        Bidirectional = "bidirectional",
    }
);
choice!(
    /// Whether edits of different fields are merged.
    MergePolicy {
        /// Three-way per field, where one side changed nothing but descriptive fields.
        Descriptive = "descriptive",
        /// Three-way per field, with atomic groups: fields that belong together may come from two
        /// people where no group is known.
        Field = "field",
        /// Every change on both sides is a conflict.
        Secret = "secret",
    }
);
choice!(
    /// What a deletion on one side does to the other.
    DeletionPolicy {
        /// Drop the link, leave the other side alone.
        Retain = "retain",
        /// Delete on the other side too (recoverably).
        Propagate = "propagate",
    }
);
choice!(
    /// What a passed `deletion_time` (`delete_version_after`) does.
    ExpiryPolicy {
        /// Nothing: the record stays.
        Ignore = "ignore",
        /// Counts as a deletion.
        Propagate = "propagate",
    }
);
choice!(
    /// What happens when both sides hold a path at the first sync, with different content.
    InitialPolicy {
        /// A person decides.
        Conflict = "conflict",
        /// The record wins; the remote value is kept as a revision.
        PreferLocal = "prefer_local",
        /// The secret wins. The value of the record stays in its history.
        PreferRemote = "prefer_remote",
    }
);
choice!(
    /// What happens to an edit on the side that is not authoritative.
    DriftPolicy {
        /// A person decides.
        Conflict = "conflict",
        /// The authoritative side wins; the other value is kept as a revision.
        Overwrite = "overwrite",
    }
);

/// The options of a connection on which the planner depends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The direction in which credentials travel.
    pub mode: Mode,
    /// Which edits on both sides are merged.
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
    /// The share of its base in percent that one side may lose. A run halts if it would lose more than this
    /// share …
    pub max_delete_percent: u32,
    /// … and more than this number of secrets.
    pub max_delete_count: u32,
    /// The id of this instance, which is written to `vaultterm-instance`.
    pub instance: String,
}

impl Options {
    /// Says whether the connection marks secrets in Vault at all.
    #[must_use]
    pub const fn marks(&self) -> bool {
        self.annotate && !matches!(self.mode, Mode::Pull)
    }

    /// Says what the choices risk, in a sentence for people; `None` when they risk nothing.
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
