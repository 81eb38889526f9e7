//! The base of a path: the state on which both sides agreed at its last sync.

use serde::{Deserialize, Serialize};

use crate::{Content, Mode, RecordId, RecordType, RemoteStamp, Revision, UnixNanos, Version, names};

/// The base of one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseEntry {
    /// The record that was synchronized.
    pub record_id: RecordId,
    /// The revision on which both sides agreed. Local history still contains it. If the sides were never in
    /// step ([`Accepted::agreed`] is false), it is the revision that keeps the value of the secret.
    pub revision: Revision,
    /// The type of the record at that time.
    pub record_type: RecordType,
    /// The remote version at that time.
    pub stamp: RemoteStamp,
    /// The `deletion_time` of that version, if it lay in the future.
    pub expires: Option<UnixNanos>,
    /// Whether the two sides are still linked.
    pub link: Link,
    /// The first version from which on local history contains every remote version up to that of `stamp`,
    /// because VaultTerm wrote or imported each of them. An older version may come from another client, and
    /// may never have been imported.
    #[serde(default = "no_version")]
    pub held_since: Version,
    /// The accepted difference, if a person accepted that the two sides differ. Then `stamp` is the version
    /// that was accepted beside the record's revision `local`.
    #[serde(default)]
    pub accepted: Option<Accepted>,
}

/// Returns the `held_since` of a base that was recorded before this field existed. No version counts as held
/// then.
const fn no_version() -> Version {
    Version(u64::MAX)
}

impl BaseEntry {
    /// Returns the version from which on local history contains everything, if both sides now agree on
    /// `stamp` and agreed on `before` until now. `is_ours` says that VaultTerm wrote the version of `stamp`, on top of
    /// the one that it had just looked at.
    ///
    /// The count goes on over a version that VaultTerm wrote on top of the one before. A version of another client
    /// restarts it, although its number follows: a snapshot may have been restored in between, and the versions below may
    /// be others than those that were agreed on.
    #[must_use]
    pub fn held_since(before: Option<&Self>, stamp: &RemoteStamp, is_ours: bool) -> Version {
        match before {
            Some(before) if before.stamp == *stamp => before.held_since,
            Some(before)
                if is_ours
                    && before.stamp.key_created == stamp.key_created
                    && stamp.version == before.stamp.version.next() =>
            {
                before.held_since
            }
            _ => stamp.version,
        }
    }

    /// Returns the revision that the record had when this entry was recorded.
    #[must_use]
    pub fn local_revision(&self) -> Revision {
        self.accepted.as_ref().map_or(self.revision, |accepted| accepted.local)
    }

    /// Returns whether both sides really agreed on `revision`.
    #[must_use]
    pub fn is_agreed(&self) -> bool {
        self.accepted.as_ref().is_none_or(|accepted| accepted.agreed)
    }
}

/// A difference between the two sides that a person accepted (*keep local* in a pull, *keep remote* in a
/// push). Local history contains the contents of both sides at that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The revision of the record, which stays different from the secret.
    pub local: Revision,
    /// The revision of the record that keeps the value of the secret.
    pub remote: Revision,
    /// Whether both sides were in step before. If so, they agreed on the revision of the base.
    pub agreed: bool,
    /// The mode in which it was accepted. In another mode the path is examined again.
    pub mode: Mode,
    /// Whether a person has since asked for a new decision about the path.
    #[serde(default)]
    pub reopened: bool,
    /// The person who accepted it.
    pub by: String,
    /// The time at which it was accepted.
    pub at: UnixNanos,
}

impl Accepted {
    /// Returns whether the difference still counts as accepted in this mode and was not reopened. A change of
    /// either side also ends the acceptance, but is not checked here.
    #[must_use]
    pub fn holds_in(&self, mode: Mode) -> bool {
        !self.reopened && self.mode == mode
    }
}

/// The contents of the two sides when a person accepted that they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedContents {
    /// The content of the record.
    pub local: Content,
    /// The content of the secret.
    pub remote: Content,
}

names!(
    /// The link between the two sides of a path.
    Link, "link" {
        /// Both sides are kept in step.
        Linked = "linked",
        /// The record was deleted with `deletions = retain`. The secret is left alone and not imported again.
        LocalGone = "local_gone",
        /// The secret was deleted with `deletions = retain`. The record is left alone and not written again.
        RemoteGone = "remote_gone",
    }
);
