//! The audit log from outside: its checkpoints and keys, the anchors that hold its checkpoints, an older copy
//! of the database, and the removal of its beginning.

use std::{fs, net::UdpSocket, path::Path};

use serde_json::{Value, json};

use crate::{
    house::{House, IN_A_FILE},
    town::{MOUNT, PREFIX, Town},
};

/// Returns the sizes of the checkpoints in an anchor file.
fn anchored(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let size = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        size_of(line["checkpoint"].as_str().expect("a note"))
    };
    text.lines().map(size).collect()
}

fn size_of(note: &str) -> u64 {
    note.lines().nth(1).expect("a size").parse().expect("a number")
}

/// Returns the database file. The server must be stopped.
fn copy(house: &House) -> Vec<u8> {
    fs::read(house.data().join("vaultterm.db")).expect("read")
}

async fn head(house: &House) -> u64 {
    house.owner.post("/audit/verify", json!({})).await.expect(200).body["entries"].as_u64().expect("a number")
}

async fn guards(house: &House) -> Vec<Value> {
    house.owner.items("/audit/events?action=AUDIT_GUARD_RAISED").await
}

async fn component(house: &House, name: &str) -> Value {
    let health = house.owner.get("/health").await.expect(200).body;
    let components = health["components"].as_array().expect("components");
    components.iter().find(|component| component["name"] == name).expect("it is there").clone()
}

/// Returns a house that anchors its log in a file, and the path of that file.
async fn with_file() -> (House, tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("anchors.jsonl");
    let anchor = ("VAULTTERM_AUDIT_ANCHOR_FILE", path.to_str().expect("UTF-8"));
    let house = House::configured(&[IN_A_FILE, anchor]).await;
    (house, folder, path)
}

#[tokio::test]
async fn checkpoints_are_made_soon_listed_verified_and_anchored_in_a_file() {
    let (mut house, _folder, path) = with_file().await;
    // The creation of a person is signed at once.
    house.person("bo@example.com", "member").await;
    house
        .until("the checkpoint is anchored", async || {
            let entries = house.owner.items("/audit/events?action=USER_CREATED").await;
            let last = entries.last().expect("one")["seq"].as_u64().expect("a number");
            anchored(&path).last().is_some_and(|size| *size >= last).then_some(())
        })
        .await;
    let listed = house.owner.items("/audit/checkpoints?limit=1").await;
    let sizes: Vec<u64> = listed.iter().map(|item| item["size"].as_u64().expect("a number")).collect();
    assert!(!sizes.is_empty() && sizes.is_sorted(), "{listed:?}");
    assert_eq!(size_of(listed[0]["note"].as_str().expect("a note")), sizes[0]);
    let shown = house.cli_json(&["audit", "checkpoints"]);
    assert_eq!(shown["items"].as_array().expect("a list").len(), house.owner.items("/audit/checkpoints").await.len());
    // When the server stops, it signs the rest of the log.
    let collection = house.collection("app").await;
    house.record(&collection, "db", json!({"x": "1"})).await;
    let entries = head(&house).await;
    house.while_stopped(|_| assert_eq!(anchored(&path).last(), Some(&entries)));
    let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!((&verdict["ok"], &verdict["pruned"]), (&json!(true), &json!(0)), "{verdict}");
    assert!(verdict["checkpoints"].as_u64() >= Some(2), "{verdict}");
    let anchor = component(&house, "anchor:file").await;
    assert_eq!(anchor["ok"], true, "{anchor}");
    let doctor = house.cli_json(&["doctor"]);
    let checks = doctor["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["name"] == "audit anchor file" && check["ok"] == true), "{doctor:#}");
    assert!(guards(&house).await.is_empty());
}

#[tokio::test]
async fn an_anchor_that_is_behind_or_gone_is_no_alarm_and_is_served_again() {
    let (mut house, _folder, path) = with_file().await;
    house.person("bo@example.com", "member").await;
    let grows = async |house: &House, email: &str| {
        house.person(email, "member").await;
        let entries = head(house).await;
        let made = entries - 1;
        house
            .until("it is anchored", async || anchored(&path).last().is_some_and(|size| *size >= made).then_some(()))
            .await;
        assert!(guards(house).await.is_empty());
    };
    // This is the state after a kill between the checkpoint and the anchor: an older line, and a line that
    // was cut off.
    house.while_stopped(|_| {
        let text = fs::read_to_string(&path).expect("read");
        let first = text.lines().next().expect("a line");
        fs::write(&path, format!("{first}\n{{\"checkpoint\":\"vault")).expect("written");
    });
    let lines = |text: String| text.lines().filter(|line| line.ends_with('}')).count();
    assert_eq!(lines(fs::read_to_string(&path).expect("read")), 1);
    house.person("cy@example.com", "member").await;
    house.until("it is anchored", async || (lines(fs::read_to_string(&path).expect("read")) > 1).then_some(())).await;
    assert!(guards(&house).await.is_empty());
    house.while_stopped(|_| fs::remove_file(&path).expect("removed"));
    grows(&house, "di@example.com").await;
}

#[tokio::test]
async fn an_older_copy_of_the_database_raises_the_guard_once() {
    let (mut house, _folder, path) = with_file().await;
    let older = house.while_stopped(|house| copy(house));
    house.person("bo@example.com", "member").await;
    house.while_stopped(|house| fs::write(house.data().join("vaultterm.db"), &older).expect("put back"));
    let [raised] = guards(&house).await.try_into().expect("one");
    let reason = raised["detail"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("entries here, but had") && reason.contains("file"), "{reason}");
    // The newest checkpoint is one that was signed since, so the next start raises no further guard.
    house.stop_and_restart();
    assert_eq!(guards(&house).await.len(), 1);
    assert_eq!(
        anchored(&path).last(),
        house
            .owner
            .items("/audit/checkpoints")
            .await
            .last()
            .map(|item| { item["size"].as_u64().expect("a number") })
            .as_ref()
    );
    // The server was killed after the copy was put back, before it anchored anything. The next start notices
    // the copy again.
    house.person("eve@example.com", "member").await;
    house.while_stopped(|house| fs::write(house.data().join("vaultterm.db"), &older).expect("put back"));
    house.kill_and_restart();
    assert!(!guards(&house).await.is_empty());
}

#[tokio::test]
async fn an_anchor_that_cannot_be_written_holds_up_nothing_and_is_shown() {
    let house = House::configured(&[
        ("VAULTTERM_AUDIT_ANCHOR_FILE", "/nowhere/at/all"),
        ("VAULTTERM_AUDIT_SYSLOG", "unix:/nowhere/log"),
        ("VAULTTERM_AUDIT_ANCHOR_CONNECTION", "none"),
        ("VAULTTERM_AUDIT_ANCHOR_PATH", "audit"),
    ])
    .await;
    house.person("bo@example.com", "member").await;
    for (name, why) in [("file", "/nowhere/at/all"), ("syslog", "unix:/nowhere/log"), ("vault", "no connection `none`")]
    {
        house
            .until("the failure is shown", async || {
                let anchor = component(&house, &format!("anchor:{name}")).await;
                let detail = anchor["detail"].as_str().unwrap_or_default();
                (anchor["ok"] == false && detail.contains(why)).then_some(())
            })
            .await;
    }
    assert_eq!(house.owner.get("/health").await.expect(200).body["status"], "degraded");
    let doctor = house.cli(&["--format", "json", "doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
}

#[tokio::test]
async fn every_entry_and_checkpoint_reaches_syslog_across_restarts() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("set");
    let target = format!("udp://{}", socket.local_addr().expect("an address"));
    let mut house =
        House::configured(&[("VAULTTERM_AUDIT_SYSLOG", &target), ("VAULTTERM_AUDIT_SYSLOG_ENTRIES", "1")]).await;
    house.collection("app").await;
    house.kill_and_restart();
    house.collection("more").await;
    let entries = head(&house).await;
    house.stop_and_restart();
    let (mut seen, mut checkpoint) = (std::collections::BTreeSet::new(), 0);
    let mut buffer = vec![0; 65_536];
    while seen.len() < usize::try_from(entries).expect("few") || checkpoint < entries {
        let length = socket.recv(&mut buffer).expect("a message");
        let message = std::str::from_utf8(&buffer[..length]).expect("UTF-8");
        assert!(message.starts_with("<109>1 20"), "{message}");
        let document: Value = serde_json::from_str(message.splitn(8, ' ').nth(7).expect("a text")).expect("JSON");
        match document["checkpoint"].as_str() {
            Some(note) => checkpoint = checkpoint.max(size_of(note)),
            None => {
                let seq = document["seq"].as_u64().expect("a number");
                assert!(seq <= seen.last().copied().unwrap_or(0) + 1, "nothing is left out: {seq}");
                seen.insert(seq);
            }
        }
    }
}

#[tokio::test]
async fn the_audit_key_is_rotated_and_every_key_is_shown() {
    let house = House::new().await;
    let first = house.cli_json(&["audit", "key"]);
    assert_eq!(first["keys"].as_array().map(Vec::len), Some(1));
    let rotated = house.cli_json(&["key", "rotate", "audit"]);
    let audit: Vec<_> =
        rotated["keys"].as_array().expect("keys").iter().filter(|key| key["purpose"] == "audit").collect();
    assert_eq!((audit.len(), &audit[0]["generation"]), (1, &json!(2)));
    let text = house.cli(&["audit", "key"]).stdout;
    let shown = String::from_utf8(text).expect("UTF-8");
    let vkeys: Vec<&str> = shown.lines().collect();
    assert_eq!(vkeys.len(), 2);
    assert_eq!(first["keys"][0]["vkey"], vkeys[0]);
    let event = house.owner.items("/audit/events?action=KEY_ROTATED").await.pop().expect("one");
    assert_eq!((&event["detail"]["previous_vkey"], &event["detail"]["vkey"]), (&json!(vkeys[0]), &json!(vkeys[1])));
    let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true, "{verdict}");
}

#[tokio::test]
async fn the_beginning_of_the_log_is_removed_only_when_it_is_old_enough() {
    let mut house = House::in_a_file().await;
    house.collection("app").await;
    let young = house.owner.post("/audit/prune", json!({"before": "2199-01-01T00:00:00Z"})).await;
    assert!(young.problem(409, "refused").contains("VAULTTERM_AUDIT_KEEP_DAYS"));
    house.owner.post("/audit/prune", json!({"before": "yesterday"})).await.problem(422, "invalid");
    assert_eq!(house.cli_json(&["audit", "prune", "--before", "2020-01-01T00:00:00Z"])["size"], Value::Null);
    house.set("VAULTTERM_AUDIT_KEEP_DAYS", "0");
    house.stop_and_restart();
    let me = house.owner.get("/auth/me").await.expect(200).body["user"]["email"].clone();
    house.collection("more").await;
    let now = house.owner.items("/audit/events").await.last().expect("one")["time"].clone();
    let pruned = house.cli_json(&["audit", "prune", "--before", now.as_str().expect("a time")]);
    let size = pruned["size"].as_u64().expect("a size");
    assert_eq!(pruned["pruned"], size);
    let left = house.owner.items("/audit/events").await;
    assert_eq!(left[0]["seq"], size + 1);
    assert_eq!((&left[left.len() - 1]["action"], &left[left.len() - 1]["actor"]), (&json!("AUDIT_PRUNED"), &me));
    let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!((&verdict["ok"], &verdict["pruned"]), (&json!(true), &json!(size)), "{verdict}");
    house.kill_and_restart();
    let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true, "{verdict}");
}

#[tokio::test]
async fn events_are_found_by_actor_action_object_and_time() {
    let house = House::new().await;
    house.person("bo@example.com", "member").await;
    let collection = house.collection("app").await;
    let count = |arguments: &[&str]| {
        house.cli_json(&[&["audit", "ls"], arguments].concat())["items"].as_array().expect("a list").len()
    };
    assert_eq!(count(&["--actor", "bo@example.com"]), 1, "the login");
    assert_eq!(count(&["--actor", crate::house::OWNER, "--action", "COLLECTION_CREATED"]), 1);
    assert_eq!(count(&["--object", &collection]), 1);
    assert_eq!(count(&["--from", "2199-01-01T00:00:00Z"]), 0);
    assert_eq!(count(&["--to", "2020-01-01T00:00:00Z"]), 0);
}

#[tokio::test]
async fn the_newest_checkpoint_is_kept_in_a_connected_vault_and_compared_at_the_next_start() {
    let mut town = Town::in_a_file("push").await;
    let anchor = "audit/vaultterm";
    let name = "prod";
    let policy = town.house.cli(&["connection", "policy", name, "--anchor", anchor]);
    let hcl = String::from_utf8(policy.stdout).expect("UTF-8");
    assert!(hcl.contains("kv/data/audit/vaultterm"), "{hcl}");
    town.house.set("VAULTTERM_AUDIT_ANCHOR_CONNECTION", name);
    town.house.set("VAULTTERM_AUDIT_ANCHOR_PATH", &format!("{PREFIX}/audit"));
    town.house.stop_and_restart();
    let detail = async |town: &Town, part: &str| {
        town.house
            .until("the anchor says so", async || {
                let said = component(&town.house, "anchor:vault").await["detail"].to_string();
                said.contains(part).then_some(())
            })
            .await;
    };
    detail(&town, "lies in what the connection synchronizes").await;
    town.house.set("VAULTTERM_AUDIT_ANCHOR_PATH", anchor);
    town.house.stop_and_restart();
    detail(&town, "the role lacks").await;
    // With the printed policy it works.
    town.root().write_policy("vaultterm", &hcl).await;
    let older = town.house.while_stopped(|house| copy(house));
    let kept = async |town: &Town| {
        let value = town.root().value(MOUNT, anchor).await?;
        Some(size_of(value["checkpoint"].as_str().expect("a note")))
    };
    let first = town.house.until("the checkpoint is there", async || kept(&town).await).await;
    detail(&town, "arrived").await;
    town.house.person("bo@example.com", "member").await;
    town.house.stop_and_restart();
    town.house.until("a newer one is there", async || kept(&town).await.filter(|size| *size > first)).await;
    assert!(guards(&town.house).await.is_empty());
    town.house.while_stopped(|house| fs::write(house.data().join("vaultterm.db"), &older).expect("put back"));
    town.house.until("the guard is raised", async || (guards(&town.house).await.len() == 1).then_some(())).await;
}
