//! Several servers on one PostgreSQL database: they share its runs, its keys and its limits, and take over from one another.

mod kills;
mod many;
mod processor;
mod scene;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    house::{House, PATIENCE},
    running::{a_step_is_told, events},
    town::{Town, did},
};

/// A run is taken over when its lease has expired, and servers look for such runs each second.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(35);
/// Records that a run needs some seconds for.
const MANY: u64 = 600;

/// Connects a collection with many records. Runs start by themselves, but only after an hour.
async fn busy_town() -> Town {
    let town = Town::with("push", json!({"interval_seconds": 3_600, "on_change": false, "concurrency_max": 2})).await;
    did(&town.run().await, "succeeded", &[]);
    let fill =
        (0..MANY).map(async |n| town.house.record(&town.collection, &path(n), json!({ "v": n.to_string() })).await);
    futures_util::future::join_all(fill).await;
    town
}

fn path(n: u64) -> String {
    format!("r{n:03}")
}

async fn start(town: &Town) -> String {
    let path = format!("/connections/{}/runs", town.connection);
    town.house.owner.post(&path, json!({})).await.expect(202).id()
}

/// Waits until a run has written some secrets to Vault.
async fn is_writing(town: &Town) {
    let written = async || town.value(&path(5)).await;
    town.house.until("the run writes", written).await;
}

/// Asserts that Vault holds every value, and each in one version.
async fn each_was_written_once(town: &Town) {
    for n in 0..MANY {
        let path = path(n);
        assert_eq!(town.value(&path).await, Some(json!({ "v": n.to_string() })), "{path}");
        assert_eq!(town.version(&path).await, 1, "{path} was written once");
    }
}

fn names(told: &[(String, String, Value)]) -> Vec<&str> {
    told.iter().map(|(_, name, _)| name.as_str()).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_run_of_one_server_is_watched_and_cancelled_at_another() {
    let town = busy_town().await;
    let other = town.house.beside();
    let run = start(&town).await;
    is_writing(&town).await;
    let (told, cancelled) = tokio::join!(events(&other, &run, None), async {
        a_step_is_told(&other, &run).await;
        other.owner.post(&format!("/runs/{run}/cancel"), json!({})).await.expect(200)
    });
    assert_eq!(cancelled.body["id"], json!(run));
    let names = names(&told);
    assert!(names.contains(&"step") && names.contains(&"progress"), "{names:?}");
    let (_, last, data) = told.last().expect("events");
    assert_eq!((last.as_str(), &data["state"]), ("finished", &json!("cancelled")), "{data:#}");
    // Both servers number the events alike, so a reader can go on at either.
    let middle = told.len() / 2;
    for house in [&town.house, &other] {
        let rest = events(house, &run, Some(&told[middle].0)).await;
        assert_eq!(rest.last().map(|(_, name, _)| name.as_str()), Some("finished"));
        assert!(rest.iter().all(|(id, ..)| id.parse::<u64>().unwrap() > told[middle].0.parse::<u64>().unwrap()));
    }
    assert_eq!(town.run().await["state"], "succeeded");
    each_was_written_once(&town).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_run_of_a_killed_server_is_taken_over_and_its_readers_see_it_go_on() {
    let mut town = busy_town().await;
    let other = town.house.beside();
    let run = start(&town).await;
    is_writing(&town).await;
    let reading = events(&other, &run, None);
    let killing = async {
        a_step_is_told(&other, &run).await;
        town.house.kill();
        Instant::now()
    };
    let (told, killed) = tokio::join!(reading, killing);
    let names = names(&told);
    let continued = names.iter().position(|name| *name == "continued").expect("the stream goes on");
    assert!(names[..continued].contains(&"step") && names[continued..].contains(&"step"), "{names:?}");
    let (_, last, data) = told.last().expect("events");
    assert_eq!((last.as_str(), &data["state"]), ("finished", &json!("succeeded")), "{data:#}");
    let successor = &told[continued].2;
    assert_eq!((&successor["trigger"], &successor["id"]), (&json!("takeover"), &data["id"]));
    let first = other.owner.get(&format!("/runs/{run}")).await.expect(200).body;
    assert_eq!((&first["state"], &first["problems"][0]["class"]), (&json!("failed"), &json!("lease_lost")));
    assert!(killed.elapsed() < TAKEN_OVER_WITHIN + PATIENCE, "{:?}", killed.elapsed());
    // A reader who comes back with the last event that it saw of the first run goes on with the second one.
    let rest = events(&other, &run, Some(&told[continued.saturating_sub(1)].0)).await;
    assert_eq!(rest.first().map(|(_, name, _)| name.as_str()), Some("continued"));
    each_was_written_once(&town).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_was_frozen_for_longer_than_its_lease_writes_nothing_when_it_goes_on() {
    let mut town = busy_town().await;
    let other = town.house.beside();
    let run = start(&town).await;
    is_writing(&town).await;
    town.house.freeze();
    let frozen = Instant::now();
    let runs = format!("/connections/{}/runs", town.connection);
    let taken_over = other.until("the run is taken over", async || {
        let runs = other.owner.items(&runs).await;
        runs.into_iter().find(|run| run["trigger"] == "takeover")
    });
    let successor = taken_over.await;
    assert!(frozen.elapsed() < TAKEN_OVER_WITHIN, "{:?}", frozen.elapsed());
    let id = successor["id"].as_str().expect("an id");
    other
        .until("the other server writes", async || {
            let seen = other.owner.get(&format!("/runs/{id}")).await.expect(200).body;
            (seen["counts"]["created_remote"].as_u64() > Some(20)).then_some(())
        })
        .await;
    // It wakes up in the middle of the run of the other server.
    town.house.thaw();
    let ended = other
        .until("the run of the other server ends", async || {
            let seen = other.owner.get(&format!("/runs/{id}")).await.expect(200).body;
            (seen["state"] != "running").then_some(seen)
        })
        .await;
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
    each_was_written_once(&town).await;
    // It serves again, and knows that its run was taken over.
    let first = town.house.owner.get(&format!("/runs/{run}")).await.expect(200).body;
    assert_eq!(first["state"], "failed", "{first:#}");
    did(&town.run().await, "succeeded", &[]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_stops_hands_its_run_over_at_once() {
    let mut town = busy_town().await;
    let other = town.house.beside();
    let run = start(&town).await;
    is_writing(&town).await;
    let (told, ()) = tokio::join!(events(&other, &run, None), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        town.house.stop();
    });
    let continued = told.iter().find(|(_, name, _)| name == "continued").expect("the stream goes on");
    assert_eq!(continued.2["trigger"], "takeover");
    let first = other.owner.get(&format!("/runs/{run}")).await.expect(200).body;
    assert_eq!(first["state"], "cancelled", "{first:#}");
    assert!(first["problems"].to_string().contains("server_stopped"), "{first:#}");
    each_was_written_once(&town).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_key_is_rotated_at_one_server_while_another_one_serves() {
    let town = Town::new("push").await;
    let (house, other) = (&town.house, town.house.beside());
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(house.record(&town.collection, &path(n), json!({ "v": n.to_string() })).await);
    }
    let old = house.owner.get("/keys").await.expect(200).body;
    let rotating = async {
        for _ in 0..3 {
            let rotated = async || {
                let answer = house.owner.post("/keys/rotate", json!({"key": "record"})).await;
                // The values of the last rotation are still being moved.
                (answer.status == 200).then_some(answer)
            };
            house.until("the key is rotated", rotated).await;
        }
    };
    let serving = async {
        let mut made = 0;
        loop {
            for id in &ids {
                other.owner.post(&format!("/records/{id}/reveal"), json!({})).await.expect(200);
            }
            let id = other.record(&town.collection, &format!("new{made}"), json!({"v": "x"})).await;
            for house in [house, &other] {
                house.owner.post(&format!("/records/{id}/reveal"), json!({})).await.expect(200);
            }
            made += 1;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = rotating => {}
        () = serving => {}
    }
    let moved = async || {
        let keys = other.owner.get("/keys").await.expect(200).body;
        (keys["rewrap_pending"] == 0 && keys["keys"].as_array()?.len() == old["keys"].as_array()?.len()).then_some(keys)
    };
    let keys = house.until("no retired key is left", moved).await;
    assert_ne!(keys["keys"], old["keys"]);
    for id in &ids {
        for house in [house, &other] {
            house.owner.post(&format!("/records/{id}/reveal"), json!({})).await.expect(200);
        }
    }
    // A new root key would be in a file of one machine.
    let refused = house.owner.post("/keys/rotate", json!({"key": "root"})).await.problem(409, "refused");
    assert!(refused.contains("master key") || refused.contains("root key"), "{refused}");
    // The audit key goes on to sign at the other server.
    house.owner.post("/keys/rotate", json!({"key": "audit"})).await.expect(200);
    other.collection("after the rotation").await;
    let verdict = other.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true, "{verdict}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn servers_see_one_another_and_a_command_that_needs_the_database_alone_waits_for_none_of_them() {
    let house = House::new().await;
    let mut other = house.beside();
    let servers = async || {
        let health = house.owner.get("/health").await.body;
        let components = health["components"].as_array().expect("components").clone();
        components.into_iter().filter(|part| part["name"].as_str().unwrap_or_default().starts_with("server:")).count()
    };
    assert_eq!(servers().await, 2);
    let refused = house.cli(&["init"]);
    assert!(!refused.status.success(), "{refused:?}");
    other.stop();
    house.until("the other server is gone", async || (servers().await == 1).then_some(())).await;
    let doctor = house.cli(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("runs on this database"), "{doctor:?}");
}
