//! The root key under Transit and back, the server while the key is sealed, and rotations. The tests work
//! from outside, on a real OpenBao.

use std::{fs, path::Path};

use serde_json::{Value, json};
use vaultterm_testkit::openbao::{AppRole, OpenBao, Setup};

use crate::{
    guest::Answer,
    house::House,
    town::{Town, did},
};

const POLICY: &str = r#"
path "transit/encrypt/vaultterm-master" { capabilities = ["update"] }
path "transit/decrypt/vaultterm-master" { capabilities = ["update"] }
path "transit/rewrap/vaultterm-master"  { capabilities = ["update"] }
path "transit/keys/vaultterm-master"    { capabilities = ["read"] }
path "sys/capabilities-self"            { capabilities = ["update"] }
"#;

/// Creates Transit, its key and the role for it, and configures the house with them.
pub(crate) async fn prepare(house: &mut House, bao: &OpenBao, address: &str) {
    let root = bao.root();
    root.call("POST", "sys/mounts/transit", Some(json!({"type": "transit"}))).await;
    root.call("POST", "transit/keys/vaultterm-master", Some(json!({"derived": true}))).await;
    let credentials = root.make_role(AppRole { name: "seal", policy: POLICY, more: Value::Null }).await;
    let secret_id = house.file("secret-id", &credentials.secret_id);
    house.set("KEY_HCV_ADDR", address);
    house.set("KEY_HCV_ROLE_ID", &credentials.role_id);
    house.set("KEY_HCV_SECRET_ID_FILE", &secret_id);
}

/// Seals the root key, removes the local copy, and starts the server with Transit.
pub(crate) fn seal(house: &mut House) -> Value {
    house.while_stopped(|house| {
        let sealed = house.cli_json(&["key", "seal"]);
        house.set("KEY_PROVIDER", "hcv-transit");
        fs::rename(house.data().join("master.key"), house.data().join("away.key")).expect("moved");
        sealed
    })
}

async fn readiness(house: &House) -> Answer {
    house.stranger().get("/readyz").await
}

pub(crate) async fn until_ready(house: &House) {
    house.until("the server is ready", async || (readiness(house).await.status == 200).then_some(())).await;
}

/// Waits until the server has logged these words: the first attempt to open the root key may still be under way.
async fn until_logged(house: &House, words: &str) {
    house.until(words, async || house.log().contains(words).then_some(())).await;
}

async fn value(house: &House, id: &str) -> Value {
    house.owner.post(&format!("/records/{id}/reveal"), json!({})).await.expect(200).body["fields"].clone()
}

#[tokio::test]
async fn the_root_key_goes_under_transit_and_back_and_no_record_is_touched() {
    let (mut house, bao) = tokio::join!(House::new(), OpenBao::start());
    prepare(&mut house, &bao, &bao.address()).await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "db", json!({"v": "s3cret"})).await;
    let untouched = house.owner.get(&format!("/records/{id}")).await.body;

    let sealed = seal(&mut house);
    assert!(sealed["ciphertext"].as_str().is_some_and(|text| text.starts_with("vault:v1:")), "{sealed}");
    assert_eq!(sealed["binding"], "context");
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}));
    let status = house.cli_json(&["key", "status"]);
    assert_eq!((&status["provider"], &status["sealed"][0]["transit_key_version"]), (&json!("hcv-transit"), &json!(1)));

    bao.root().call("POST", "transit/keys/vaultterm-master/rotate", None).await;
    let warned = house.cli_json(&["doctor"]);
    let transit = warned["checks"].as_array().expect("checks").iter().find(|check| check["name"] == "Transit key");
    assert!(transit.expect("a check")["hint"].to_string().contains("key rotate transit"), "{warned:#}");
    let rotated = house.cli_json(&["key", "rotate", "transit"]);
    assert_eq!(rotated["sealed"][0]["transit_key_version"], 2);
    assert_eq!(rotated["sealed"][1]["transit_key_version"], 1, "the previous one is kept");
    house.cli_json(&["key", "rotate", "root"]);
    house.stop_and_restart();
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}));

    house.while_stopped(|house| {
        let kept = house.data().join("back.key");
        house.cli_json(&["key", "unseal", "--to", kept.to_str().expect("UTF-8")]);
        house.set("KEY_PROVIDER", "local");
        house.set("MASTER_KEY_FILE", kept.to_str().expect("UTF-8"));
    });
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}));
    assert_eq!(house.owner.get(&format!("/records/{id}")).await.body, untouched);
    for action in ["KEY_SEALED", "KEY_ROTATED", "KEY_UNSEALED"] {
        assert!(!house.owner.items(&format!("/audit/events?action={action}")).await.is_empty(), "{action}");
    }
}

#[tokio::test]
async fn a_server_starts_sealed_while_vault_is_away_and_opens_by_itself_when_it_is_back() {
    let (mut house, mut bao) =
        tokio::join!(House::new(), OpenBao::start_with(Setup { raft: true, ..Setup::default() }));
    let address = bao.address();
    prepare(&mut house, &bao, &address).await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "db", json!({"v": "s3cret"})).await;
    seal(&mut house);
    until_ready(&house).await;

    bao.kill();
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}), "a server that is open needs Vault no more");
    house.stop_and_restart();
    readiness(&house).await.problem(503, "sealed");
    house.owner.get(&format!("/records/{id}")).await.problem(503, "sealed");
    house.stranger().get("/livez").await.expect(200);
    until_logged(&house, "the root key is still sealed").await;
    bao.restart().await;
    until_ready(&house).await;
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}));

    bao.seal().await;
    house.stop_and_restart();
    readiness(&house).await.problem(503, "sealed");
    until_logged(&house, "the server is sealed").await;
    bao.unseal().await;
    until_ready(&house).await;
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}));
}

#[tokio::test]
async fn a_deleted_transit_key_is_named_and_the_copy_kept_offline_opens_everything() {
    let (mut house, bao) = tokio::join!(House::new(), OpenBao::start());
    prepare(&mut house, &bao, &bao.address()).await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "db", json!({"v": "s3cret"})).await;
    seal(&mut house);
    let root = bao.root();
    root.call("POST", "transit/keys/vaultterm-master/config", Some(json!({"deletion_allowed": true}))).await;
    root.call("DELETE", "transit/keys/vaultterm-master", None).await;

    house.stop_and_restart();
    readiness(&house).await.problem(503, "sealed");
    until_logged(&house, "encryption key not found").await;
    until_logged(&house, "local copy of the root key").await;
    let doctor = house.cli(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    house.while_stopped(|house| {
        house.set("KEY_PROVIDER", "local");
        house.set("MASTER_KEY_FILE", house.data().join("away.key").to_str().expect("UTF-8"));
    });
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}));
}

#[tokio::test]
async fn sealing_refuses_a_mistyped_key_and_a_policy_that_lacks_something_and_says_what() {
    let (mut house, bao) = tokio::join!(House::new(), OpenBao::start());
    prepare(&mut house, &bao, &bao.address()).await;
    house.while_stopped(|house| {
        house.set("KEY_HCV_TRANSIT_KEY", "vaultterm-mastr");
        let refused = house.cli(&["key", "seal"]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("lacks `update` on transit/decrypt/vaultterm-mastr"), "{said}");
        house.set("KEY_HCV_TRANSIT_KEY", "vaultterm-master");
        house.set("KEY_HCV_TRANSIT_MOUNT", "tranist");
        assert_eq!(house.cli(&["key", "seal"]).status.code(), Some(2));
        house.set("KEY_HCV_TRANSIT_MOUNT", "transit");
        house.set("KEY_PROVIDER", "hcv-transit");
        let never = house.cli(&["key", "unseal"]);
        let said = String::from_utf8_lossy(&never.stderr).into_owned();
        assert!(said.contains("never sealed") && said.contains("vaultterm key seal"), "{said}");
        house.set("KEY_PROVIDER", "local");
    });
    let (status, _) = bao.root().try_call("GET", "transit/keys/vaultterm-mastr", None).await;
    assert_eq!(status.as_u16(), 404, "nothing was made");
    until_ready(&house).await;
}

#[tokio::test]
async fn an_installation_may_begin_under_transit_and_never_have_a_key_file() {
    let (mut house, bao) = tokio::join!(House::new(), OpenBao::start());
    prepare(&mut house, &bao, &bao.address()).await;
    house.set("KEY_PROVIDER", "hcv-transit");
    let fresh = house.data().with_file_name("fresh");
    house.set("VAULTTERM_DATA_DIR", fresh.to_str().expect("UTF-8"));
    if vaultterm_testkit::on_postgres() {
        house.set("DATABASE_URL", &vaultterm_testkit::fresh_database(&fresh).await);
    }
    let made = house.cli_json(&["init"]);
    assert!(made["setup_link"].is_string(), "{made}");
    let key_files = |folder: &Path| {
        let files = fs::read_dir(folder).expect("the data directory");
        files.filter(|file| file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().contains("key"))).count()
    };
    assert_eq!(key_files(&fresh), 0);
    house.stop_and_restart();
    until_ready(&house).await;
}

#[tokio::test]
async fn seal_and_sync_are_independent_and_may_be_two_different_vaults() {
    let (mut town, mut sealing) = tokio::join!(Town::new("bidirectional"), OpenBao::start());
    prepare(&mut town.house, &sealing, &sealing.address()).await;
    town.house.record(&town.collection, "one", json!({"v": 1})).await;
    seal(&mut town.house);
    until_ready(&town.house).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
    sealing.kill();
    town.put("two", json!({"v": 2})).await;
    did(&town.run().await, "succeeded", &[("created_local", 1)]);
}

#[tokio::test]
async fn a_vault_that_does_not_answer_holds_up_neither_start_nor_stop() {
    let (mut house, bao) = tokio::join!(House::new(), OpenBao::start());
    prepare(&mut house, &bao, &bao.address()).await;
    seal(&mut house);
    until_ready(&house).await;
    // This port accepts connections and never answers.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = mute.local_addr().expect("an address");
    house.while_stopped(|house| house.set("KEY_HCV_ADDR", &format!("http://{address}")));
    readiness(&house).await.problem(503, "sealed");
    house.while_stopped(|house| house.set("KEY_HCV_ADDR", &bao.address()));
    until_ready(&house).await;
}

#[tokio::test]
async fn a_new_root_key_takes_the_files_place_and_a_rotation_cut_off_at_its_end_is_tidied_up() {
    let mut house = House::new().await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "db", json!({"v": "s3cret"})).await;
    let (key, next, previous) = (
        house.data().join("master.key"),
        house.data().join("master.key.next"),
        house.data().join("master.key.previous"),
    );
    let before = fs::read(&key).expect("the key");
    house.cli_json(&["key", "rotate", "root"]);
    assert_eq!(fs::read(&previous).expect("kept"), before);
    assert_ne!(fs::read(&key).expect("the new key"), before);
    assert!(!next.exists());
    // A kill between the commit and the renaming leaves this state, and so does a kill between the two
    // renamings.
    house.while_stopped(|_| {
        fs::rename(&key, &next).expect("moved");
        fs::rename(&previous, &key).expect("moved");
    });
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}));
    assert!(!next.exists() && previous.exists());
    house.while_stopped(|_| fs::rename(&key, &next).expect("moved"));
    assert_eq!(value(&house, &id).await, json!({"v": "s3cret"}));
    assert!(!next.exists());
}

#[tokio::test]
async fn a_record_key_rotation_that_is_killed_goes_on_by_itself() {
    let mut house = House::new().await;
    let collection = house.collection("app").await;
    for n in 0..60 {
        house.record(&collection, &format!("r{n:02}"), json!({"v": n})).await;
    }
    for _ in 0..3 {
        house.owner.post("/keys/rotate", json!({"key": "record"})).await.expect(200);
        house.kill_and_restart();
        let status = house
            .until("everything is moved", async || {
                let status = house.owner.get("/keys").await.expect(200).body;
                let records = status["keys"].as_array()?.iter().filter(|key| key["purpose"] == "record").count();
                (status["rewrap_pending"] == 0 && records == 1).then_some(status)
            })
            .await;
        assert_eq!(status["keys"].as_array().expect("keys").len(), 4);
    }
    let values = house.values(&collection).await;
    assert_eq!(values.len(), 60);
    assert!((0..60).all(|n| values[&format!("r{n:02}")] == json!({"v": n})));
}
