//! A model of KV v2: the state of a mount, with the exact rules of versions, deletions, expiry and pruning.
//! It does no IO and is not async. The caller passes the time, and no two events may share a moment. The
//! contract suite runs on this model and on a real server, and so proves that the model is right.
//!
//! Start reading at [`KvMount::put`].

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use vaultterm_reconcile::UnixNanos;

/// The data of a version.
pub type Data = BTreeMap<String, Value>;

/// A KV v2 mount.
#[derive(Clone, Debug)]
pub struct KvMount {
    keys: BTreeMap<String, KvKey>,
    /// The number of versions that the mount keeps per key. 0 means the default of the server (10).
    pub versions_max: u64,
    /// `delete_version_after` of the mount.
    pub delete_version_after: Option<Duration>,
}

/// A key with its metadata and versions.
#[derive(Clone, Debug)]
pub struct KvKey {
    /// `created_time` of the metadata.
    pub created: UnixNanos,
    /// The number of the newest version. 0 when there is none.
    pub current: u64,
    /// The versions that still exist.
    pub versions: BTreeMap<u64, KvVersion>,
    /// `custom_metadata`.
    pub custom: BTreeMap<String, String>,
    /// `max_versions` of the key. 0 means that it is not set.
    pub versions_max: u64,
    /// `delete_version_after` of the key.
    pub delete_version_after: Option<Duration>,
}

/// A version.
#[derive(Clone, Debug)]
pub struct KvVersion {
    /// `created_time`.
    pub created: UnixNanos,
    /// `deletion_time`, in the past or in the future.
    pub deletion: Option<UnixNanos>,
    /// Whether the data are destroyed.
    pub destroyed: bool,
    /// The data in the form in which they come back after Vault decoded their numbers.
    pub data: Data,
}

impl KvVersion {
    /// Returns whether the version can be read at a moment.
    #[must_use]
    pub fn is_live(&self, now: UnixNanos) -> bool {
        !self.destroyed && self.deletion.is_none_or(|at| at > now)
    }
}

impl KvKey {
    /// Returns the newest version, if there is one.
    #[must_use]
    pub fn head(&self) -> Option<&KvVersion> {
        self.versions.get(&self.current)
    }
}

/// The error of a write that check-and-set refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("check-and-set parameter did not match the current version {current}")]
pub struct CasMismatch {
    /// The number of the newest version.
    pub current: u64,
}

impl Default for KvMount {
    fn default() -> Self {
        Self::new()
    }
}

impl KvMount {
    /// Returns an empty mount with the default settings of the server.
    #[must_use]
    pub fn new() -> Self {
        Self { keys: BTreeMap::new(), versions_max: 0, delete_version_after: None }
    }

    /// Writes a version (`POST data/<path>`). Without `cas`, the write always succeeds.
    ///
    /// `cas` is compared with the number of the newest version, even if that version is deleted or destroyed.
    /// 0 matches a key without versions, whether it has metadata or not.
    ///
    /// # Errors
    /// [`CasMismatch`]. Nothing changes in that case.
    pub fn put(&mut self, path: &str, data: Data, cas: Option<u64>, now: UnixNanos) -> Result<u64, CasMismatch> {
        let current = self.keys.get(path).map_or(0, |key| key.current);
        if cas.is_some_and(|cas| cas != current) {
            return Err(CasMismatch { current });
        }
        let key = self.keys.entry(path.to_owned()).or_insert_with(|| KvKey::new(now));
        let deletion = deletion_after(self.delete_version_after, key.delete_version_after, now);
        let data = data.into_iter().map(|(name, value)| (name, as_float64(value))).collect();
        key.current += 1;
        key.versions.insert(key.current, KvVersion { created: now, deletion, destroyed: false, data });
        let kept = match self.versions_max.max(key.versions_max) {
            0 => 10,
            max => max,
        };
        let oldest = key.current.saturating_sub(kept);
        key.versions.retain(|version, _| *version > oldest);
        Ok(key.current)
    }

    /// Returns a key with its metadata and versions.
    #[must_use]
    pub fn key(&self, path: &str) -> Option<&KvKey> {
        self.keys.get(path)
    }

    /// Returns an iterator over all keys, sorted by path. It includes deleted keys.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &KvKey)> {
        self.keys.iter().map(|(path, key)| (path.as_str(), key))
    }

    /// Reads a version if it is live (`GET data/<path>?version=`).
    #[must_use]
    pub fn read(&self, path: &str, version: u64, now: UnixNanos) -> Option<&KvVersion> {
        self.keys.get(path)?.versions.get(&version).filter(|version| version.is_live(now))
    }

    /// Soft-deletes a version (`POST delete/<path>`). Unknown, deleted and destroyed versions stay as they
    /// are.
    pub fn delete(&mut self, path: &str, version: u64, now: UnixNanos) {
        if let Some(version) = self.version_mut(path, version)
            && version.is_live(now)
        {
            version.deletion = Some(now);
        }
    }

    /// Undeletes a soft-deleted version (`POST undelete/<path>`). With `delete_version_after` it gets a new
    /// deletion time.
    pub fn undelete(&mut self, path: &str, version: u64, now: UnixNanos) {
        let mount = self.delete_version_after;
        let Some(key) = self.keys.get_mut(path) else { return };
        let deletion = deletion_after(mount, key.delete_version_after, now);
        if let Some(version) = key.versions.get_mut(&version)
            && !version.destroyed
        {
            version.deletion = deletion;
        }
    }

    /// Destroys the data of a version (`PUT destroy/<path>`).
    pub fn destroy(&mut self, path: &str, version: u64) {
        if let Some(version) = self.version_mut(path, version) {
            version.destroyed = true;
            version.data = Data::new();
        }
    }

    /// Removes a key with all its versions (`DELETE metadata/<path>`). The numbering then starts again.
    pub fn delete_metadata(&mut self, path: &str) {
        self.keys.remove(path);
    }

    /// Replaces the settings and the custom metadata of a key (`POST metadata/<path>`). Creates the key
    /// without a version if it does not exist.
    pub fn put_metadata(
        &mut self,
        path: &str,
        custom: BTreeMap<String, String>,
        delete_version_after: Option<Duration>,
        versions_max: u64,
        now: UnixNanos,
    ) {
        let key = self.keys.entry(path.to_owned()).or_insert_with(|| KvKey::new(now));
        key.custom = custom;
        key.delete_version_after = delete_version_after;
        key.versions_max = versions_max;
    }

    /// Sets some custom metadata and keeps the rest (`PATCH metadata/<path>`). Returns whether the key
    /// exists.
    pub fn patch_custom(&mut self, path: &str, custom: impl IntoIterator<Item = (String, String)>) -> bool {
        self.keys.get_mut(path).map(|key| key.custom.extend(custom)).is_some()
    }

    /// Returns the mount as a lagging replica shows it, whose state is that of `then`. Keys and versions that
    /// were created since are missing.
    ///
    /// A key that was restored, created again or undeleted since is shown in its current state. If such a key
    /// reaches the same version number that the replica still shows, `cas` cannot tell the two apart, and
    /// neither can a client that sees only the replica.
    #[must_use]
    pub fn as_it_was(&self, then: &Self) -> Self {
        let same_head = |key: &KvKey, old: &KvKey| match (key.head(), old.head()) {
            (Some(head), Some(old)) => {
                let undeleted = old.deletion.is_some() && head.deletion != old.deletion;
                let undestroyed = old.destroyed && !head.destroyed;
                head.created == old.created && !undeleted && !undestroyed
            }
            (head, old) => head.is_none() && old.is_none(),
        };
        let follows = |path: &str, old: &KvKey| {
            self.keys.get(path).is_some_and(|key| {
                let later = key.current > old.current || (key.current == old.current && same_head(key, old));
                key.created == old.created && later
            })
        };
        let mut shown = self.clone();
        shown.keys.retain(|path, _| then.keys.contains_key(path));
        let old = then.keys.iter().filter(|(path, old)| follows(path, old));
        shown.keys.extend(old.map(|(path, old)| (path.clone(), old.clone())));
        shown
    }

    fn version_mut(&mut self, path: &str, version: u64) -> Option<&mut KvVersion> {
        self.keys.get_mut(path)?.versions.get_mut(&version)
    }
}

impl KvKey {
    fn new(now: UnixNanos) -> Self {
        Self {
            created: now,
            current: 0,
            versions: BTreeMap::new(),
            custom: BTreeMap::new(),
            versions_max: 0,
            delete_version_after: None,
        }
    }
}

/// Returns the deletion time of a new version. The smaller `delete_version_after` of the mount and of the key
/// counts.
fn deletion_after(mount: Option<Duration>, key: Option<Duration>, now: UnixNanos) -> Option<UnixNanos> {
    let after = match (mount, key) {
        (Some(mount), Some(key)) => Some(mount.min(key)),
        (one, other) => one.or(other),
    }?;
    Some(UnixNanos(now.0 + i64::try_from(after.as_nanos()).expect("tests use durations below 292 years")))
}

/// Decodes numbers as 64-bit floats, as Vault does: 9007199254740993 comes back as …992.
fn as_float64(value: Value) -> Value {
    /// From this number on, `serde_json` prints integers as floats too.
    const INTEGERS_BELOW: f64 = 9.2e18;
    match value {
        Value::Number(number) => {
            let float = number.as_f64().expect("every JSON number has a nearest float");
            if float.fract() == 0.0 && float.abs() < INTEGERS_BELOW {
                #[allow(clippy::cast_possible_truncation, reason = "whole and within the range of i64")]
                Value::from(float as i64)
            } else {
                Value::from(float)
            }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(as_float64).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(name, value)| (name, as_float64(value))).collect()),
        other => other,
    }
}
