//! The plan of a run in the words of the specification, without values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    BaseEntry, Content, Counts, Halt, RecordId, RecordType, RemoteStamp, Revision, SecretPath, Side, UnixNanos,
    Version, names,
};

/// What a run will do. The lists are sorted by path, and the same input gives the same plan, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps to carry out. A path has at most one step.
    pub steps: Vec<Step>,
    /// The decisions that a person must make. A conflict freezes only its own path.
    pub conflicts: Vec<Conflict>,
    /// The paths that are left alone, with reasons.
    pub skips: Vec<Skip>,
    /// The halts, which stop the whole run until a person acknowledges them.
    pub halts: Vec<Halt>,
    /// The number of paths that are in step on both sides.
    pub unchanged: u64,
    /// The paths whose sides differ because a person accepted that. A run changes nothing there.
    #[serde(default)]
    pub accepted: Vec<AcceptedDifference>,
    /// Whether the base does not count (at the first sync after the scope or the remote changed). Applying
    /// the plan then starts by forgetting the base.
    pub base_set_aside: bool,
    /// The risks of the connection's options, in sentences for people. They do not stop anything.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The highest number of the connection's own runs that Vault shows. 0 means that there is none. The run
    /// that applies the plan must have a higher number.
    #[serde(default)]
    pub newest_run_seen: u64,
    /// The versions that the write of a step evicts and that local history may lack. They first become
    /// revisions of the record, unless a revision has the same content already.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept_first: BTreeMap<SecretPath, Vec<Version>>,
    /// The writers of the remote states that steps take over, as far as the server names them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub writers: BTreeMap<SecretPath, String>,
    /// What the plan leaves out, if it is for some paths only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<Restricted>,
}

/// What a plan for some paths does not contain. Both sides were looked at as a whole all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restricted {
    /// The paths that the plan is for.
    pub paths: Vec<SecretPath>,
    /// What a run of the whole connection would do at other paths.
    pub elsewhere: Counts,
    /// The halts of a run of the whole connection that do not concern this plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_elsewhere: Vec<Halt>,
}

/// An action at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The path. For a move, it is the new path.
    pub path: SecretPath,
    /// The action.
    pub action: Action,
    /// The reason.
    pub reason: Reason,
    /// The states that must still hold when the step is carried out. Otherwise the step is stale.
    pub expect: Expect,
    /// The fields that change, if that is known before values are read.
    pub fields: Vec<FieldChange>,
    /// Whether the secret is then marked as managed by this instance, with the type of the record.
    pub annotate: bool,
}

/// The action of a step. No decision is left to its execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Writes the record to a path without a live version.
    CreateRemote {
        /// 0, or the version of a deleted head.
        cas: Version,
        /// `created_time` of the key's metadata, if the key has metadata already.
        key_created: Option<UnixNanos>,
    },
    /// Writes the record over the live remote version.
    UpdateRemote {
        /// The version on which the plan is based.
        cas: Version,
        /// Whether the remote value must first be kept as a revision of the record, because local history
        /// does not contain it.
        archive: bool,
    },
    /// Soft-deletes exactly this remote version.
    DeleteRemote {
        /// The version that was seen.
        version: Version,
    },
    /// Follows a changed path of the record: writes it at the new path, and then soft-deletes the old secret.
    MoveRemote {
        /// The old path.
        from: SecretPath,
        /// The base at the old path. Its version is the one to delete. (In a box, because it would make every step of a plan
        /// larger, and most are no moves.)
        from_base: Box<BaseEntry>,
        /// The `cas` at the new path.
        cas: Version,
        /// `created_time` of the new key's metadata, if the key has metadata already.
        key_created: Option<UnixNanos>,
    },
    /// Imports the remote version as a record.
    CreateLocal {
        /// The trashed record that comes back with this value, if there was one at this path.
        restores: Option<RecordId>,
        /// The type of the record, if the mark names one. Otherwise the type is inferred.
        record_type: Option<RecordType>,
    },
    /// Writes the remote version as the next revision of the record.
    UpdateLocal {
        /// The new type, if it changes.
        record_type: Option<RecordType>,
    },
    /// Moves the record to the trash.
    DeleteLocal,
    /// Writes a field-by-field merge to both sides.
    Merge {
        /// The source of each field of the result. A field that is not named is not part of it.
        fields: BTreeMap<String, Side>,
        /// The type of the result.
        record_type: RecordType,
        /// The version on which the plan is based.
        cas: Version,
    },
    /// Moves only the base, because the two sides are equal.
    Adopt {
        /// The type that the record takes over from the mark, if it changes.
        record_type: Option<RecordType>,
    },
    /// Forgets the base, because both sides are gone, or the side that was left alone is.
    Forget,
    /// Drops the link, because one side is gone and the other is left alone.
    Unlink,
    /// Accepts that the sides differ. The present states of both are remembered, and the remote value is kept
    /// as a revision of the record. Only a resolution plans this.
    Accept,
    /// Keeps an accepted difference after the same values were written again. The remembered revision and
    /// version become the present ones.
    KeepAccepted,
    /// Makes a new record at the step's path from the remote version at `from` (`keep_both`). Only a
    /// resolution plans this.
    CopyLocal {
        /// The path of the remote version.
        from: SecretPath,
    },
}

/// The states on which a step is based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The local side.
    pub local: LocalExpect,
    /// The remote side.
    pub remote: RemoteExpect,
}

impl Expect {
    /// Returns the revision that is expected locally.
    #[must_use]
    pub const fn local_revision(&self) -> Option<u64> {
        match self.local {
            LocalExpect::Absent => None,
            LocalExpect::Live { revision, .. } => Some(revision.0),
        }
    }

    /// Returns the version that is expected in Vault: of a deleted secret, the deleted one.
    #[must_use]
    pub const fn remote_version(&self) -> Option<u64> {
        match self.remote {
            RemoteExpect::Absent => None,
            RemoteExpect::Deleted { stamp } | RemoteExpect::Live { stamp, .. } => Some(stamp.version.0),
        }
    }
}

/// The local state on which a step or conflict is based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum LocalExpect {
    /// There is no live record at the path.
    Absent,
    /// There is this record at this revision.
    Live {
        /// The record.
        record_id: RecordId,
        /// The revision.
        revision: Revision,
    },
}

/// The remote state on which a step or conflict is based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RemoteExpect {
    /// There are no metadata at the path, or there are metadata without a version.
    Absent,
    /// This version is the newest, and is deleted, expired or destroyed.
    Deleted {
        /// The version.
        stamp: RemoteStamp,
    },
    /// This version is the newest and live.
    Live {
        /// The version.
        stamp: RemoteStamp,
        /// The `deletion_time`, if it lies in the future.
        expires: Option<UnixNanos>,
    },
}

/// The reason of a step.
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

/// A change of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The name of the field.
    pub name: String,
    /// The kind of change.
    pub change: Change,
}

names!(
    /// The kinds of changes of a field.
    #[allow(missing_docs, reason = "the names say it all")]
    Change, "change" {
        Added = "added",
        Changed = "changed",
        Removed = "removed",
    }
);

/// A decision that a person must make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The path.
    pub path: SecretPath,
    /// The kind.
    pub kind: ConflictKind,
    /// The two states on which a decision is based.
    pub expect: Expect,
    /// The record, if one is known. It is live, or the base names it.
    pub record_id: Option<RecordId>,
    /// The content of the base, if there is a base.
    pub base: Option<Content>,
    /// The content of the record, if it is live.
    pub local: Option<Content>,
    /// The content of the secret, if it is live.
    pub remote: Option<Content>,
    /// The fields in which the sides differ, sorted.
    pub diverged: Vec<String>,
    /// The writer of the remote state, as far as the server names it. The planner never asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_writer: Option<String>,
}

names!(
    /// The kinds of conflict.
    ConflictKind, "kind of conflict" {
        /// Both sides changed, and no merge is allowed. They changed the same field or group, or fields that may
        /// belong to one credential (`merge = descriptive`), or any fields (`merge = secret`).
        BothChanged = "both_changed",
        /// The record was deleted, and the secret changed.
        LocalDeleted = "local_deleted",
        /// The secret was deleted, and the record changed.
        RemoteDeleted = "remote_deleted",
        /// Both sides have the path with different contents, and were never in step.
        NoBase = "no_base",
        /// The side that is not authoritative changed.
        Drift = "drift",
        /// The remote version went backwards.
        Rewound = "rewound",
        /// The secret is marked as managed by another VaultTerm.
        ForeignOwner = "foreign_owner",
        /// The two sides changed the type to different ones.
        TypeChanged = "type_changed",
    }
);

/// A path whose sides differ because a person accepted that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedDifference {
    /// The path.
    pub path: SecretPath,
    /// The person who accepted it.
    pub by: String,
    /// The time at which it was accepted.
    pub at: UnixNanos,
}

/// A path that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The path, or a listed name that is not a valid path.
    pub path: String,
    /// The reason for people. It never contains a value.
    pub reason: String,
    /// Whether the cause may pass by itself.
    #[serde(default)]
    pub kind: SkipKind,
    /// The person who accepted that the path is left out, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
}

names!(
    /// The condition under which a path that was left alone can be synchronized.
    #[derive(Default)]
    SkipKind, "kind of skip" {
        /// A later run may synchronize it, after a right is granted, a read succeeds, or another step is done.
        #[default]
        Passing = "passing",
        /// The secret cannot become a record under its name. A person must rename it, or accept that it is left
        /// out.
        NeverTakenOver = "left_out" | "never_taken_over",
        /// A write would evict more versions than are kept as revisions. A person must make room.
        WouldEvict = "waits" | "would_evict",
        /// A person left it out of this run. The next run plans it again.
        Unticked = "unticked",
    }
);

impl Skip {
    /// Returns whether the path can be synchronized only after a person acts, and no person accepted that it
    /// is left out. A run with such a path is not complete.
    #[must_use]
    pub const fn waits_for_a_person(&self) -> bool {
        !matches!(self.kind, SkipKind::Passing | SkipKind::Unticked) && self.accepted_by.is_none()
    }
}

impl Plan {
    /// Returns the counts of a run that carries out all steps of the plan.
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
    /// Counts an action that was carried out. A merge counts on both sides, and a move counts as an update.
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

names!(
    /// What a step does, without what it does it to.
    #[allow(missing_docs, reason = "each is described at `Action`")]
    ActionName, "action" {
        CreateRemote = "create_remote",
        UpdateRemote = "update_remote",
        DeleteRemote = "delete_remote",
        MoveRemote = "move_remote",
        CreateLocal = "create_local",
        UpdateLocal = "update_local",
        DeleteLocal = "delete_local",
        Merge = "merge",
        Adopt = "adopt",
        Forget = "forget",
        Unlink = "unlink",
        Accept = "accept",
        KeepAccepted = "keep_accepted",
        CopyLocal = "copy_local",
    }
);

impl Action {
    /// Returns what the action does, without what it does it to.
    #[must_use]
    pub const fn name(&self) -> ActionName {
        match self {
            Self::CreateRemote { .. } => ActionName::CreateRemote,
            Self::UpdateRemote { .. } => ActionName::UpdateRemote,
            Self::DeleteRemote { .. } => ActionName::DeleteRemote,
            Self::MoveRemote { .. } => ActionName::MoveRemote,
            Self::CreateLocal { .. } => ActionName::CreateLocal,
            Self::UpdateLocal { .. } => ActionName::UpdateLocal,
            Self::DeleteLocal => ActionName::DeleteLocal,
            Self::Merge { .. } => ActionName::Merge,
            Self::Adopt { .. } => ActionName::Adopt,
            Self::Forget => ActionName::Forget,
            Self::Unlink => ActionName::Unlink,
            Self::Accept => ActionName::Accept,
            Self::KeepAccepted => ActionName::KeepAccepted,
            Self::CopyLocal { .. } => ActionName::CopyLocal,
        }
    }

    /// Returns the name that the API uses.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.name().as_str()
    }

    /// Returns whether the action writes a value to Vault.
    #[must_use]
    pub const fn writes_remote(&self) -> bool {
        matches!(
            self,
            Self::CreateRemote { .. } | Self::UpdateRemote { .. } | Self::MoveRemote { .. } | Self::Merge { .. }
        )
    }
}

impl Step {
    /// Returns whether the step changes anything in Vault, including a mark.
    #[must_use]
    pub const fn changes_remote(&self) -> bool {
        self.annotate || self.action.writes_remote() || matches!(self.action, Action::DeleteRemote { .. })
    }
}

impl Reason {
    /// Returns the reason as a sentence for people.
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
