//! Backups of a running server, and the state after the restore of an old one. The tests work from outside,
//! on a real OpenBao.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use vaultterm_testkit::openbao::OpenBao;

use crate::{
    house::{House, OWNER, PASSWORD},
    seal,
    town::Town,
};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Makes a backup in the folder of the house and returns its path.
fn back_up(house: &House, name: &str) -> String {
    let file = house.data().with_file_name(name).to_str().expect("UTF-8").to_owned();
    let made = house.cli_json(&["backup", "-o", &file]);
    assert!(made["archive_id"].is_string() && made["bytes"].as_u64() > Some(0), "{made}");
    file
}

async fn log_in(house: &mut House) {
    house.owner = house.stranger().login(OWNER, PASSWORD).await;
}

/// Runs a command that must fail, and returns its messages.
fn refused(house: &House, arguments: &[&str]) -> String {
    let output = house.cli(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns every secret: its value and the number of its versions.
async fn in_vault(town: &Town) -> Vec<(Option<Value>, Option<u64>)> {
    let mut found = Vec::new();
    for name in NAMES {
        let metadata = town.root().metadata("kv", &format!("team/app/{name}")).await;
        let version = metadata.and_then(|metadata| metadata["current_version"].as_u64());
        found.push((town.value(name).await, version));
    }
    found
}

/// Waits for a halted run with this trigger.
async fn halted_run_by(town: &Town, trigger: &str) {
    let path = format!("/connections/{}/runs", town.connection);
    let halted = async || {
        let runs = town.house.owner.items(&path).await;
        let run = runs.into_iter().find(|run| run["trigger"] == trigger && run["state"] == "halted")?;
        assert_eq!(run["halts"][0]["kind"], "rewound", "{run:#}");
        Some(())
    };
    town.house.until(trigger, halted).await;
}

/// Runs a command while no other run is in progress. Returns its exit code.
async fn at_rest(town: &Town, arguments: &[&str]) -> Option<i32> {
    let ended = async || {
        let output = town.house.cli(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("in progress") { None } else { Some(output.status.code()) }
    };
    town.house.until("a run of our own", ended).await
}

async fn until_in_vault(town: &Town, name: &str, value: Option<Value>) {
    town.house.until(name, async || (town.value(name).await == value).then_some(())).await;
}

async fn until_here(town: &Town, name: &str, value: Option<Value>) {
    let found = async || (town.house.values(&town.collection).await.get(name) == value.as_ref()).then_some(());
    town.house.until(name, found).await;
}

/// Fills both sides, makes a backup, and changes both sides afterwards.
async fn live_on_after_a_backup(town: &Town) -> String {
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(town.house.record(&town.collection, name, json!({"v": format!("{name}1")})).await);
    }
    town.put("d", json!({"v": "d1"})).await;
    for name in ["a", "b", "c"] {
        until_in_vault(town, name, Some(json!({"v": format!("{name}1")}))).await;
    }
    at_rest(town, &["sync", "run", "prod"]).await;
    until_here(town, "d", Some(json!({"v": "d1"}))).await;
    let backup = back_up(&town.house, "old.vtbak");
    town.house.change(&ids[0], json!({"v": "a2"})).await;
    town.house.trash(&ids[1]).await;
    town.house.record(&town.collection, "e", json!({"v": "e1"})).await;
    town.put("d", json!({"v": "d2"})).await;
    town.put("f", json!({"v": "f1"})).await;
    until_in_vault(town, "a", Some(json!({"v": "a2"}))).await;
    until_in_vault(town, "b", None).await;
    until_in_vault(town, "e", Some(json!({"v": "e1"}))).await;
    at_rest(town, &["sync", "run", "prod"]).await;
    until_here(town, "d", Some(json!({"v": "d2"}))).await;
    until_here(town, "f", Some(json!({"v": "f1"}))).await;
    backup
}

#[tokio::test]
async fn after_an_old_backup_no_run_at_intervals_writes_until_a_person_acknowledged_a_plan_and_nothing_is_lost() {
    comes_back(json!({"interval_seconds": 1, "on_change": false}), "interval").await;
}

#[tokio::test]
async fn after_an_old_backup_no_run_on_a_change_writes_until_a_person_acknowledged_a_plan_and_nothing_is_lost() {
    comes_back(json!({"interval_seconds": 0, "on_change": true}), "change").await;
}

/// Restores an old backup, with a schedule that starts runs by itself.
async fn comes_back(schedule: Value, trigger: &str) {
    let mut town = Town::around(House::in_a_file(), "bidirectional", schedule).await;
    town.run().await;
    let new = json!({"name": "program", "scopes": ["records:read"]});
    let program = town.house.owner.post("/tokens", new).await.expect(201).body["token"].clone();
    let backup = live_on_after_a_backup(&town).await;
    let before = in_vault(&town).await;
    town.house.while_stopped(|house| {
        let restored = house.cli_json(&["restore", &backup, "--replace"]);
        assert_eq!((&restored["instance_epoch"], &restored["connections_guarded"]), (&json!(2), &json!(1)));
        assert!(Path::new(restored["kept"].as_str().expect("kept")).exists());
    });
    let revoked = [town.house.owner.clone(), town.house.owner.with_token(program.as_str().expect("a token"))];
    for guest in revoked {
        guest.get("/collections").await.expect(401);
    }
    log_in(&mut town.house).await;

    let standing = town.standing().await;
    assert_eq!(standing["state"], "halted", "{standing:#}");
    assert!(standing["state_detail"].to_string().contains("restored from a backup of"), "{standing:#}");
    let c = town.house.owner.items(&format!("/collections/{}/records", town.collection)).await;
    let c = c.iter().find(|record| record["path"] == "c").expect("c")["id"].as_str().expect("an id").to_owned();
    town.house.change(&c, json!({"v": "c2"})).await;
    halted_run_by(&town, trigger).await;
    assert_eq!(at_rest(&town, &["sync", "run", "prod"]).await, Some(5), "nor by hand");
    let plan = town.plan().await;
    assert!(plan["halts"][0]["detail"].as_str().expect("text").contains("restored from a backup of"), "{plan:#}");
    assert_eq!(in_vault(&town).await, before, "nothing was written to Vault");
    let values = town.house.values(&town.collection).await;
    assert_eq!(values["a"], json!({"v": "a1"}), "nor from it");
    assert!(values.contains_key("b") && !values.contains_key("e"));
    let doctor = town.house.cli_json(&["doctor"]);
    let guard = doctor["checks"].as_array().expect("checks").iter().find(|check| check["name"] == "connection prod");
    let guard = guard.expect("a check");
    assert_eq!(guard["state"], "wait", "{doctor:#}");
    assert!(guard["hint"].to_string().contains("--acknowledge rewound"), "{doctor:#}");

    assert_eq!(at_rest(&town, &["sync", "run", "prod", "--acknowledge", "rewound"]).await, Some(0));
    let wanted = [("a", "a2"), ("c", "c2"), ("d", "d2"), ("e", "e1"), ("f", "f1")];
    let values = town.house.values(&town.collection).await;
    assert_eq!(values.len(), wanted.len(), "{values:?}");
    for (name, value) in wanted {
        assert_eq!(values[name], json!({"v": value}), "{name}");
        assert_eq!(town.value(name).await, Some(json!({"v": value})), "{name}");
    }
    assert_eq!(town.value("b").await, None);
    assert_eq!(at_rest(&town, &["sync", "run", "prod"]).await, Some(0), "it goes on by itself");
    assert_eq!(town.standing().await["state"], "ready");
    assert_eq!(town.house.owner.post("/audit/verify", json!({})).await.expect(200).body["ok"], true);
    for action in ["BACKUP_CREATED", "BACKUP_RESTORED"] {
        assert_eq!(town.house.owner.items(&format!("/audit/events?action={action}")).await.len(), 1, "{action}");
    }
}

#[tokio::test]
async fn an_installation_under_transit_comes_back_elsewhere_with_what_transit_sealed() {
    let (mut house, bao) = tokio::join!(House::in_a_file(), OpenBao::start());
    seal::prepare(&mut house, &bao, &bao.address()).await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "db", json!({"v": "s3cret"})).await;
    seal::seal(&mut house);
    seal::until_ready(&house).await;
    let backup = back_up(&house, "sealed.vtbak");
    house.while_stopped(|house| {
        let elsewhere = house.data().with_file_name("elsewhere");
        house.set("VAULTTERM_DATA_DIR", elsewhere.to_str().expect("UTF-8"));
        let restored = house.cli_json(&["restore", &backup]);
        assert_eq!(restored["kept"], Value::Null);
        let files: Vec<_> =
            fs::read_dir(&elsewhere).expect("made").map(|file| file.expect("a file").file_name()).collect();
        assert!(!files.iter().any(|name| name.to_string_lossy().contains("key")), "{files:?}");
    });
    seal::until_ready(&house).await;
    log_in(&mut house).await;
    let shown = house.owner.post(&format!("/records/{id}/reveal"), json!({})).await.expect(200);
    assert_eq!(shown.body["fields"], json!({"v": "s3cret"}));
    // The offline copy of the key opens the backup too, and another key does not.
    let (kept, third) = (house.data().join("away.key"), house.data().with_file_name("third"));
    house.set("KEY_PROVIDER", "local");
    house.set("VAULTTERM_DATA_DIR", third.to_str().expect("UTF-8"));
    let other = house.file("other.key", &"ab".repeat(32));
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("private");
    house.set("MASTER_KEY_FILE", &other);
    let said = refused(&house, &["restore", &backup]);
    assert!(said.contains("the root key") && said.contains("is needed"), "{said}");
    assert!(!third.exists(), "nothing was touched");
    house.set("MASTER_KEY_FILE", kept.to_str().expect("UTF-8"));
    house.cli_json(&["restore", &backup]);
}

#[tokio::test]
async fn a_backup_goes_through_a_pipe_and_nothing_else_does() {
    let mut house = House::in_a_file().await;
    house.collection("app").await;
    let made = house.cli(&["--format", "json", "backup", "-o", "-"]);
    assert!(made.status.success(), "{made:?}");
    // The summary comes first, and hints for people follow it.
    let mut told = serde_json::Deserializer::from_slice(&made.stderr).into_iter::<Value>();
    let told = told.next().expect("the summary is on stderr").expect("JSON");
    assert!(told["archive_id"].is_string() && told["file"].is_null(), "{told}");
    assert!(!house.data().with_file_name("-").exists() && !Path::new("-").exists());
    house.while_stopped(|house| {
        let restored = house.cli_with(&made.stdout, &["restore", "-", "--replace"]);
        assert!(restored.status.success(), "{restored:?}");
    });
    log_in(&mut house).await;
    assert_eq!(house.owner.items("/collections").await.len(), 1);
}

#[tokio::test]
async fn backup_and_restore_refuse_what_would_lose_something_and_say_what_to_do() {
    let mut house = House::in_a_file().await;
    let backup = back_up(&house, "one.vtbak");
    let bytes = fs::read(&backup).expect("the backup");
    let mode = |path: &str| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).expect("there").permissions());
    assert_eq!(mode(&backup) & 0o777, 0o600);
    let said = refused(&house, &["backup", "-o", &backup]);
    assert!(said.contains("exists already") && fs::read(&backup).expect("there") == bytes, "{said}");
    let said = refused(&house, &["restore", &backup]);
    assert!(said.contains("there is a database") && said.contains("--replace"), "{said}");
    let said = refused(&house, &["restore", &backup, "--replace"]);
    assert!(said.contains("a server runs"), "{said}");
    house.while_stopped(|house| {
        let before = fs::read(house.data().join("vaultterm.db")).expect("the database");
        let mut bent = bytes.clone();
        let end = bent.len() - 1;
        bent[end] ^= 1;
        for (name, bytes, why) in [
            ("bent.vtbak", bent, "signature of the backup is not valid"),
            ("short.vtbak", bytes[..end].to_vec(), "ends early"),
            ("text.vtbak", b"this is some other file".to_vec(), "not a VaultTerm backup"),
        ] {
            let path = house.data().with_file_name(name);
            fs::write(&path, bytes).expect("written");
            let said = refused(house, &["restore", path.to_str().expect("UTF-8"), "--replace"]);
            assert!(said.contains(why) && said.contains("hint:"), "{said}");
        }
        assert_eq!(fs::read(house.data().join("vaultterm.db")).expect("the database"), before);
        // Another machine has no key yet.
        let elsewhere = house.data().with_file_name("elsewhere");
        let said = refused(house, &["restore", &backup, "--data-dir", elsewhere.to_str().expect("UTF-8")]);
        assert!(said.contains("hint:") && said.contains("MASTER_KEY_FILE"), "{said}");
        assert!(!elsewhere.join("vaultterm.db").exists(), "nothing was restored");
        house.set("MASTER_KEY_FILE", house.data().join("master.key").to_str().expect("UTF-8"));
        house.cli_json(&["restore", &backup, "--data-dir", elsewhere.to_str().expect("UTF-8")]);
        assert!(elsewhere.join("vaultterm.db").exists());
        house.set("MASTER_KEY_FILE", "");
    });
    // After a rotation, an older backup needs the previous key, which is kept beside the new one.
    house.cli_json(&["key", "rotate", "root"]);
    house.while_stopped(|house| {
        let said = refused(house, &["restore", &backup, "--replace"]);
        assert!(said.contains("is needed") && said.contains("master.key.previous holds it"), "{said}");
        let previous = house.data().join("master.key.previous");
        house.set("MASTER_KEY_FILE", previous.to_str().expect("UTF-8"));
        house.cli_json(&["restore", &backup, "--replace"]);
    });
    log_in(&mut house).await;
    let left: Vec<String> = fs::read_dir(house.data())
        .expect("the data directory")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("image") || name.contains("restoring"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_by_another_process_under_load_holds_what_was_answered_before_it_began() {
    let mut house = House::in_a_file().await;
    let collection = house.collection("app").await;
    let path = format!("/collections/{collection}/records");
    let (owner, stop) = (house.owner.clone(), std::sync::Arc::new(std::sync::Mutex::new((false, Vec::new()))));
    let written = std::sync::Arc::clone(&stop);
    let writer = tokio::spawn(async move {
        for n in 0.. {
            let name = format!("n{n}");
            let body = json!({"path": name, "type": "KEY_VALUE", "fields": {"v": n}});
            owner.post(&path, body).await.expect(201);
            let mut written = written.lock().expect("unharmed");
            written.1.push(name);
            if written.0 {
                return;
            }
        }
    });
    let mut backups = Vec::new();
    for n in 0..3 {
        house.until("records", async || (stop.lock().expect("unharmed").1.len() > 20 * (n + 1)).then_some(())).await;
        let before = stop.lock().expect("unharmed").1.clone();
        let file = house.data().with_file_name(format!("{n}.vtbak")).to_str().expect("UTF-8").to_owned();
        let output = house.cli(&["backup", "-o", &file]);
        assert!(output.status.success(), "{output:?}");
        backups.push((before, file));
    }
    stop.lock().expect("unharmed").0 = true;
    writer.await.expect("it ends");
    for (before, file) in backups {
        house.while_stopped(|house| house.cli_json(&["restore", &file, "--replace"]));
        log_in(&mut house).await;
        let values = house.values(&collection).await;
        assert!(values.len() >= before.len());
        assert!(before.iter().all(|name| values.contains_key(name)));
        assert_eq!(house.owner.post("/audit/verify", json!({})).await.expect(200).body["ok"], true);
    }
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_old_database_or_the_restored_one_with_its_guard() {
    let mut town = Town::in_a_file("bidirectional").await;
    for n in 0..40 {
        town.house.record(&town.collection, &format!("r{n}"), json!({"v": "x".repeat(100_000)})).await;
    }
    let backup = back_up(&town.house, "old.vtbak");
    town.house.record(&town.collection, "later", json!({"v": "1"})).await;
    town.house.while_stopped(|house| {
        let database = house.data().join("vaultterm.db");
        let old = fs::read(&database).expect("the database");
        let restore = ["restore", &backup, "--replace"];
        let began = Instant::now();
        house.cli_json(&restore);
        let takes = began.elapsed();
        let (mut kept_old, mut restored) = (0, 0);
        // Each kill comes later than the one before, until the restore completes. Its duration depends on the
        // load of the machine.
        for n in 0..200 {
            if restored == 2 {
                break;
            }
            fs::write(&database, &old).expect("as before");
            house.kill_after(takes.mul_f64(f64::from(n) / 12.0).max(Duration::from_millis(1)), &restore);
            if fs::read(&database).expect("there is always one") == old {
                kept_old += 1;
                continue;
            }
            let doctor = house.cli_json(&["doctor"]);
            let checks = doctor["checks"].as_array().expect("checks");
            let guarded = |check: &&Value| check["name"].as_str().is_some_and(|name| name.starts_with("connection "));
            let guard = checks.iter().find(guarded).expect("a check");
            assert!(guard["detail"].to_string().contains("plan-only"), "{doctor:#}");
            restored += 1;
        }
        assert!(kept_old >= 3 && restored == 2, "{kept_old} kept, {restored} restored");
        fs::write(&database, &old).expect("as before");
        house.cli_json(&restore);
        let left = fs::read_dir(house.data()).expect("the data directory");
        let left = left
            .filter(|file| file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().contains("restoring")));
        assert_eq!(left.count(), 0, "what was killed is tidied up");
    });
}
