//! Listing and looking.

use vaultterm_reconcile::RemoteSight;
use vaultterm_sync::Remote;

use super::{data, head, live, path, write};
use crate::Backdoor;

/// An empty listing gives a snapshot and is not a fault.
pub async fn an_empty_scope_shows_nothing<R: Remote, B: Backdoor>(remote: &R, _: &B) {
    let snapshot = remote.observe().await.expect("an empty scope can be observed");
    assert!(snapshot.sights.is_empty() && snapshot.refused.is_empty());
    assert_eq!(remote.look(&path("nothing")).await.expect("looking succeeds"), RemoteSight::ProvenAbsent);
}

/// A listing and a look show the same stamps for every kind of head.
pub async fn a_listing_shows_what_looking_shows<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("live", data("1")).await;
    backdoor.put("live", data("2")).await;
    backdoor.put("deleted", data("1")).await;
    backdoor.delete("deleted", 1).await;
    backdoor.put("destroyed", data("1")).await;
    backdoor.destroy("destroyed", 1).await;
    backdoor.put_metadata("empty", crate::Metadata::default()).await;

    let snapshot = remote.observe().await.expect("the scope can be observed");
    assert_eq!(snapshot.sights.len(), 4, "{:?}", snapshot.sights.keys());
    for (path, sight) in &snapshot.sights {
        assert_eq!(&remote.look(path).await.expect("looking succeeds"), sight, "{path}");
    }
}

/// The prefix `team/app` does not cover `team/application`.
pub async fn a_listing_ends_at_the_prefix<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("inside", data("1")).await;
    backdoor.put_beside("lication/outside", data("1")).await;
    backdoor.put_beside("-outside", data("1")).await;
    let snapshot = remote.observe().await.expect("the scope can be observed");
    assert_eq!(snapshot.sights.into_keys().collect::<Vec<_>>(), [path("inside")]);
}

/// A listing enters all folders.
pub async fn a_listing_reaches_every_depth<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    let paths = ["a", "b/c", "b/d", "e/f/g/h/i"];
    for path in paths {
        backdoor.put(path, data(path)).await;
    }
    let snapshot = remote.observe().await.expect("the scope can be observed");
    assert_eq!(snapshot.sights.into_keys().collect::<Vec<_>>(), paths.map(path));
}

/// A folder contains secrets but is not a secret itself.
pub async fn a_folder_is_not_a_secret<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    backdoor.put("folder/secret", data("1")).await;
    assert_eq!(remote.look(&path("folder")).await.expect("looking succeeds"), RemoteSight::ProvenAbsent);
}

/// The scope has many keys in one folder, and many folders.
pub async fn a_wide_scope_is_seen_whole<R: Remote, B: Backdoor>(remote: &R, backdoor: &B) {
    let mut paths: Vec<_> = (0..60).map(|n| path(&format!("key-{n:02}"))).collect();
    paths.extend((0..20).map(|n| path(&format!("folder-{n:02}/key"))));
    for path in &paths {
        backdoor.put(path.as_str(), data("1")).await;
    }
    paths.sort();
    let snapshot = remote.observe().await.expect("the scope can be observed");
    assert_eq!(snapshot.sights.into_keys().collect::<Vec<_>>(), paths);
}

/// A run reports this number as its requests.
pub async fn every_request_is_counted<R: Remote, B: Backdoor>(remote: &R, _: &B) {
    let before = remote.requests();
    write(remote, "counted", "1", 0).await;
    live(remote, "counted").await;
    head(remote, "counted").await;
    assert_eq!(remote.requests(), before + 3);
}
