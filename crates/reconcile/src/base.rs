//! The base of a path: the state on which both sides agreed at its last sync.

use serde::{Deserialize, Serialize};

use crate::{Content, Mode, RecordId, RecordType, RemoteStamp, Revision, UnixNanos, Version};

/// The base of one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseEntry {
    /// The record that was synchronized.
    pub record_id: RecordId,
    /// The revision that both sides agreed on; local history still holds it. Where both sides were
    /// never in step ([`Accepted::agreed`]), it is the revision that keeps what the secret held.
    pub revision: Revision,
    /// Its type then.
    pub record_type: RecordType,
    /// The remote version at that time.
    pub stamp: RemoteStamp,
    /// The `deletion_time` of that version, if it lay in the future.
    pub expires: Option<UnixNanos>,
    /// Whether the two sides are still linked.
    pub link: Link,
    /// From which version on local history holds every remote version up to that of `stamp`: each was
    /// written from here, or brought here. An older one may be somebody else's that nobody brought here.
    #[serde(default = "no_version")]
    pub held_since: Version,
    /// Set when a person accepted that the two sides differ: `stamp` is then the version that was
    /// accepted beside the record's revision `local`.
    #[serde(default)]
    pub accepted: Option<Accepted>,
}

/// What bases that were recorded before versions were counted know: nothing.
const fn no_version() -> Version {
    Version(u64::MAX)
}

impl BaseEntry {
    /// Returns the version from which on local history contains everything, if both sides now agree on
    /// `stamp` and agreed on `before` until now. A gap between the two versions restarts the count.
    #[must_use]
    pub fn held_since(before: Option<&Self>, stamp: &RemoteStamp) -> Version {
        match before {
            Some(before)
                if before.stamp.key_created == stamp.key_created
                    && before.held_since <= stamp.version
                    && stamp.version <= before.stamp.version.next() =>
            {
                before.held_since
            }
            _ => stamp.version,
        }
    }

    /// Returns the record's revision that this entry was made for.
    #[must_use]
    pub fn local_revision(&self) -> Revision {
        self.accepted.as_ref().map_or(self.revision, |accepted| accepted.local)
    }

    /// Checks whether `revision` is one that both sides held.
    #[must_use]
    pub fn is_agreed(&self) -> bool {
        self.accepted.as_ref().is_none_or(|accepted| accepted.agreed)
    }
}

/// A difference between the two sides that a person accepted (*keep local* in a pull, *keep remote* in a
/// push). Both sides are remembered as they were: local history holds both contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The record's revision that stays different.
    pub local: Revision,
    /// The record's revision that keeps what the secret held.
    pub remote: Revision,
    /// Whether both sides were in step before. If so, the base's revision says on what.
    pub agreed: bool,
    /// The mode in which it was accepted. In another mode the path is examined again.
    pub mode: Mode,
    /// Whether a person asked since that the path is decided again.
    #[serde(default)]
    pub reopened: bool,
    /// Who accepted it.
    pub by: String,
    /// When.
    pub at: UnixNanos,
}

impl Accepted {
    /// Checks whether the difference still counts as accepted in this mode, as far as people are concerned.
    /// A change of either side ends it too.
    #[must_use]
    pub fn holds_in(&self, mode: Mode) -> bool {
        !self.reopened && self.mode == mode
    }
}

/// What the two sides held when a person accepted that they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedContents {
    /// The record.
    pub local: Content,
    /// The secret.
    pub remote: Content,
}

/// Whether a path is still kept in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Both sides are kept in step.
    Linked,
    /// Deleted locally with `deletions = retain`: the remote secret is left alone and not
    /// imported again.
    LocalGone,
    /// Deleted remotely with `deletions = retain`: the record is left alone and not
    /// written again.
    RemoteGone,
}
