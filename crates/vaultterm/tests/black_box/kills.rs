//! Kills (-9) in the middle of runs, while both sides are edited; and two installations on one path.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    house::House,
    town::{MOUNT, PREFIX, Town, did},
};

const KILLS: u64 = 50;
const PATHS: u64 = 7;

/// Saves a value as a person would: into the record there is, or a new one.
async fn save(town: &Town, path: &str, field: &str, value: &str) {
    let list = format!("/collections/{}/records?prefix={path}", town.collection);
    let found = town.house.owner.items(&list).await.into_iter().find(|record| record["path"] == path);
    match found {
        Some(record) => town.house.change(record["id"].as_str().expect("an id"), json!({ field: value })).await,
        None => drop(town.house.record(&town.collection, path, json!({ field: value })).await),
    }
}

/// Writes a value as somebody else would: over what Vault holds.
async fn put(town: &Town, path: &str, field: &str, value: &str) {
    let mut data = town.value(path).await.unwrap_or_else(|| json!({}));
    data[field] = json!(value);
    town.put(path, data).await;
}

/// Every text in a value.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        Value::Array(items) => items.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Every value that can be had: from any revision, or any live version.
async fn reachable(town: &Town) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for state in ["live", "trash"] {
        let list = format!("/collections/{}/records?limit=500&state={state}", town.collection);
        for record in town.house.owner.items(&list).await {
            let id = record["id"].as_str().expect("an id").to_owned();
            for revision in town.house.owner.items(&format!("/records/{id}/revisions?limit=500")).await {
                let body = json!({"revision": revision["revision"]});
                texts(
                    &town.house.owner.post(&format!("/records/{id}/reveal"), body).await.expect(200).body,
                    &mut found,
                );
            }
        }
    }
    for n in 0..PATHS {
        let Some(metadata) = town.root().metadata(MOUNT, &format!("{PREFIX}/p{n}")).await else { continue };
        for version in metadata["versions"].as_object().expect("versions").keys() {
            let path = format!("{MOUNT}/data/{PREFIX}/p{n}?version={version}");
            let (status, answer) = town.root().try_call("GET", &path, None).await;
            if status.is_success() {
                texts(&answer["data"]["data"], &mut found);
            }
        }
    }
    found
}

#[tokio::test]
async fn fifty_kills_while_both_sides_are_edited_lose_no_value_and_heal() {
    let mut town = Town::new("bidirectional").await;
    // What Vault evicts by itself is not ours to keep.
    town.root().call("POST", "kv/config", Some(json!({"max_versions": 1000}))).await;
    let mut written = BTreeSet::new();
    for kill in 0..KILLS {
        for n in 0..3 {
            let (path, value) = (format!("p{}", (kill * 3 + n) % PATHS), format!("value-{kill}-{n}"));
            let field = if (kill + n) % 5 == 0 { "x" } else { ["y", "z"][(n % 2) as usize] };
            if (kill + n) % 2 == 0 {
                save(&town, &path, field, &value).await;
            } else {
                put(&town, &path, field, &value).await;
            }
            written.insert(value);
        }
        let runs = format!("/connections/{}/runs", town.connection);
        town.house.owner.post(&runs, json!({})).await.expect(202);
        // Any moment of the run will do, and none is waited for: sooner or later in each.
        tokio::time::sleep(Duration::from_millis(kill * 13 % 70)).await;
        town.house.kill_and_restart();
    }
    let mut rested = false;
    for _ in 0..6 {
        let run = town.run().await;
        assert_eq!(run["state"], "succeeded", "{run:#}");
        let idle = |name: &str| matches!(name, "unchanged" | "conflicts" | "skipped");
        let counts = run["counts"].as_object().expect("counts");
        rested = counts.iter().all(|(name, count)| idle(name) || *count == 0);
        if rested {
            break;
        }
    }
    assert!(rested, "six runs did not come to rest");
    let lost: Vec<_> = written.difference(&reachable(&town).await).cloned().collect();
    assert!(lost.is_empty(), "{lost:?} cannot be had any more");
    let open: BTreeMap<_, _> = town
        .house
        .owner
        .items("/conflicts?status=open")
        .await
        .into_iter()
        .map(|conflict| (conflict["path"].as_str().expect("a path").to_owned(), conflict))
        .collect();
    let local = town.house.values(&town.collection).await;
    for n in 0..PATHS {
        let path = format!("p{n}");
        if !open.contains_key(&path) {
            assert_eq!(town.value(&path).await.as_ref(), local.get(&path), "{path} is in step, or listed");
        }
    }
    let verdict = town.house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true, "{verdict}");
}

#[tokio::test]
async fn two_installations_on_one_path_neither_fight_nor_lose_anything() {
    let town = Town::new("bidirectional").await;
    town.house.record(&town.collection, "shared", json!({"v": "first"})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);

    let other = House::new().await;
    let collection = other.collection("app").await;
    other.record(&collection, "shared", json!({"v": "second"})).await;
    let mut settings = town.settings("bidirectional");
    settings["collection_id"] = json!(collection);
    settings["options"] = json!({"interval_seconds": 0, "on_change": false});
    let connection = other.owner.post("/connections", settings).await.expect(201).id();
    for _ in 0..3 {
        let id = other.owner.post(&format!("/connections/{connection}/runs"), json!({})).await.expect(202).id();
        let run = other
            .until("the run ends", async || {
                let run = other.owner.get(&format!("/runs/{id}")).await.expect(200).body;
                (run["state"] != "running").then_some(run)
            })
            .await;
        did(&run, "succeeded", &[("conflicts", 1)]);
        did(&town.run().await, "succeeded", &[]);
    }
    let conflicts = other.owner.items("/conflicts?status=open").await;
    assert_eq!(conflicts[0]["kind"], "foreign_owner", "{conflicts:?}");
    assert_eq!((town.version("shared").await, town.value("shared").await), (1, Some(json!({"v": "first"}))));
    assert_eq!(other.values(&collection).await["shared"], json!({"v": "second"}));
}
