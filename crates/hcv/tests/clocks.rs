//! Clocks that disagree. A deletion is never taken for an expiry, and a future expiry is never taken for a
//! deletion.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use std::time::Duration;

use vaultterm_hcv::{Listing, VaultRemote};
use vaultterm_reconcile::{Mode, RemoteEntry, RemoteHead, RemoteSight};
use vaultterm_sync::Remote;
use vaultterm_testkit::{
    Backdoor, Metadata,
    openbao::{Between, Meddling},
};
use world::{MOUNT, PREFIX, World, path};

/// The seconds by which the clock of the answering server is wrong.
const LAGS: [i64; 5] = [-3_600, -30, -1, 0, 1];

/// Returns the head of a key, as a look and as a listing show it.
async fn heads(remote: &VaultRemote, key: &str) -> [RemoteHead; 2] {
    let look = remote.look(&path(key)).await.expect("looking succeeds");
    let listed = remote.observe().await.expect("the scope can be observed").sights.remove(&path(key));
    [look, listed.expect("the key is listed")].map(|sight| match sight {
        RemoteSight::Seen(RemoteEntry { head, .. }) => head,
        other => panic!("expected a key, found {other:?}"),
    })
}

#[tokio::test]
async fn a_deletion_just_made_is_no_expiry_to_come_however_wrong_the_clock_of_what_answers() {
    for listing in world::known(&[Listing::Auto, Listing::DetailedList, Listing::PerKey]) {
        let mut world = World::new(Mode::Bidirectional).await;
        if listing == Listing::PerKey {
            world.set_policy(&world::vault_hcl(Mode::Bidirectional)).await;
        }
        let backdoor = world.server.backdoor(MOUNT, PREFIX);
        let between = Between::new(world.server.port()).await;
        world.connection.address = between.address().to_owned();
        for seconds in LAGS {
            between.meddle("", Meddling::Date(seconds));
            let remote = world.connect_listing(listing, 7).await;
            let key = format!("key{seconds}");
            let version = backdoor.put(&key, world::fields("1").expose().clone()).await;
            backdoor.delete(&key, version).await;
            for head in heads(&remote, &key).await {
                assert!(matches!(head, RemoteHead::Deleted { .. }), "{listing:?}, {seconds} s off: {head:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_expiry_to_come_is_live_though_the_clock_of_what_answers_lags() {
    let mut world = World::new(Mode::Bidirectional).await;
    let backdoor = world.server.backdoor(MOUNT, PREFIX);
    let between = Between::new(world.server.port()).await;
    world.connection.address = between.address().to_owned();
    let soon = Metadata { delete_version_after: Some(Duration::from_secs(40)), ..Metadata::default() };
    let later = Metadata { delete_version_after: Some(Duration::from_secs(3_600)), ..Metadata::default() };
    for (key, metadata) in [("soon", soon.clone()), ("later", later), ("undeleted", soon)] {
        backdoor.put_metadata(key, metadata).await;
        backdoor.put(key, world::fields("1").expose().clone()).await;
    }
    backdoor.delete("undeleted", 1).await;
    backdoor.undelete("undeleted", 1).await;
    for seconds in LAGS {
        between.meddle("", Meddling::Date(seconds));
        let remote = world.connect().await;
        for key in ["soon", "later", "undeleted"] {
            for head in heads(&remote, key).await {
                assert!(matches!(head, RemoteHead::Live { expires: Some(_), .. }), "{key}, {seconds} s off: {head:?}");
            }
        }
    }
}

/// The planner relies on this to tell a version that expired unseen from one that a person deleted.
#[tokio::test]
async fn a_version_that_ran_out_was_deleted_whole_seconds_after_it_was_created() {
    let world = World::new(Mode::Pull).await;
    let backdoor = world.server.backdoor(MOUNT, PREFIX);
    let brief = Metadata { delete_version_after: Some(Duration::from_secs(1)), ..Metadata::default() };
    backdoor.put_metadata("key", brief).await;
    backdoor.put("key", world::fields("1").expose().clone()).await;
    let remote = world.connect().await;
    let ran_out = async {
        loop {
            if let RemoteHead::Deleted { stamp, deleted, .. } = heads(&remote, "key").await[0] {
                return deleted.expect("a time").0 - stamp.version_created.0;
            }
        }
    };
    let lived = tokio::time::timeout(Duration::from_secs(20), ran_out).await.expect("it runs out");
    assert_eq!(lived, 1_000_000_000, "nanoseconds");
}
