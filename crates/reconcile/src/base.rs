//! What both sides agreed on at the last sync of a path.

use serde::{Deserialize, Serialize};

use crate::{RecordId, RecordType, RemoteStamp, Revision, UnixNanos};

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
