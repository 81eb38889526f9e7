//! The identities of what was seen: local revisions, remote versions and stamps.

use serde::{Deserialize, Serialize};

/// The number of a record's revision: 1, 2, 3 …. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of a new record.
    pub const FIRST: Self = Self(1);

    /// Returns the next revision.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The number of a KV v2 version. It restarts at 1 after a metadata delete, so it is not an identity. See
/// [`RemoteStamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version number of a key that was never written under its current metadata. As `cas` it means that
    /// the write succeeds only if the key has no version.
    pub const NONE: Self = Self(0);

    /// Returns the next version.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A moment in nanoseconds since the Unix epoch, UTC. This is the precision that Vault reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixNanos(pub i64);

/// The identity of a version of a remote secret.
///
/// `DELETE metadata/…` restarts the numbering, and a restored snapshot repeats numbers, so a version number
/// alone may name another value. Therefore both creation times are part of the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RemoteStamp {
    /// `created_time` of the key's metadata.
    pub key_created: UnixNanos,
    /// The number of the version.
    pub version: Version,
    /// `created_time` of the version.
    pub version_created: UnixNanos,
}

impl RemoteStamp {
    /// Returns whether a `deletion_time` of this version is an expiry and not a deletion by a person.
    /// `delete_version_after` counts in whole seconds, and Vault adds it to the creation time, which has
    /// nanoseconds. A deletion by a person matches such a moment once in a thousand million times. (An
    /// undelete sets a new time that counts from the undelete. It is not recognised.)
    #[must_use]
    pub const fn runs_out_at(&self, deletion: UnixNanos) -> bool {
        const SECOND_NS: i64 = 1_000_000_000;
        let lives = deletion.0.saturating_sub(self.version_created.0);
        lives > 0 && lives % SECOND_NS == 0
    }
}
