//! Scopes that cannot be listed in a single answer, or not completely.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use std::collections::BTreeMap;

use serde_json::json;
use vaultterm_hcv::{ConnectorOptions, Listing, VaultConnector};
use vaultterm_reconcile::{Mode, RemoteSight, RemoteSnapshot};
use vaultterm_sync::{Connector, FaultClass, Remote};
use vaultterm_testkit::openbao::only_on_openbao;
use world::{MOUNT, ROLE, World, vault_hcl};

/// The number of keys whose metadata fill an answer. Each key can hold 64 notes of 512 bytes.
const KEYS: usize = 280;

/// Observes the scope. `expected` is what the engine says about its size. Returns the listings and looks as well.
async fn observe(world: &World, connector: &VaultConnector, expected: Option<u64>) -> (RemoteSnapshot, Vec<String>) {
    let before = world.server.audited().len();
    let connected = connector.connect(&world.connection, &world.secrets()).await;
    let remote = connected.map_err(|fault| format!("{fault:?}")).expect("the connection opens").remote;
    if let Some(secrets) = expected {
        remote.expect(secrets);
    }
    let snapshot = remote.observe().await.expect("observed");
    remote.close().await.expect("revoked");
    let asked = world.server.audited().into_iter().skip(before).filter(|request| request.role == ROLE);
    let listings = asked.filter(|request| request.path.contains("metadata/"));
    (snapshot, listings.map(|request| format!("{} {}", request.operation, request.path)).collect())
}

/// Returns the requests without repetitions. The first look at a folder may need several pages.
fn folders(mut asked: Vec<String>) -> Vec<String> {
    asked.sort();
    asked.dedup();
    asked
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

    let (first, mut asked) = observe(&world, &connector, None).await;
    assert_eq!(asked.remove(0), format!("scan {MOUNT}/detailed-metadata/team/app/"));
    assert_eq!(folders(asked), by_folder);
    assert_eq!(first.sights.len(), KEYS);
    assert!(first.sights.values().all(|sight| matches!(sight, RemoteSight::Seen(_))));

    let (second, mut asked) = observe(&world, &connector, None).await;
    asked.sort();
    assert_eq!((second, asked), (first, by_folder), "one request per folder");
}

#[tokio::test]
async fn only_a_scope_that_is_known_to_be_small_is_scanned_at_once() {
    if only_on_openbao("SCAN is OpenBao's") {
        return;
    }
    let world = World::new(Mode::Pull).await;
    for name in ["a", "folder/b"] {
        world.server.root().put(MOUNT, &format!("team/app/{name}"), json!({"value": "1"})).await;
    }
    let scanned = vec![format!("scan {MOUNT}/detailed-metadata/team/app/")];
    let by_folder: Vec<_> =
        ["", "folder/"].map(|folder| format!("list {MOUNT}/detailed-metadata/team/app/{folder}")).into();
    for (expected, wanted) in [(0, &by_folder), (2, &scanned), (15_000, &scanned), (15_001, &by_folder)] {
        let (found, asked) = observe(&world, &world.connector(), Some(expected)).await;
        assert_eq!((found.sights.len(), &folders(asked)), (2, wanted), "{expected} secrets are expected");
    }
}

#[tokio::test]
async fn a_scope_whose_first_folders_hold_few_secrets_is_scanned() {
    const FOLDERS: usize = 160;
    if only_on_openbao("SCAN is OpenBao's") {
        return;
    }
    let world = World::new(Mode::Pull).await;
    for number in 0..FOLDERS {
        world.server.root().put(MOUNT, &format!("team/app/folder-{number}/key"), json!({"value": "1"})).await;
    }
    let (found, mut asked) = observe(&world, &world.connector(), Some(0)).await;
    assert_eq!(found.sights.len(), FOLDERS);
    assert_eq!(asked.pop(), Some(format!("scan {MOUNT}/detailed-metadata/team/app/")));
    let asked = folders(asked);
    assert!(asked.len() < FOLDERS && asked.iter().all(|request| request.starts_with("list ")), "{asked:?}");
}

#[tokio::test]
async fn a_scope_of_which_one_folder_may_not_be_listed_is_scanned() {
    if only_on_openbao("SCAN is OpenBao's") {
        return;
    }
    let world = World::new(Mode::Pull).await;
    for name in ["open/a", "closed/b", "c"] {
        world.server.root().put(MOUNT, &format!("team/app/{name}"), json!({"value": "1"})).await;
    }
    let closed = format!("\npath \"{MOUNT}/detailed-metadata/team/app/closed/\" {{ capabilities = [\"deny\"] }}\n");
    world.set_policy(&(world::hcl(Mode::Pull) + &closed)).await;
    for expected in [0, 1_000_000] {
        let (found, asked) = observe(&world, &world.connector(), Some(expected)).await;
        assert_eq!(found.sights.len(), 3, "{asked:?}");
        assert_eq!(asked.last(), Some(&format!("scan {MOUNT}/detailed-metadata/team/app/")));
    }
}

/// The keys of a folder in which a policy limits pages or hides names, in pages of 4 names.
const FOLDER: [&str; 11] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];

/// Returns the printed policy for a pull with another rule for a listing of the scope, and with more rules.
fn with_rule(api: &str, rule: &str, more: &str) -> String {
    let hcl = if api == "metadata" { vault_hcl(Mode::Pull) } else { world::hcl(Mode::Pull) };
    let path = format!("path \"{MOUNT}/{api}/team/app/*\" {{");
    let (before, rest) = hcl.split_once(&path).expect("the policy lists the scope");
    let (grant, after) = rest.split_once('}').expect("a block ends");
    format!("{before}{path}{grant}\n  {rule}\n}}{after}\n{more}")
}

/// Returns the names of the folder that a new session finds.
async fn found(world: &World, connector: &VaultConnector) -> Vec<String> {
    let (snapshot, _) = observe(world, connector, None).await;
    assert!(snapshot.sights.values().all(|sight| matches!(sight, RemoteSight::Seen(_))), "{snapshot:?}");
    snapshot.sights.into_keys().map(|path| path.to_string().replace("folder/", "")).collect()
}

async fn with_a_folder() -> World {
    let world = World::new(Mode::Pull).await;
    for name in FOLDER {
        world.server.root().put(MOUNT, &format!("team/app/folder/{name}"), json!({"value": "1"})).await;
    }
    world
}

fn connector(world: &World, listing: Listing) -> VaultConnector {
    VaultConnector::new(ConnectorOptions { listing, page_size: 4, ..world.options.clone() })
}

#[tokio::test]
async fn a_policy_that_limits_pages_hides_no_secret() {
    if only_on_openbao("pagination_limit is OpenBao's") {
        return;
    }
    let world = with_a_folder().await;
    for (listing, api) in [(Listing::DetailedList, "detailed-metadata"), (Listing::PerKey, "metadata")] {
        for limit in [1, 3, 4, 10, 11, 12, 1_000] {
            // With the key by key way, the same path grants the reading of metadata, which has no limit.
            let required = ["", "required_parameters = [\"limit\"]"];
            for required in &required[..if api == "metadata" { 1 } else { 2 }] {
                let rule = format!("pagination_limit = {limit}\n  {required}");
                world.set_policy(&with_rule(api, &rule, "")).await;
                let connector = connector(&world, listing);
                for look in ["first", "second"] {
                    assert_eq!(found(&world, &connector).await, FOLDER, "{listing:?}, {rule}, {look} look");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_policy_that_hides_names_hides_no_other_secret() {
    if only_on_openbao("list_scan_response_keys_filter_path is OpenBao's") {
        return;
    }
    let world = with_a_folder().await;
    let all = FOLDER.concat();
    for (listing, api) in [(Listing::DetailedList, "detailed-metadata"), (Listing::PerKey, "metadata")] {
        for shown in ["k", "ak", "abcdfghijk", "abcdk", "efgh", "a", all.as_str()] {
            let visible = shown.chars().map(String::from).chain(["folder/".to_owned()]);
            let more: String = visible
                .map(|name| format!("path \"visible/{name}\" {{ capabilities = [\"read\", \"list\"] }}\n"))
                .collect();
            let rule = "list_scan_response_keys_filter_path = \"visible/{{ .key }}\"";
            world.set_policy(&with_rule(api, rule, &more)).await;
            let connector = connector(&world, listing);
            for look in ["first", "second"] {
                assert_eq!(found(&world, &connector).await.concat(), shown, "{listing:?}, {look} look");
            }
        }
    }
}

#[tokio::test]
async fn a_scope_that_hid_no_name_proves_it_once() {
    if only_on_openbao("HashiCorp Vault has no pages") {
        return;
    }
    let world = with_a_folder().await;
    let connector = connector(&world, Listing::DetailedList);
    let (_, first) = observe(&world, &connector, None).await;
    let (_, second) = observe(&world, &connector, None).await;
    // The first look makes one more request for the scope and one more for its folder.
    assert_eq!((first.len(), second.len()), (6, 4), "{first:?}");
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
