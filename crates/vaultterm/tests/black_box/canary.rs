//! A marker value, a SecretID and a password may appear only where a caller asked for them.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    house::PASSWORD,
    town::{Town, did},
};

const CANARY: &str = "canary-7f3a9c";

#[tokio::test]
async fn no_secret_stands_in_logs_answers_plans_events_or_files() {
    let mut town = Town::in_a_file("bidirectional").await;
    let value = |text: &str| json!({ "v": format!("{CANARY}-{text}"), "w": "x" });
    let mine = town.house.record(&town.collection, "mine", value("one")).await;
    town.put("theirs", value("two")).await;
    let mut said = vec![town.plan().await.to_string()];
    let run = town.run().await;
    did(&run, "succeeded", &[("created_remote", 1), ("created_local", 1)]);
    town.house.change(&mine, value("three")).await;
    town.put("mine", value("four")).await;
    said.push(town.run().await.to_string());
    let conflict = town.conflict().await;
    let owner = town.house.owner.clone();
    let stream = owner.get(&format!("/runs/{}/events", run["id"].as_str().expect("an id"))).await;
    said.extend([run.to_string(), conflict.to_string(), stream.body.to_string()]);
    for path in
        ["/connections", "/conflicts", "/audit/events?limit=500", "/audit/export", "/tokens", "/users", "/webhooks"]
    {
        said.push(owner.get(path).await.expect(200).body.to_string());
    }
    said.push(owner.get(&format!("/collections/{}/records", town.collection)).await.body.to_string());
    said.push(owner.get(&format!("/records/{mine}/revisions")).await.body.to_string());
    let bad = format!(r#"{{"path":"x","fields":{{"v":"{CANARY}"}},"x":1"#);
    let path = format!("/collections/{}/records", town.collection);
    said.push(owner.send(reqwest::Method::POST, &path, &[], Some(bad)).await.body.to_string());
    for arguments in
        [&["sync", "plan", "prod"][..], &["conflict", "ls"], &["record", "get", "app/mine"], &["sync", "run", "prod"]]
    {
        let output = town.house.cli(arguments);
        said.push(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
    }
    // The restart closes the database, so that the write-ahead log is merged into it.
    town.house.stop_and_restart();
    said.push(town.house.log());
    let secret_id = town.credentials.secret_id.clone();
    for text in &said {
        for secret in [CANARY, &secret_id, PASSWORD] {
            assert!(!text.contains(secret), "`{secret}` was said: {text}");
        }
    }
    assert!(said.iter().any(|text| text.contains("request method=")), "the log was read");
    search(&town.house.data(), &[CANARY.as_bytes(), secret_id.as_bytes(), PASSWORD.as_bytes()]);
    // The search does find text that is not secret.
    let database = fs::read(town.house.data().join("vaultterm.db")).expect("the database");
    assert!(holds(&database, b"theirs"), "paths are not secret");
}

fn search(folder: &Path, secrets: &[&[u8]]) {
    for entry in fs::read_dir(folder).expect("the data directory") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        for secret in secrets {
            assert!(!holds(&bytes, secret), "{} holds {}", path.display(), String::from_utf8_lossy(secret));
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
