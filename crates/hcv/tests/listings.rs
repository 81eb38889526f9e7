//! Scopes that cannot be listed in a single answer, or not completely.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use std::collections::BTreeMap;

use serde_json::json;
use vaultterm_hcv::{Listing, VaultConnector};
use vaultterm_reconcile::{Mode, RemoteSight, RemoteSnapshot};
use vaultterm_sync::{Connector, FaultClass, Remote};
use vaultterm_testkit::openbao::only_on_openbao;
use world::{MOUNT, ROLE, World, vault_hcl};

/// The number of keys whose metadata fill an answer. Each key can hold 64 notes of 512 bytes.
const KEYS: usize = 280;

async fn observe(world: &World, connector: &VaultConnector) -> (RemoteSnapshot, Vec<String>) {
    let before = world.server.audited().len();
    let connected = connector.connect(&world.connection, &world.secrets()).await;
    let remote = connected.map_err(|fault| format!("{fault:?}")).expect("the connection opens").remote;
    let snapshot = remote.observe().await.expect("observed");
    remote.close().await.expect("revoked");
    let asked = world.server.audited().into_iter().skip(before).filter(|request| request.role == ROLE);
    let listings = asked.filter(|request| request.path.contains("metadata/"));
    (snapshot, listings.map(|request| format!("{} {}", request.operation, request.path)).collect())
}

#[tokio::test]
async fn a_scope_too_large_for_one_scan_is_listed_by_folder_and_scanned_no_more() {
    if only_on_openbao("SCAN is OpenBao's") {
        return;
    }
    let world = World::new(Mode::Pull).await;
    let root = world.server.root();
    let notes: BTreeMap<String, String> = (0..64).map(|number| (format!("note-{number}"), "n".repeat(512))).collect();
    for number in 0..KEYS {
        let path = format!("team/app/folder-{}/key-{number}", number % 3);
        root.call("POST", &format!("{MOUNT}/metadata/{path}"), Some(json!({ "custom_metadata": notes }))).await;
        root.put(MOUNT, &path, json!({"value": "1"})).await;
    }
    let connector = world.connector();
    let by_folder: Vec<String> = ["", "folder-0/", "folder-1/", "folder-2/"]
        .map(|folder| format!("list {MOUNT}/detailed-metadata/team/app/{folder}"))
        .into();

    let (first, mut asked) = observe(&world, &connector).await;
    assert_eq!(asked.remove(0), format!("scan {MOUNT}/detailed-metadata/team/app/"));
    asked.sort();
    assert_eq!(asked, by_folder);
    assert_eq!(first.sights.len(), KEYS);
    assert!(first.sights.values().all(|sight| matches!(sight, RemoteSight::Seen(_))));

    let (second, mut asked) = observe(&world, &connector).await;
    asked.sort();
    assert_eq!((second, asked), (first, by_folder));
}

/// A secret that is missing from an unseen part would look deleted.
#[tokio::test]
async fn a_folder_that_may_not_be_listed_ends_the_observation() {
    let world = World::new(Mode::Pull).await;
    for name in ["open/a", "closed/b", "c"] {
        world.server.root().put(MOUNT, &format!("team/app/{name}"), json!({"value": "1"})).await;
    }
    // HashiCorp Vault looks for a rule for `closed` before it looks for one for `closed/`, and there the rule for
    // the whole scope would grant the listing.
    let closed = |api: &str| {
        let folder = format!("{MOUNT}/{api}/team/app/closed");
        ["", "/*"].map(|end| format!("\npath \"{folder}{end}\" {{ capabilities = [\"deny\"] }}\n")).concat()
    };
    for (listing, api, hcl) in [
        (Listing::DetailedList, "detailed-metadata", world::hcl(Mode::Pull)),
        (Listing::PerKey, "metadata", vault_hcl(Mode::Pull)),
    ] {
        if world::known(&[listing]).is_empty() {
            continue;
        }
        world.set_policy(&hcl).await;
        let remote = world.connect_listing(listing, 2).await;
        assert_eq!(remote.observe().await.expect("observed").sights.len(), 3, "{listing:?}");
        world.set_policy(&(hcl + &closed(api))).await;
        let fault = remote.observe().await.expect_err("a part cannot be seen");
        assert_eq!(fault.class, FaultClass::Denied, "{listing:?}: {fault:?}");
        assert!(fault.message.contains("team/app/closed/"), "{fault:?}");
        remote.close().await.expect("revoked");
    }
}
