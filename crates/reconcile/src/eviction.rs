//! Finds the versions that a write to Vault evicts. KV v2 keeps `max_versions` versions of a secret, and
//! erases the oldest ones when a new one is written. A version that no local history contains must not be
//! lost in this way, so it is first kept as a revision of the record.
//!
//! Start reading at [`foresee`].

use std::collections::BTreeMap;

use crate::{
    BaseEntry, Plan, RemoteEntry, RemoteSight, RemoteSnapshot, RemoteStamp, SecretPath, Skip, SkipKind, Step, Version,
};

/// The maximum number of versions that one write first keeps as revisions. With more of them the path waits
/// for a person, because a record with hundreds of foreign revisions is rarely useful.
pub const KEPT_MAX: usize = 10;
/// The number of versions that a server keeps if neither the key nor the mount sets it.
const SERVER_DEFAULT: u64 = 10;

/// Returns the readable versions below the newest that local history may lack.
///
/// The base counts only as long as Vault shows the base's own version with its creation time. After a
/// restored snapshot the same numbers may belong to other values.
fn unheld(entry: &RemoteEntry, base: Option<&BaseEntry>) -> impl Iterator<Item = Version> {
    let live = entry.older.live.iter();
    let shown = |base: &&BaseEntry| {
        let RemoteStamp { key_created, version, version_created } = base.stamp;
        entry.head.stamp() == Some(base.stamp)
            || (entry.head.key_created() == key_created
                && live.clone().any(|older| older.version == version && older.created == version_created))
    };
    let held = base.filter(shown).map(|base| base.held_since..=base.stamp.version);
    let live = live.map(|older| older.version);
    live.filter(move |version| held.as_ref().is_none_or(|held| !held.contains(version)))
}

/// Returns the versions that local history may lack and that the next write evicts.
///
/// `mount_max` is `max_versions` of the mount (0: not set), or `None` if the role may not read it. In that
/// case only the setting of the key is certain. The larger of the two counts, so the server keeps at least
/// that many. Without a setting of the key, everything except the newest version counts as evicted.
#[must_use]
pub fn evicted(entry: &RemoteEntry, base: Option<&BaseEntry>, mount_max: Option<u64>) -> Vec<Version> {
    let kept = match (entry.older.max, mount_max) {
        (0, Some(0)) => SERVER_DEFAULT,
        (key, Some(mount)) => key.max(mount),
        (key, None) => key.max(1),
    };
    let next = entry.head.cas().next();
    unheld(entry, base).filter(|version| version.0.saturating_add(kept) <= next.0).collect()
}

/// Returns why a path waits, if a write would evict more versions than are kept as revisions.
#[must_use]
pub fn too_many(versions: &[Version]) -> Option<String> {
    let (Some(first), Some(last)) = (versions.first(), versions.last()) else { return None };
    (versions.len() > KEPT_MAX).then(|| {
        format!(
            "writing here could evict {} versions of Vault that no history of VaultTerm holds ({} to {}), more than \
             the {KEPT_MAX} that are kept as revisions first: raise `max_versions` of the secret, or delete the \
             versions that nobody needs",
            versions.len(),
            first.0,
            last.0,
        )
    })
}

/// Returns whether a step of a plan depends on `max_versions` of the mount.
#[must_use]
pub fn asks_for_the_mount(plan: &Plan, base: &BTreeMap<SecretPath, BaseEntry>, remote: &RemoteSnapshot) -> bool {
    plan.steps.iter().any(|step| {
        written_over(step, remote).is_some_and(|entry| !evicted(entry, base.get(&step.path), None).is_empty())
    })
}

/// Adds to a plan which versions its writes evict, so that they are first kept as revisions. A step that
/// would evict too many becomes a skip.
pub fn foresee(
    plan: &mut Plan,
    base: &BTreeMap<SecretPath, BaseEntry>,
    remote: &RemoteSnapshot,
    mount_max: Option<u64>,
) {
    let mut waits = BTreeMap::new();
    for step in &plan.steps {
        let Some(entry) = written_over(step, remote) else { continue };
        let versions = evicted(entry, base.get(&step.path), mount_max);
        if let Some(reason) = too_many(&versions) {
            waits.insert(step.path.clone(), reason);
        } else if !versions.is_empty() {
            plan.kept_first.insert(step.path.clone(), versions);
        }
    }
    if waits.is_empty() {
        return;
    }
    plan.steps.retain(|step| !waits.contains_key(&step.path));
    let skips = waits.into_iter();
    plan.skips.extend(skips.map(|(path, reason)| Skip {
        path: path.to_string(),
        reason,
        kind: SkipKind::WouldEvict,
        accepted_by: None,
    }));
    plan.skips.sort_by(|one, other| one.path.cmp(&other.path));
}

/// Returns the key to which a step writes another version.
fn written_over<'a>(step: &Step, remote: &'a RemoteSnapshot) -> Option<&'a RemoteEntry> {
    match remote.sights.get(&step.path) {
        Some(RemoteSight::Seen(entry)) if step.action.writes_remote() => Some(entry),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Link, OlderVersion, OlderVersions, RecordId, RecordType, RemoteHead, Revision, SeenMark, UnixNanos};

    fn stamp(version: u64) -> RemoteStamp {
        let created = i64::try_from(version).expect("small");
        RemoteStamp { key_created: UnixNanos(1), version: Version(version), version_created: UnixNanos(created) }
    }

    fn older(version: u64) -> OlderVersion {
        OlderVersion { version: Version(version), created: stamp(version).version_created }
    }

    /// Returns a key whose versions from `oldest` to `newest` are live.
    fn key(oldest: u64, newest: u64, max: u64) -> RemoteEntry {
        RemoteEntry {
            head: RemoteHead::Live { stamp: stamp(newest), expires: None },
            mark: SeenMark::default(),
            older: OlderVersions { live: (oldest..newest).map(older).collect(), max },
        }
    }

    fn base(held_since: u64, version: u64) -> BaseEntry {
        BaseEntry {
            record_id: RecordId(Uuid::nil()),
            revision: Revision::FIRST,
            record_type: RecordType::KeyValue,
            stamp: stamp(version),
            expires: None,
            link: Link::Linked,
            held_since: Version(held_since),
            accepted: None,
        }
    }

    fn numbers(versions: &[Version]) -> Vec<u64> {
        versions.iter().map(|version| version.0).collect()
    }

    #[test]
    fn the_larger_of_key_and_mount_says_how_many_are_kept_and_ten_are_without_either() {
        for (key_max, mount_max, expected) in [
            (0, Some(0), vec![1, 2]),
            (0, Some(11), vec![1]),
            (11, Some(3), vec![1]),
            (12, Some(0), vec![]),
            (3, Some(12), vec![]),
            (11, None, vec![1]),
            (0, None, (1..11).collect()),
        ] {
            let found = evicted(&key(1, 11, key_max), None, mount_max);
            assert_eq!(numbers(&found), expected, "{key_max} {mount_max:?}");
        }
    }

    #[test]
    fn what_local_history_holds_is_not_kept_again() {
        for (held_since, agreed, expected) in [(1, 11, vec![]), (2, 11, vec![1]), (3, 11, vec![1, 2]), (1, 1, vec![2])]
        {
            let found = evicted(&key(1, 11, 0), Some(&base(held_since, agreed)), Some(0));
            assert_eq!(numbers(&found), expected, "held since {held_since} up to {agreed}");
        }
        let made_anew = BaseEntry { stamp: RemoteStamp { key_created: UnixNanos(0), ..stamp(11) }, ..base(1, 11) };
        assert_eq!(numbers(&evicted(&key(1, 11, 0), Some(&made_anew), Some(0))), [1, 2], "another key's versions");
        let rewound = BaseEntry { stamp: RemoteStamp { version_created: UnixNanos(77), ..stamp(9) }, ..base(1, 9) };
        assert_eq!(numbers(&evicted(&key(1, 11, 0), Some(&rewound), Some(0))), [1, 2], "a number used again");
    }

    #[test]
    fn a_path_with_too_many_waits_and_says_what_can_be_done() {
        assert_eq!(too_many(&(1..=10).map(Version).collect::<Vec<_>>()), None);
        let reason = too_many(&(3..=13).map(Version).collect::<Vec<_>>()).expect("too many");
        assert!(reason.contains("11 versions") && reason.contains("3 to 13"), "{reason}");
        assert!(reason.contains("max_versions"), "{reason}");
    }

    #[test]
    fn history_holds_on_over_our_own_versions_and_begins_again_at_one_of_another_client_or_after_a_gap() {
        let before = base(3, 7);
        for (version, is_ours, expected) in
            [(7, false, 3), (7, true, 3), (8, true, 3), (8, false, 8), (9, true, 9), (2, true, 2)]
        {
            let since = BaseEntry::held_since(Some(&before), &stamp(version), is_ours);
            assert_eq!(since, Version(expected), "{version}, {is_ours}");
        }
        assert_eq!(BaseEntry::held_since(None, &stamp(5), true), Version(5));
        let other_key = RemoteStamp { key_created: UnixNanos(2), ..stamp(8) };
        assert_eq!(BaseEntry::held_since(Some(&before), &other_key, true), Version(8));
        // A restored snapshot brought another version with the same number.
        let restored = RemoteStamp { version_created: UnixNanos(99), ..stamp(7) };
        assert_eq!(BaseEntry::held_since(Some(&before), &restored, false), Version(7));
    }
}
