//! The stamps of everything in scope, on either side, without values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RecordType, RemoteStamp, Revision, RunMark, SecretPath, UnixNanos, Version};

/// The id of a record: a `UUIDv7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub Uuid);

/// One record as the local side shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEntry {
    /// The record.
    pub record_id: RecordId,
    /// Its current revision.
    pub revision: Revision,
    /// Its type.
    pub record_type: RecordType,
}

/// Everything a collection holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalSnapshot {
    /// The live records, by path. A path holds at most one.
    pub live: BTreeMap<SecretPath, LocalEntry>,
    /// The newest trashed record at each path that has one.
    pub trashed: BTreeMap<SecretPath, LocalEntry>,
}

/// What a secret's `custom_metadata` says about who manages it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotation {
    /// `vaultterm-instance`, when the secret is marked as managed by a VaultTerm.
    pub instance: Option<String>,
    /// `vaultterm-record`.
    pub record_id: Option<RecordId>,
    /// `vaultterm-type`, when it names a known type.
    pub record_type: Option<RecordType>,
    /// `vaultterm-run`: which run touched the secret last.
    pub run: Option<RunMark>,
}

/// The newest version of a remote key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteHead {
    /// The key has metadata but no version (`current_version` 0).
    Empty {
        /// `created_time` of the key's metadata.
        key_created: UnixNanos,
    },
    /// The newest version can be read.
    Live {
        /// Its identity.
        stamp: RemoteStamp,
        /// Its `deletion_time`, when that lies in the future.
        expires: Option<UnixNanos>,
    },
    /// The newest version is soft-deleted, expired or destroyed.
    Deleted {
        /// Its identity: a write needs its version as `cas`.
        stamp: RemoteStamp,
        /// Its `deletion_time`; `None` when it was destroyed without being deleted.
        deleted: Option<UnixNanos>,
        /// Whether its bytes are gone for good.
        destroyed: bool,
    },
}

impl RemoteHead {
    /// Returns `created_time` of the key's metadata.
    #[must_use]
    pub const fn key_created(&self) -> UnixNanos {
        match self {
            Self::Empty { key_created } => *key_created,
            Self::Live { stamp, .. } | Self::Deleted { stamp, .. } => stamp.key_created,
        }
    }

    /// Returns the identity of the newest version, live or not.
    #[must_use]
    pub const fn stamp(&self) -> Option<RemoteStamp> {
        match self {
            Self::Empty { .. } => None,
            Self::Live { stamp, .. } | Self::Deleted { stamp, .. } => Some(*stamp),
        }
    }

    /// Returns the `cas` a write on this head needs.
    #[must_use]
    pub const fn cas(&self) -> Version {
        match self {
            Self::Empty { .. } => Version::NONE,
            Self::Live { stamp, .. } | Self::Deleted { stamp, .. } => stamp.version,
        }
    }
}

/// One remote key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteEntry {
    /// Its newest version.
    pub head: RemoteHead,
    /// Who manages it.
    pub annotation: Annotation,
    /// Its other versions: a write may evict some of them.
    pub older: OlderVersions,
}

/// The versions of a remote key below its newest one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OlderVersions {
    /// Those that can be read, in order.
    pub live: Vec<OlderVersion>,
    /// `max_versions` of the key itself; 0 when the mount decides.
    pub max: u64,
}

/// A version of a remote key that is not its newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OlderVersion {
    /// Its number.
    pub version: Version,
    /// Its `created_time`.
    pub created: UnixNanos,
}

/// What an observation says about one remote path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteSight {
    /// The key is there, in this state.
    Seen(RemoteEntry),
    /// The key could not be read; the reason is for people. Never counts as deleted.
    Unreadable(String),
    /// Asked for by name, and the server said that it holds no metadata for the path.
    /// Only this, never a gap in a listing, is proof of absence.
    ProvenAbsent,
}

/// Everything seen below a connection's mount and path prefix.
///
/// A path that is missing here was not listed: for a path that has a base this is a
/// suspicion, and [`crate::inquiries`] asks for the proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteSnapshot {
    /// The state of each path, by path below the prefix.
    pub sights: BTreeMap<SecretPath, RemoteSight>,
    /// Listed names that cannot be a record path, with the reason.
    pub refused: Vec<(String, String)>,
}
