//! The metrics and the log of a server that synchronized with a real Vault: what they tell, and what they never tell.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    house::{House, OWNER},
    town::{Town, did},
};

/// A text in every name that people choose.
const MARK: &str = "mark5e1";

/// The labels of metrics. None of them can hold a path, a name, an address or a person.
const LABELS: [&str; 13] = [
    "version",
    "state",
    "trigger",
    "action",
    "reason",
    "connection",
    "webhook",
    "operation",
    "route",
    "method",
    "status",
    "pool",
    "le",
];

/// Returns the lines of the log, each of which is an object.
fn log(house: &House) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the line {line}"));
    house.log().lines().map(parse).collect()
}

async fn metrics(house: &House) -> String {
    let told = log(house).into_iter().find(|line| line["fields"]["message"] == "metrics are told");
    let told = told.expect("the log names the address of the metrics");
    let address = told["fields"]["address"].as_str().expect("an address").to_owned();
    let answer = reqwest::get(format!("http://{address}/metrics")).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.expect("text")
}

/// Returns the value of a series.
fn value(text: &str, series: &str) -> f64 {
    let line =
        text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("no {series} in {text}"));
    line.trim().parse().expect("a number")
}

fn labels(text: &str) -> BTreeSet<&str> {
    let inside = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('{'));
    inside
        .flat_map(|(_, rest)| rest.split('"').step_by(2))
        .filter_map(|part| part.trim_matches([',', '}', ' ']).strip_suffix('='))
        .collect()
}

#[tokio::test]
async fn metrics_tell_what_happened_and_no_path_name_address_or_person() {
    let house = House::configured(&[("VAULTTERM_METRICS_LISTEN", "127.0.0.1:0"), ("VAULTTERM_LOG_FORMAT", "json")]);
    let town = Town::around(house, "bidirectional", json!({"interval_seconds": 0, "on_change": false})).await;
    town.house.record(&town.collection, &format!("{MARK}-record"), json!({"v": format!("{MARK}-value")})).await;
    town.put(&format!("{MARK}-secret"), json!({"v": "1"})).await;
    let run = town.run().await;
    did(&run, "succeeded", &[("created_remote", 1), ("created_local", 1)]);
    town.house.person(&format!("{MARK}@example.com"), "member").await;
    town.house.collection(&format!("{MARK}-collection")).await;
    let hook = json!({"name": format!("{MARK}-hook"), "url": format!("http://127.0.0.1:9/{MARK}"), "paused": true});
    town.house.owner.post("/webhooks", hook).await.expect(201);
    let owner = &town.house.owner;
    owner.get(&format!("/records?q={MARK}")).await;
    owner.get(&format!("/{MARK}")).await.expect(404);

    let text = metrics(&town.house).await;
    let connection = &town.connection;
    for (series, expected) in [
        ("vaultterm_sealed", 0.0),
        ("vaultterm_database_up", 1.0),
        (r#"vaultterm_runs_total{state="succeeded",trigger="manual"}"#, 1.0),
        ("vaultterm_run_duration_seconds_count", 1.0),
        (r#"vaultterm_steps_total{action="create_remote"}"#, 1.0),
        (r#"vaultterm_steps_total{action="create_local"}"#, 1.0),
        (&format!(r#"vaultterm_connection_state{{connection="{connection}",state="ready"}}"#), 1.0),
        (&format!(r#"vaultterm_conflicts_open{{connection="{connection}"}}"#), 0.0),
        (r#"vaultterm_vault_requests_total{operation="login",status="2xx"}"#, 2.0),
        (r#"vaultterm_vault_requests_total{operation="write",status="2xx"}"#, 1.0),
        (r#"vaultterm_http_requests_total{method="POST",route="/api/v1/webhooks",status="2xx"}"#, 1.0),
    ] {
        let found = value(&text, series);
        let enough = if series.contains("login") { found >= 1.0 } else { (found - expected).abs() < 1e-9 };
        assert!(enough, "{series} is {found}, not {expected}");
    }
    let success =
        value(&text, &format!(r#"vaultterm_connection_last_success_timestamp_seconds{{connection="{connection}"}}"#));
    assert!((success - value(&text, "vaultterm_start_time_seconds")).abs() < 600.0, "seconds since 1970: {success}");
    assert!(value(&text, "vaultterm_license_expiry_timestamp_seconds") > 4e9, "2099");
    let bao = town.bao.address();
    for mark in [MARK, OWNER, "ann", "prod", "kv/", "team/app", bao.trim_start_matches("http://")] {
        assert!(!text.contains(mark), "the metrics tell `{mark}`: {text}");
    }
    let unknown: Vec<_> = labels(&text).into_iter().filter(|label| !LABELS.contains(label)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(labels(&text).len() > 8, "the labels were read: {:?}", labels(&text));
}

#[tokio::test]
async fn each_line_of_a_json_log_about_a_request_or_a_run_has_its_id() {
    let house = House::configured(&[("VAULTTERM_METRICS_LISTEN", "off"), ("VAULTTERM_LOG_FORMAT", "json")]);
    let town = Town::around(house, "push", json!({"interval_seconds": 0, "on_change": false})).await;
    town.house.record(&town.collection, "a", json!({"v": "1"})).await;
    let answer = town.house.owner.post(&format!("/connections/{}/runs", town.connection), json!({})).await.expect(202);
    let request_id = answer.headers["x-request-id"].to_str().expect("text").to_owned();
    let run_id = answer.id();
    town.ended(&run_id).await;
    let about = |line: &Value, key: &str, id: &str| {
        line["fields"][key] == id
            || line["spans"].as_array().is_some_and(|spans| spans.iter().any(|span| span[key] == id))
    };
    let of_run = town
        .house
        .until("the log tells that the run ended", async || {
            let lines: Vec<_> = log(&town.house).into_iter().filter(|line| about(line, "run_id", &run_id)).collect();
            lines.iter().any(|line| line["fields"]["message"] == "run ended").then_some(lines)
        })
        .await;
    assert!(
        !of_run.iter().any(|line| about(line, "request_id", &request_id)),
        "a run outlives its request: {of_run:?}"
    );
    let of_request = log(&town.house).into_iter().filter(|line| about(line, "request_id", &request_id)).count();
    assert!(of_request >= 1, "the line of the request");
    assert!(!town.house.log().contains("metrics are told"), "they are off");
}
