//! All forms of deletion: soft deletion, undelete, destruction, removal of the metadata, expiry.

use std::time::Duration;

use vaultterm_reconcile::{RemoteHead, RemoteSight, Version};
use vaultterm_sync::Remote;

use super::{data, head, live, path, read, write, write_is_stale};
use crate::{Backdoor, Metadata};

/// A soft deletion hides the newest version. The version before does not take its place.
pub async fn a_deleted_head_stays_listed_and_reads_as_none<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    backdoor.put("key", data("2")).await;
    let before = live(remote, "key").await;
    remote.delete(&path("key"), Version(2)).await.expect("the deletion succeeds");
    match head(remote, "key").await {
        RemoteHead::Deleted { stamp, deleted: Some(_), destroyed: false } => assert_eq!(stamp, before),
        other => panic!("expected a deleted head, found {other:?}"),
    }
    let snapshot = remote.observe().await.expect("the scope can be observed");
    assert!(snapshot.sights.contains_key(&path("key")));
    assert!(remote.read(&path("key"), Version(2)).await.expect("the read succeeds").is_none());
    assert_eq!(backdoor.get("key", 1).await, Some(data("1")));
}

/// `cas=0` does not match a key whose newest version is deleted.
pub async fn a_deleted_head_is_written_with_its_own_version<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    let first = live(remote, "key").await;
    backdoor.delete("key", 1).await;
    write_is_stale(remote, "key", 0).await;
    let receipt = write(remote, "key", "2", 1).await;
    assert_eq!(live(remote, "key").await, receipt.stamp(Some(first.key_created)));
}

/// An undelete changes nothing except the deletion.
pub async fn an_undelete_restores_the_same_stamp<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    let before = head(remote, "key").await;
    remote.delete(&path("key"), Version(1)).await.expect("the deletion succeeds");
    assert_ne!(head(remote, "key").await, before);
    backdoor.undelete("key", 1).await;
    assert_eq!(head(remote, "key").await, before);
    assert_eq!(read(remote, "key", 1).await, data("1"));
}

/// The version number of a destroyed version is not used again.
pub async fn a_destroyed_head_is_deleted_for_good_but_can_be_written<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    backdoor.destroy("key", 1).await;
    let destroyed = head(remote, "key").await;
    assert!(matches!(destroyed, RemoteHead::Deleted { destroyed: true, .. }), "{destroyed:?}");
    backdoor.undelete("key", 1).await;
    assert!(remote.read(&path("key"), Version(1)).await.expect("the read succeeds").is_none());
    write_is_stale(remote, "key", 0).await;
    write(remote, "key", "2", 1).await;
}

/// A removal of the metadata is the only proof of absence.
pub async fn a_metadata_delete_proves_absence<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    backdoor.put("kept", data("1")).await;
    backdoor.delete_metadata("key").await;
    assert_eq!(remote.look(&path("key")).await.expect("looking succeeds"), RemoteSight::ProvenAbsent);
    assert!(remote.read(&path("key"), Version(1)).await.expect("the read succeeds").is_none());
    let snapshot = remote.observe().await.expect("the scope can be observed");
    assert_eq!(snapshot.sights.into_keys().collect::<Vec<_>>(), [path("kept")]);
}

/// A version number alone does not identify a version. For this reason stamps hold both creation times.
pub async fn numbering_restarts_after_a_metadata_delete_but_stamps_differ<R: Remote, B: Backdoor>(
    remote: &R,
    backdoor: &B,
) {
    backdoor.put("key", data("1")).await;
    let before = live(remote, "key").await;
    backdoor.delete_metadata("key").await;
    let receipt = write(remote, "key", "1", 0).await;
    let after = live(remote, "key").await;
    assert_eq!(after, receipt.stamp(None));
    assert_eq!(after.version, before.version);
    assert_ne!(after, before);
}

/// A version that was written meanwhile stays alive.
pub async fn deleting_an_older_version_leaves_the_newest_alive<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    backdoor.put("key", data("2")).await;
    let before = head(remote, "key").await;
    remote.delete(&path("key"), Version(1)).await.expect("the deletion succeeds");
    assert_eq!(head(remote, "key").await, before);
    assert_eq!(backdoor.get("key", 1).await, None);
    assert_eq!(backdoor.get("key", 2).await, Some(data("2")));
}

/// A deletion whose answer was lost may therefore be repeated.
pub async fn deleting_twice_is_harmless<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("key", data("1")).await;
    remote.delete(&path("key"), Version(1)).await.expect("the deletion succeeds");
    remote.delete(&path("key"), Version(1)).await.expect("the second deletion succeeds");
    assert!(matches!(head(remote, "key").await, RemoteHead::Deleted { .. }));
    backdoor.undelete("key", 1).await;
    live(remote, "key").await;
}

/// With `delete_version_after`, the receipt and every look show the future deletion time.
pub async fn a_future_deletion_time_is_live_until_it_passes<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    let after = Duration::from_secs(3);
    backdoor.put_metadata("key", Metadata { delete_version_after: Some(after), ..Metadata::default() }).await;
    let receipt = write(remote, "key", "1", 0).await;
    let expires = receipt.expires.expect("the receipt tells the deletion time");
    let before = head(remote, "key").await;
    let RemoteHead::Live { stamp, expires: seen } = before else { panic!("expected live, found {before:?}") };
    assert_eq!(seen, Some(expires));
    assert_eq!(read(remote, "key", 1).await, data("1"));

    for _ in 0..100 {
        if head(remote, "key").await != before {
            break;
        }
        backdoor.let_pass(Duration::from_millis(100)).await;
    }
    let expired = RemoteHead::Deleted { stamp, deleted: Some(expires), destroyed: false };
    assert_eq!(head(remote, "key").await, expired);
    assert!(remote.read(&path("key"), Version(1)).await.expect("the read succeeds").is_none());
}
