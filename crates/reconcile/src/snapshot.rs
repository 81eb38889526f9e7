//! The stamps of everything in scope on either side, without values.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RecordType, RemoteStamp, Revision, RunMark, SecretPath, UnixNanos, Version};

/// The id of a record: a `UUIDv7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub Uuid);

/// A record as the local side shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEntry {
    /// The record.
    pub record_id: RecordId,
    /// The current revision.
    pub revision: Revision,
    /// The type.
    pub record_type: RecordType,
}

/// The content of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalSnapshot {
    /// The live records, by path. A path holds at most one.
    pub live: BTreeMap<SecretPath, LocalEntry>,
    /// The newest trashed record at each path that has one.
    pub trashed: BTreeMap<SecretPath, LocalEntry>,
}

impl LocalSnapshot {
    /// Keeps only what lies at these paths.
    pub fn keep(&mut self, paths: &BTreeSet<SecretPath>) {
        self.live.retain(|path, _| paths.contains(path));
        self.trashed.retain(|path, _| paths.contains(path));
    }
}

/// What `custom_metadata` of a secret says about its manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenMark {
    /// `vaultterm-instance`, if the secret is marked as managed by a VaultTerm.
    pub instance: Option<String>,
    /// `vaultterm-record`.
    pub record_id: Option<RecordId>,
    /// `vaultterm-type`, if it names a known type.
    pub record_type: Option<RecordType>,
    /// `vaultterm-run`: the run that last touched the secret.
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
        /// The identity of the version.
        stamp: RemoteStamp,
        /// The `deletion_time`, if it lies in the future.
        expires: Option<UnixNanos>,
    },
    /// The newest version is soft-deleted, expired or destroyed.
    Deleted {
        /// The identity of the version. A write needs its number as `cas`.
        stamp: RemoteStamp,
        /// The `deletion_time`. `None` if the version was destroyed without being deleted.
        deleted: Option<UnixNanos>,
        /// Whether its data are destroyed.
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

    /// Returns the identity of the newest version, whether it is live or not.
    #[must_use]
    pub const fn stamp(&self) -> Option<RemoteStamp> {
        match self {
            Self::Empty { .. } => None,
            Self::Live { stamp, .. } | Self::Deleted { stamp, .. } => Some(*stamp),
        }
    }

    /// Returns the `cas` for a write on this head.
    #[must_use]
    pub const fn cas(&self) -> Version {
        match self {
            Self::Empty { .. } => Version::NONE,
            Self::Live { stamp, .. } | Self::Deleted { stamp, .. } => stamp.version,
        }
    }
}

/// A remote key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteEntry {
    /// The newest version.
    pub head: RemoteHead,
    /// The manager of the secret.
    pub mark: SeenMark,
    /// The older versions. A write may evict some of them.
    pub older: OlderVersions,
}

/// The versions of a remote key below its newest one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OlderVersions {
    /// The readable versions, in order.
    pub live: Vec<OlderVersion>,
    /// `max_versions` of the key itself. 0 means that the setting of the mount counts.
    pub max: u64,
}

/// A version of a remote key below its newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OlderVersion {
    /// The number.
    pub version: Version,
    /// The `created_time`.
    pub created: UnixNanos,
}

/// What an observation shows of a remote path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteSight {
    /// The key exists in this state.
    Seen(RemoteEntry),
    /// The key could not be read. The reason is for people. It never counts as deleted.
    Unreadable(String),
    /// The server was asked for the path by name, and answered that it has no metadata for it. Only this
    /// proves an absence. A gap in a listing never does.
    ProvenAbsent,
}

/// Everything that was seen below the mount and the path prefix of a connection.
///
/// A path that is missing here was not listed. For a path with a base this is only a suspicion, and
/// [`crate::inquiries`] asks for the proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteSnapshot {
    /// The state of each path, by path below the prefix.
    pub sights: BTreeMap<SecretPath, RemoteSight>,
    /// The listed names that are not valid record paths, with the reasons.
    pub refused: Vec<(String, String)>,
}
