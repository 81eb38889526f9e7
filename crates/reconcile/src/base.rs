//! What both sides agreed on at the last sync of a path.

use serde::{Deserialize, Serialize};

use crate::{RecordId, RecordType, RemoteStamp, Revision, UnixNanos, Version};

/// The base of one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseEntry {
    /// The record that was synchronized.
    pub record_id: RecordId,
    /// Its revision then; local history still holds it.
    pub revision: Revision,
    /// Its type then.
    pub record_type: RecordType,
    /// The remote version then.
    pub stamp: RemoteStamp,
    /// That version's `deletion_time`, when it lay in the future.
    pub expires: Option<UnixNanos>,
    /// Whether the two sides are still held together.
    pub link: Link,
    /// From which version on local history holds every remote version up to that of `stamp`: each was
    /// written from here, or brought here. An older one may be somebody else's that nobody brought here.
    #[serde(default = "no_version")]
    pub held_since: Version,
}

/// What bases that were recorded before versions were counted know: nothing.
const fn no_version() -> Version {
    Version(u64::MAX)
}

impl BaseEntry {
    /// Returns from which version on local history holds everything, once both sides agree on `stamp`
    /// and agreed on `before` until then. A gap between the two versions starts the count again.
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
