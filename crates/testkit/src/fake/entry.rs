//! What a listing shows of a key.

use vaultterm_reconcile::{
    OlderVersion, OlderVersions, RecordId, RemoteEntry, RemoteHead, RemoteStamp, SeenMark, UnixNanos, Version,
};

use crate::KvKey;

/// Returns what a listing shows of a key at this moment.
pub(super) fn entry(key: &KvKey, now: UnixNanos) -> RemoteEntry {
    let head = match key.head() {
        None => RemoteHead::Empty { key_created: key.created },
        Some(version) => {
            let stamp = RemoteStamp {
                key_created: key.created,
                version: Version(key.current),
                version_created: version.created,
            };
            if version.is_live(now) {
                RemoteHead::Live { stamp, expires: version.deletion }
            } else {
                RemoteHead::Deleted { stamp, deleted: version.deletion, destroyed: version.destroyed }
            }
        }
    };
    let below = key.versions.range(..key.current).filter(|(_, version)| version.is_live(now));
    let live = below.map(|(number, version)| OlderVersion { version: Version(*number), created: version.created });
    let older = OlderVersions { live: live.collect(), max: key.versions_max };
    RemoteEntry { head, mark: mark(key), older }
}

pub(super) fn mark(key: &KvKey) -> SeenMark {
    SeenMark {
        instance: key.custom.get("vaultterm-instance").cloned(),
        record_id: key.custom.get("vaultterm-record").and_then(|id| id.parse().ok()).map(RecordId),
        record_type: key.custom.get("vaultterm-type").and_then(|name| name.parse().ok()),
        run: key.custom.get("vaultterm-run").and_then(|mark| mark.parse().ok()),
    }
}
