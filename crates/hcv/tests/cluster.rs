//! A standby answers reads by itself, and its state may be old. A session whose requests reach different
//! nodes must never see a state older than what it has seen or written before.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use vaultterm_hcv::Listing;
use vaultterm_reconcile::{Mode, RemoteEntry, RemoteHead, RemoteSight, Version};
use vaultterm_sync::{Freshness, Remote};
use vaultterm_testkit::openbao::{Between, OpenBao, Setup, only_on_openbao};
use world::{MOUNT, World, fields, path};

const ROUNDS: u64 = 60;

/// Returns a connection through a balancer. Reads reach the standby, and all other requests the active node.
async fn balanced() -> (World, OpenBao) {
    let leader = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
    let mut world = World::on(leader, Mode::Bidirectional).await;
    let standby = OpenBao::start_standby(&world.server).await;
    let between = Between::balancing(world.server.port(), standby.port()).await;
    world.connection.address = between.address().to_owned();
    (world, standby)
}

#[tokio::test]
async fn what_a_session_wrote_is_seen_by_every_kind_of_look_on_a_standby() {
    if only_on_openbao("a standby of Vault Community answers no read by itself") {
        return;
    }
    let (world, _standby) = balanced().await;
    for listing in [Listing::Scan, Listing::DetailedList] {
        let remote = world.connect_listing(listing, 1_000).await;
        assert_eq!(remote.freshness(), Freshness::Index, "the session can tell");
        for round in 0..ROUNDS {
            let at = path(&format!("{listing:?}/key-{round}"));
            let receipt = remote.write(&at, &fields("1"), Version::NONE).await.expect("written");
            let listed = remote.observe().await.expect("observed");
            assert!(listed.sights.contains_key(&at), "{listing:?}: missing in round {round}");
            let updated = remote.write(&at, &fields("2"), receipt.version).await.expect("written");
            assert!(remote.read(&at, updated.version).await.expect("read").is_some(), "{listing:?}: round {round}");
            remote.delete(&at, updated.version).await.expect("deleted");
            let sight = remote.look(&at).await.expect("looked at");
            let RemoteSight::Seen(RemoteEntry { head: RemoteHead::Deleted { stamp, .. }, .. }) = sight else {
                panic!("{listing:?}: an old state in round {round}: {sight:?}");
            };
            assert_eq!(stamp.version, updated.version);
        }
        remote.close().await.expect("revoked");
    }
}

/// The login of the session is newer than these writes, and every read must be at least as new as the login.
#[tokio::test]
async fn what_others_wrote_before_a_session_began_is_seen_by_it_on_a_standby() {
    if only_on_openbao("a standby of Vault Community answers no read by itself") {
        return;
    }
    let (world, _standby) = balanced().await;
    for round in 0..ROUNDS {
        let name = format!("team/app/key-{round}");
        world.server.root().put(MOUNT, &name, serde_json::json!({"value": "1"})).await;
        let remote = world.connect().await;
        let listed = remote.observe().await.expect("observed");
        assert!(listed.sights.contains_key(&path(&format!("key-{round}"))), "missing in round {round}");
        remote.close().await.expect("revoked");
    }
}
