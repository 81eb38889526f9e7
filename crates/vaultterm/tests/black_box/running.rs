//! Runs in progress: followed, cancelled, scheduled, halted, killed.

use std::{
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    house::{House, PATIENCE},
    town::{Town, did},
};

/// Reads an event stream to its end. Returns the id, the name and the data of each event.
pub(crate) async fn events(house: &House, run: &str, after: Option<&str>) -> Vec<(String, String, Value)> {
    let headers: Vec<(&str, &str)> = after.map(|id| ("last-event-id", id)).into_iter().collect();
    let response = house.owner.open(Method::GET, &format!("/runs/{run}/events"), &headers, None).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.expect("the stream ends with the run");
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.map(str::to_owned)
    };
    let blocks = text.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':'));
    blocks
        .map(|block| {
            let data = serde_json::from_str(&field(block, "data").expect("data")).expect("JSON");
            (field(block, "id").expect("an id"), field(block, "event").expect("a name"), data)
        })
        .collect()
}

/// Waits until the stream of a run tells a step. A server tells the others every few tenths of a second what its run did.
pub(crate) async fn a_step_is_told(house: &House, run: &str) {
    let mut response = house.owner.open(Method::GET, &format!("/runs/{run}/events"), &[], None).await;
    let mut text = String::new();
    while !text.contains("event: step") {
        let part = response.chunk().await.expect("the stream goes on").expect("the run does a step before it ends");
        text.push_str(&String::from_utf8_lossy(&part));
    }
}

#[tokio::test]
async fn a_run_tells_what_it_does_and_resumes_telling() {
    let town = Town::new("push").await;
    for n in 0..5 {
        town.house.record(&town.collection, &format!("r{n}"), json!({"v": "hunter2"})).await;
    }
    let run = town.run().await;
    let id = run["id"].as_str().expect("an id");
    let told = events(&town.house, id, None).await;
    let names: Vec<_> = told.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "step").count(), 5, "{names:?}");
    assert!(names.contains(&"progress"));
    let (_, last, data) = told.last().expect("events");
    assert_eq!((last.as_str(), &data["state"]), ("finished", &json!("succeeded")));
    assert!(!format!("{told:?}").contains("hunter2"));
    let middle = told.len() / 2;
    let rest = events(&town.house, id, Some(&told[middle].0)).await;
    assert_eq!(
        rest.iter().map(|(id, ..)| id).collect::<Vec<_>>(),
        told[middle + 1..].iter().map(|(id, ..)| id).collect::<Vec<_>>()
    );
    // A server that no longer has the events of the run still reports its end. On a database that servers share, the next
    // server has them.
    let mut town = town;
    town.house.stop_and_restart();
    let again = events(&town.house, id, None).await;
    let steps = again.iter().filter(|(_, name, _)| name == "step").count();
    assert_eq!(steps, if vaultterm_testkit::on_postgres() { 5 } else { 0 });
    assert_eq!(again.last().map(|(_, name, _)| name.as_str()), Some("finished"));
}

#[tokio::test]
async fn a_cancelled_run_keeps_what_it_did_and_the_next_one_does_the_rest() {
    let town = Town::new("push").await;
    for n in 0..300 {
        town.house.record(&town.collection, &format!("r{n:03}"), json!({"v": n})).await;
    }
    let owner = &town.house.owner;
    let id = owner.post(&format!("/connections/{}/runs", town.connection), json!({})).await.expect(202).id();
    owner.post(&format!("/connections/{}/runs", town.connection), json!({})).await.problem(409, "run-in-progress");
    owner.post(&format!("/runs/{id}/cancel"), json!({})).await.expect(200);
    let cancelled = town.ended(&id).await;
    assert_eq!(cancelled["state"], "cancelled", "{cancelled:#}");
    let written = cancelled["counts"]["created_remote"].as_u64().expect("a number");
    did(&town.run().await, "succeeded", &[("created_remote", 300 - written)]);
    for n in [0, 150, 299] {
        assert_eq!(town.version(&format!("r{n:03}")).await, 1, "nothing was written twice");
    }
}

#[tokio::test]
async fn nothing_runs_by_itself_before_a_person_ran_it_and_then_a_change_does() {
    let town = Town::with("bidirectional", json!({"interval_seconds": 1, "on_change": true})).await;
    let id = town.house.record(&town.collection, "one", json!({"v": "1"})).await;
    assert_eq!(town.standing().await["state"], "new");
    assert_eq!(town.value("one").await, None);
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
    town.house.change(&id, json!({"v": "2"})).await;
    town.house
        .until("the change travels by itself", async || {
            (town.value("one").await == Some(json!({"v": "2"}))).then_some(())
        })
        .await;
    town.put("two", json!({"v": "remote"})).await;
    town.house
        .until("the secret comes by itself", async || {
            town.house.values(&town.collection).await.contains_key("two").then_some(())
        })
        .await;
    let runs = town.house.owner.items(&format!("/connections/{}/runs", town.connection)).await;
    assert!(runs.iter().any(|run| run["trigger"] == "interval" || run["trigger"] == "change"), "{runs:?}");
    let paused = town.house.owner.post(&format!("/connections/{}/pause", town.connection), json!({})).await;
    assert_eq!(paused.expect(200).body["state"], "paused");
    let path = format!("/connections/{}/runs", town.connection);
    town.house.owner.post(&path, json!({})).await.problem(409, "paused");
}

#[tokio::test]
async fn a_mass_deletion_halts_until_a_person_acknowledges_it() {
    let town = Town::new("bidirectional").await;
    for n in 0..20 {
        town.house.record(&town.collection, &format!("r{n:02}"), json!({"v": n})).await;
    }
    did(&town.run().await, "succeeded", &[("created_remote", 20)]);
    for n in 0..15 {
        town.delete(&format!("r{n:02}")).await;
    }
    let halted = town.run().await;
    did(&halted, "halted", &[]);
    assert_eq!(halted["halts"][0]["kind"], "mass_deletion");
    assert_eq!(town.house.values(&town.collection).await.len(), 20, "nothing was deleted");
    assert_eq!(town.standing().await["state"], "halted");
    assert_eq!(town.house.owner.items("/audit/events?action=HCV_SYNC_HALTED").await.len(), 1);
    let shown = town.house.cli(&["sync", "run", "prod"]);
    assert_eq!(shown.status.code(), Some(5), "{shown:?}");
    let path = format!("/connections/{}/runs", town.connection);
    town.house.owner.post(&path, json!({"acknowledge": ["everything"]})).await.problem(422, "invalid");
    let run = town.run_with(json!({"acknowledge": ["mass_deletion"]})).await;
    did(&run, "succeeded", &[("deleted_local", 15)]);
    let trash = town.house.owner.items(&format!("/collections/{}/records?state=trash", town.collection)).await;
    assert_eq!(trash.len(), 15, "in the trash, with all revisions");
}

#[tokio::test]
async fn an_emptied_mount_is_no_deletion() {
    let town = Town::new("bidirectional").await;
    for n in 0..3 {
        town.house.record(&town.collection, &format!("r{n}"), json!({"v": n})).await;
    }
    town.run().await;
    town.root().unmount("kv").await;
    let gone = town.run().await;
    assert_eq!(gone["state"], "failed", "{gone:#}");
    town.root().mount_kv("kv", 2).await;
    let replaced = town.run().await;
    assert_eq!(replaced["state"], "halted", "{replaced:#}");
    assert_eq!(town.house.values(&town.collection).await.len(), 3);
}

#[tokio::test]
async fn a_server_that_was_killed_goes_on_where_it_was() {
    let mut town = Town::new("bidirectional").await;
    for n in 0..100 {
        town.house.record(&town.collection, &format!("r{n:03}"), json!({"v": n})).await;
    }
    let path = format!("/connections/{}/runs", town.connection);
    // On a database that servers share, the lease of a killed run must expire before the next one begins.
    let begin = async |town: &Town| {
        let begun = async || {
            let answer = town.house.owner.post(&path, json!({})).await;
            (answer.status == 202).then(|| answer.id())
        };
        town.house.until("a run begins", begun).await
    };
    for _ in 0..3 {
        begin(&town).await;
        town.house.kill_and_restart();
    }
    let id = begin(&town).await;
    let run = town.ended(&id).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert!(town.house.owner.items("/conflicts").await.is_empty(), "no false conflict");
    for n in 0..100 {
        assert_eq!(town.version(&format!("r{n:03}")).await, 1, "no second version");
    }
    town.house
        .until("the killed runs are closed", async || {
            let runs = town.house.owner.items(&path).await;
            runs.iter().all(|run| run["state"] != "running").then_some(())
        })
        .await;
    let verdict = town.house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true);
}

#[tokio::test]
async fn one_data_directory_serves_one_server() {
    let house = House::in_a_file().await;
    let second = house.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another server runs"), "{second:?}");
    let again = house.cli(&["init"]);
    assert_eq!(again.status.code(), Some(1));
}

#[tokio::test]
async fn a_server_whose_port_is_taken_says_how_to_choose_another_one() {
    let mut house = House::in_a_file().await;
    house.set("VAULTTERM_METRICS_LISTEN", "off");
    let (_, taken) = house.address.split_once("//").expect("an address");
    let taken = taken.to_owned();
    let second = house.data().with_file_name("second").to_str().expect("UTF-8").to_owned();
    let begun = house.cli(&["init", "--data-dir", &second]);
    assert!(begun.status.success(), "{begun:?}");
    let refused = house.cli(&["serve", "--listen", &taken, "--data-dir", &second]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for part in [&*taken, "another program listens there", "--listen ADDRESS:PORT", "VAULTTERM_LISTEN"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn health_tells_by_its_exit_code_and_a_second_set_up_can_be_asked_to_succeed() {
    let mut house = House::new().await;
    let code = |house: &House, arguments: &[&str]| house.cli(arguments).status.code();
    assert_eq!(house.cli(&["health"]).stdout, b"ready\n");
    assert_eq!(code(&house, &["health", "--live"]), Some(0));
    assert_eq!(code(&house, &["init"]), Some(1), "a server runs on it");
    assert_eq!(code(&house, &["init", "--unless-set-up"]), Some(0));
    house.while_stopped(|house| {
        assert_eq!(code(house, &["health"]), Some(1));
        assert_eq!(code(house, &["health", "--live"]), Some(1));
        assert_eq!(code(house, &["init"]), Some(1), "it has an owner");
        assert_eq!(code(house, &["init", "--unless-set-up"]), Some(0));
    });
}

#[tokio::test]
async fn the_service_manager_is_told_when_the_server_is_ready_and_when_it_stops() {
    let mut house = House::in_a_file().await;
    house.while_stopped(|house| {
        let socket = house.file("notify", "");
        std::fs::remove_file(&socket).expect("removed");
        let manager = UnixDatagram::bind(&socket).expect("bound");
        manager.set_read_timeout(Some(PATIENCE)).expect("set");
        let received = || {
            let mut bytes = [0; 64];
            let length = manager.recv(&mut bytes).expect("the server tells its state");
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        let mut server = Command::new(env!("CARGO_BIN_EXE_vaultterm"));
        server.env_clear().env("VAULTTERM_DATA_DIR", house.data()).env("VAULTTERM_METRICS_LISTEN", "off");
        server.env("NOTIFY_SOCKET", &socket).args(["serve", "--listen", "127.0.0.1:0"]);
        let mut server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        assert_eq!(received(), "READY=1");
        let stop = ["-c".to_owned(), format!("kill -TERM {}", server.id())];
        assert!(Command::new("sh").args(stop).status().expect("a shell").success());
        assert_eq!(received(), "STOPPING=1");
        assert!(server.wait().expect("it ends").success());
    });
}
