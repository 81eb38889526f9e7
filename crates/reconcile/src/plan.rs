//! The plan: what a run will do, in the words of the specification, without values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    BaseEntry, Content, Halt, RecordId, RecordType, RemoteStamp, Revision, SecretPath, Side, UnixNanos, Version,
};

/// What a run will do. Sorted by path; the same input gives the same plan, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What to carry out, at most one step per path.
    pub steps: Vec<Step>,
    /// What a person has to decide. A conflict freezes its path, nothing else.
    pub conflicts: Vec<Conflict>,
    /// What was left alone, and why.
    pub skips: Vec<Skip>,
    /// What stops the whole run until a person acknowledges it.
    pub halts: Vec<Halt>,
    /// Paths in step on both sides.
    pub unchanged: u64,
    /// Paths whose sides differ, and a person accepted that. Nothing happens there.
    #[serde(default)]
    pub accepted: Vec<AcceptedDifference>,
    /// Set when the base did not count (first sync after the scope or the remote changed):
    /// applying the plan starts by forgetting it.
    pub base_set_aside: bool,
    /// What the connection's options risk, in sentences for people. Nothing is stopped by it.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The newest of the connection's own runs that Vault shows; 0 for none. Whoever applies the
    /// plan must not number its run below.
    #[serde(default)]
    pub newest_run_seen: u64,
    /// Versions that a step's write evicts and that local history may lack: they become revisions of
    /// the record first, unless one holds the same already.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept_first: BTreeMap<SecretPath, Vec<Version>>,
}

/// How many paths of each kind a plan or a run has.
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

/// One thing to do at one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where (for a move: the new path).
    pub path: SecretPath,
    /// What.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What must still hold when the step is carried out; else it is stale.
    pub expect: Expect,
    /// Which fields change, where that is known before values are read.
    pub fields: Vec<FieldChange>,
    /// Whether the remote secret is then marked as managed by this instance, with the
    /// record's type.
    pub annotate: bool,
}

/// What a step does. Nothing is left to decide at execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Write the record to a path that holds no live version.
    CreateRemote {
        /// 0, or the version of a deleted head.
        cas: Version,
        /// The key's metadata `created_time`, when it has metadata already.
        key_created: Option<UnixNanos>,
    },
    /// Write the record over the live remote version.
    UpdateRemote {
        /// The version that was planned on.
        cas: Version,
        /// Whether the remote value must first be kept as a revision of the record,
        /// because local history does not hold it.
        archive: bool,
    },
    /// Soft-delete exactly this remote version.
    DeleteRemote {
        /// The version that was seen.
        version: Version,
    },
    /// The record's path changed: write it at the new path, then soft-delete the old one.
    MoveRemote {
        /// The old path.
        from: SecretPath,
        /// The base at the old path; its version is the one to delete.
        from_base: BaseEntry,
        /// `cas` at the new path.
        cas: Version,
        /// The new key's metadata `created_time`, when it has metadata already.
        key_created: Option<UnixNanos>,
    },
    /// Import the remote version as a record.
    CreateLocal {
        /// The trashed record that comes back with this value, if one stood at this path.
        restores: Option<RecordId>,
        /// The type to give it, when the annotation names one; else it is inferred.
        record_type: Option<RecordType>,
    },
    /// Write the remote version as the record's next revision.
    UpdateLocal {
        /// The type to give it, when it changes.
        record_type: Option<RecordType>,
    },
    /// Move the record to the trash.
    DeleteLocal,
    /// Write a field-by-field merge to both sides.
    Merge {
        /// Which side each field of the result comes from. A field that is not named is
        /// in neither.
        fields: BTreeMap<String, Side>,
        /// The type of the result.
        record_type: RecordType,
        /// The version that was planned on.
        cas: Version,
    },
    /// The two sides are equal: only the base moves.
    Adopt {
        /// The type the record takes on from the annotation, when it changes.
        record_type: Option<RecordType>,
    },
    /// Both sides are gone (or the one that was left alone is): the base is forgotten.
    Forget,
    /// One side is gone and the other is left alone: the link is dropped.
    Unlink,
    /// A person accepted that the sides differ: both present states are remembered, and the remote
    /// value is kept as a revision of the record. Only a resolution plans this.
    Accept,
    /// The same values were written again where a person had accepted that the sides differ: what is
    /// remembered moves to the present revision and version.
    KeepAccepted,
    /// The remote version at `from` becomes a new record at the step's path (`keep_both`). Only
    /// a resolution plans this.
    CopyLocal {
        /// Where the remote version is.
        from: SecretPath,
    },
}

/// What a step was planned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The local side.
    pub local: LocalExpect,
    /// The remote side.
    pub remote: RemoteExpect,
}

/// The local state a step or conflict was planned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum LocalExpect {
    /// No live record at the path.
    Absent,
    /// This record, at this revision.
    Live {
        /// The record.
        record_id: RecordId,
        /// Its revision.
        revision: Revision,
    },
}

/// The remote state a step or conflict was planned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RemoteExpect {
    /// No metadata at the path, or metadata without a version.
    Absent,
    /// This version is the newest and deleted, expired or destroyed.
    Deleted {
        /// The version.
        stamp: RemoteStamp,
    },
    /// This version is the newest and live.
    Live {
        /// The version.
        stamp: RemoteStamp,
        /// Its `deletion_time`, when that lies in the future.
        expires: Option<UnixNanos>,
    },
}

/// Why a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each name is its own explanation; the sentences are in `Reason::sentence`")]
pub enum Reason {
    NewLocally,
    NewRemotely,
    ChangedLocally,
    ChangedRemotely,
    ChangedOnBothSidesApart,
    EqualOnBothSides,
    DeletedLocally,
    DeletedRemotely,
    DeletedOnBothSides,
    Expired,
    Renamed,
    TypeChanged,
    DriftOverwritten,
    InitialPreference,
    /// A person decided a conflict.
    Resolved,
    /// A person accepted that the sides differ, and neither changed.
    StillAccepted,
}

/// How one field changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field's name.
    pub name: String,
    /// What happens to it.
    pub change: Change,
}

/// What happens to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Change {
    Added,
    Changed,
    Removed,
}

/// Something a person has to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Where.
    pub path: SecretPath,
    /// What kind.
    pub kind: ConflictKind,
    /// The two states a decision is taken on.
    pub expect: Expect,
    /// The record, where one is known (live, or the one the base names).
    pub record_id: Option<RecordId>,
    /// What the base held, when there is a base.
    pub base: Option<Content>,
    /// What the record holds, when it is live.
    pub local: Option<Content>,
    /// What the secret holds, when it is live.
    pub remote: Option<Content>,
    /// The fields on which the sides diverged, sorted.
    pub diverged: Vec<String>,
}

/// The kinds of conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Both sides changed, and no merge is allowed: the same field or group, fields that may belong
    /// to one credential (`merge = descriptive`), or anything at all (`merge = secret`).
    BothChanged,
    /// Deleted locally, changed remotely.
    LocalDeleted,
    /// Deleted remotely, changed locally.
    RemoteDeleted,
    /// Both sides hold the path, differently, and were never in step.
    NoBase,
    /// The side that is not authoritative changed.
    Drift,
    /// The remote version went backwards.
    Rewound,
    /// The secret is marked as managed by another VaultTerm.
    ForeignOwner,
    /// The type was changed on both sides, differently.
    TypeChanged,
}

/// A path whose sides differ because a person accepted that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedDifference {
    /// Where.
    pub path: SecretPath,
    /// Who accepted it.
    pub by: String,
    /// When.
    pub at: UnixNanos,
}

/// A path that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The path, or the listed name that cannot be one.
    pub path: String,
    /// Why, for people; never a value.
    pub reason: String,
    /// Whether it may pass by itself.
    #[serde(default)]
    pub kind: SkipKind,
    /// Who accepted that the path is left out, when somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
}

/// What it takes for a path that was left alone to be synchronized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipKind {
    /// A right, a look at it that works, or another step that comes first: a later run may go on.
    #[default]
    Passing,
    /// The secret can never be taken over under its name: somebody has to rename it, or to accept that
    /// it is left out.
    NeverTakenOver,
    /// A write would evict more versions than are kept: a person has to make room.
    WouldEvict,
}

impl Skip {
    /// Says whether a person has to act before the path can be synchronized, and nobody accepted that
    /// it is left out. A run with such a path is not complete.
    #[must_use]
    pub const fn waits_for_a_person(&self) -> bool {
        !matches!(self.kind, SkipKind::Passing) && self.accepted_by.is_none()
    }
}

impl Plan {
    /// Counts the plan's steps the way a run that carries all of them out counts them.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            unchanged: self.unchanged,
            accepted: self.accepted.len() as u64,
            conflicts: self.conflicts.len() as u64,
            skipped: self.skips.len() as u64,
            ..Counts::default()
        };
        for step in &self.steps {
            counts.count(&step.action);
        }
        counts
    }
}

impl Counts {
    /// Counts one carried-out action. A merge counts on both sides; a move is an update.
    pub const fn count(&mut self, action: &Action) {
        match action {
            Action::CreateRemote { .. } => self.created_remote += 1,
            Action::UpdateRemote { .. } | Action::MoveRemote { .. } => self.updated_remote += 1,
            Action::DeleteRemote { .. } => self.deleted_remote += 1,
            Action::CreateLocal { .. } | Action::CopyLocal { .. } => self.created_local += 1,
            Action::UpdateLocal { .. } => self.updated_local += 1,
            Action::DeleteLocal => self.deleted_local += 1,
            Action::Merge { .. } => {
                self.updated_remote += 1;
                self.updated_local += 1;
            }
            Action::Adopt { .. } | Action::Accept | Action::KeepAccepted | Action::Forget | Action::Unlink => {
                self.adopted += 1;
            }
        }
    }
}

impl Action {
    /// Returns the name used in the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::CreateRemote { .. } => "create_remote",
            Self::UpdateRemote { .. } => "update_remote",
            Self::DeleteRemote { .. } => "delete_remote",
            Self::MoveRemote { .. } => "move_remote",
            Self::CreateLocal { .. } => "create_local",
            Self::UpdateLocal { .. } => "update_local",
            Self::DeleteLocal => "delete_local",
            Self::Merge { .. } => "merge",
            Self::Adopt { .. } => "adopt",
            Self::Forget => "forget",
            Self::Unlink => "unlink",
            Self::Accept => "accept",
            Self::KeepAccepted => "keep_accepted",
            Self::CopyLocal { .. } => "copy_local",
        }
    }

    /// Says whether the action writes a value to Vault.
    #[must_use]
    pub const fn writes_remote(&self) -> bool {
        matches!(
            self,
            Self::CreateRemote { .. } | Self::UpdateRemote { .. } | Self::MoveRemote { .. } | Self::Merge { .. }
        )
    }
}

impl Step {
    /// Says whether carrying it out changes anything in Vault, be it a mark.
    #[must_use]
    pub const fn changes_remote(&self) -> bool {
        self.annotate || self.action.writes_remote() || matches!(self.action, Action::DeleteRemote { .. })
    }
}

impl Reason {
    /// Says why, in a sentence for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NewLocally => "the record is new",
            Self::NewRemotely => "the secret is new",
            Self::ChangedLocally => "the record changed",
            Self::ChangedRemotely => "the secret changed",
            Self::ChangedOnBothSidesApart => "both sides changed, in different fields",
            Self::EqualOnBothSides => "both sides hold the same",
            Self::DeletedLocally => "the record was deleted",
            Self::DeletedRemotely => "the secret was deleted",
            Self::DeletedOnBothSides => "both sides were deleted",
            Self::Expired => "the secret expired",
            Self::Renamed => "the record was renamed",
            Self::TypeChanged => "the type changed",
            Self::DriftOverwritten => "the side that is not authoritative changed, and on_drift is overwrite",
            Self::InitialPreference => "both sides hold the path, and initial says which one counts",
            Self::Resolved => "a person decided the conflict",
            Self::StillAccepted => "the sides differ as a person accepted it",
        }
    }
}

impl ConflictKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::BothChanged,
        Self::LocalDeleted,
        Self::RemoteDeleted,
        Self::NoBase,
        Self::Drift,
        Self::Rewound,
        Self::ForeignOwner,
        Self::TypeChanged,
    ];

    /// Returns the name used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BothChanged => "both_changed",
            Self::LocalDeleted => "local_deleted",
            Self::RemoteDeleted => "remote_deleted",
            Self::NoBase => "no_base",
            Self::Drift => "drift",
            Self::Rewound => "rewound",
            Self::ForeignOwner => "foreign_owner",
            Self::TypeChanged => "type_changed",
        }
    }
}
