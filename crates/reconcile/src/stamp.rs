//! Identities of what was seen: local revisions, remote versions and stamps.

use serde::{Deserialize, Serialize};

/// The number of a record's revision: 1, 2, 3 …, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision a record is created with.
    pub const FIRST: Self = Self(1);

    /// The revision that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The number of a KV v2 version. It restarts at 1 after a metadata delete, so it is
/// not an identity: see [`RemoteStamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version number of a key that was never written under its current metadata;
    /// as `cas` it means "only if the key holds no version".
    pub const NONE: Self = Self(0);

    /// The version that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A moment, in nanoseconds since the Unix epoch, UTC: the precision Vault reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixNanos(pub i64);

/// The identity of one version of a remote secret.
///
/// `DELETE metadata/…` restarts the numbering, and a snapshot restore repeats numbers,
/// so a bare version may name another value: both creation times are part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RemoteStamp {
    /// `created_time` of the key's metadata.
    pub key_created: UnixNanos,
    /// The version's number.
    pub version: Version,
    /// `created_time` of that version.
    pub version_created: UnixNanos,
}

impl RemoteStamp {
    /// Says whether a `deletion_time` of this version is the end of its time, not a deletion by
    /// hand. `delete_version_after` counts in whole seconds, and Vault adds it to the creation time,
    /// which has nanoseconds: a deletion by hand falls on such a moment once in a thousand million
    /// times. (The time that an undelete gives anew counts from the undelete, and is not
    /// recognised.)
    #[must_use]
    pub const fn runs_out_at(&self, deletion: UnixNanos) -> bool {
        const SECOND_NS: i64 = 1_000_000_000;
        let lives = deletion.0.saturating_sub(self.version_created.0);
        lives > 0 && lives % SECOND_NS == 0
    }
}
