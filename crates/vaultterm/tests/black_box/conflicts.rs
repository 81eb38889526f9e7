//! Conflicts: how they are found, shown with masked values, revealed and resolved.

use reqwest::Method;
use serde_json::{Value, json};

use crate::town::{Town, did};

/// Returns a town in which both sides changed the field `v`.
async fn quarrel() -> (Town, String) {
    let town = Town::new("bidirectional").await;
    let id = town.house.record(&town.collection, "one", json!({"v": "base", "w": "same"})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
    town.house.change(&id, json!({"v": "local"})).await;
    town.put("one", json!({"v": "remote", "w": "same"})).await;
    did(&town.run().await, "succeeded", &[("conflicts", 1)]);
    (town, id)
}

/// Resolves the conflict, based on the states that it shows.
async fn decide(town: &Town, body: Value) -> crate::guest::Answer {
    let conflict = town.conflict().await;
    let mut body = body;
    body["expect"] =
        json!({"local_revision": conflict["local_revision"], "remote_version": conflict["remote_version"]});
    let path = format!("/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
    town.house.owner.post(&path, body).await
}

/// Asserts that both sides hold this value, that no conflict is open, and that another run does nothing.
async fn settled(town: &Town, value: &Value) {
    assert_eq!(town.value("one").await.as_ref(), Some(value));
    assert_eq!(town.house.values(&town.collection).await["one"], *value);
    assert!(town.house.owner.items("/conflicts?status=open").await.is_empty());
    did(&town.run().await, "succeeded", &[]);
    assert_eq!(town.standing().await["state"], "ready");
}

#[tokio::test]
async fn a_conflict_changes_neither_side_and_is_shown_masked() {
    let (town, id) = quarrel().await;
    assert_eq!(town.value("one").await, Some(json!({"v": "remote", "w": "same"})));
    assert_eq!(town.house.values(&town.collection).await["one"], json!({"v": "local", "w": "same"}));
    let conflict = town.conflict().await;
    assert_eq!((&conflict["kind"], &conflict["record_id"]), (&json!("both_changed"), &json!(id)));
    let [field] = conflict["fields"].as_array().expect("fields").as_slice() else { panic!("{conflict:#}") };
    assert_eq!(field["name"], "v");
    assert_ne!(field["local"]["digest"], field["remote"]["digest"]);
    let text = conflict.to_string();
    assert!([":\"base\"", ":\"local\"", ":\"remote\""].iter().all(|value| !text.contains(value)), "{text}");
    assert_eq!(town.standing().await["state"], "conflicts");
    let path = format!("/conflicts/{}/reveal", conflict["id"].as_str().expect("an id"));
    let revealed = town.house.owner.post(&path, json!({})).await.expect(200).body;
    assert_eq!(revealed["fields"], json!([{"name": "v", "base": "base", "local": "local", "remote": "remote"}]));
    assert_eq!(town.house.owner.items("/audit/events?action=HCV_CONFLICT_REVEALED").await.len(), 1);
    // A conflict does not show a value that no person may see.
    let hide = [("if-match", "\"2\"")];
    let hidden = Some(json!({"inject_only": true}).to_string());
    town.house.owner.send(Method::PATCH, &format!("/records/{id}"), &hide, hidden).await.expect(200);
    town.house.owner.post(&path, json!({})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn keep_local_writes_the_record_and_keeps_the_other_value_in_its_history() {
    let (town, id) = quarrel().await;
    decide(&town, json!({"resolution": "keep_local", "reason": "ours"})).await.expect(200);
    settled(&town, &json!({"v": "local", "w": "same"})).await;
    let mut kept = Vec::new();
    for revision in town.house.owner.items(&format!("/records/{id}/revisions")).await {
        let body = json!({"revision": revision["revision"]});
        let shown = town.house.owner.post(&format!("/records/{id}/reveal"), body).await.expect(200);
        kept.push(shown.body["fields"]["v"].clone());
    }
    assert!(kept.contains(&json!("remote")), "the loser stays reachable: {kept:?}");
    let [event] = town.house.owner.items("/audit/events?action=HCV_CONFLICT_RESOLVED").await.try_into().expect("one");
    assert_eq!((&event["detail"]["resolution"], &event["detail"]["reason"]), (&json!("keep_local"), &json!("ours")));
}

#[tokio::test]
async fn keep_remote_takes_the_secret() {
    let (town, _) = quarrel().await;
    decide(&town, json!({"resolution": "keep_remote"})).await.expect(200);
    settled(&town, &json!({"v": "remote", "w": "same"})).await;
}

#[tokio::test]
async fn keep_both_makes_a_second_record() {
    let (town, _) = quarrel().await;
    decide(&town, json!({"resolution": "keep_both"})).await.expect(200);
    town.run().await;
    let values = town.house.values(&town.collection).await;
    assert_eq!(values.len(), 2, "{values:?}");
    assert!(values.values().any(|value| value["v"] == "remote"));
    settled(&town, &json!({"v": "local", "w": "same"})).await;
}

#[tokio::test]
async fn merge_takes_a_choice_or_a_new_value_for_each_field() {
    let (town, _) = quarrel().await;
    let both = json!({"resolution": "merge", "fields": {"v": {"take": "local", "value": "x"}}});
    decide(&town, both).await.problem(422, "invalid");
    let large = r#"{"resolution":"merge","fields":{"v":{"value":9007199254740993}}}"#;
    let path = format!("/conflicts/{}/resolve", town.conflict().await["id"].as_str().expect("an id"));
    let answer = town.house.owner.send(reqwest::Method::POST, &path, &[], Some(large.to_owned())).await;
    answer.problem(422, "invalid");
    decide(&town, json!({"resolution": "merge", "fields": {"v": {"value": {"new": true}}}})).await.expect(200);
    settled(&town, &json!({"v": {"new": true}, "w": "same"})).await;
}

#[tokio::test]
async fn a_decision_on_what_moved_since_is_refused_and_changes_nothing() {
    let (town, id) = quarrel().await;
    let shown = town.conflict().await;
    let path = format!("/conflicts/{}/resolve", shown["id"].as_str().expect("an id"));
    let with = |revision: u64| json!({"resolution": "keep_remote", "expect": {"local_revision": revision}});
    town.house.owner.post(&path, with(1)).await.problem(409, "stale");
    town.put("one", json!({"v": "newer", "w": "same"})).await;
    decide(&town, json!({"resolution": "keep_remote"})).await.problem(409, "stale");
    town.house.change(&id, json!({"v": "newest"})).await;
    decide(&town, json!({"resolution": "keep_local"})).await.problem(409, "stale");
    assert_eq!(town.value("one").await, Some(json!({"v": "newer", "w": "same"})));
    assert_eq!(town.house.values(&town.collection).await["one"], json!({"v": "newest", "w": "same"}));
    // The next run updates the states of the conflict, and a decision based on them is accepted.
    town.run().await;
    decide(&town, json!({"resolution": "keep_remote"})).await.expect(200);
    settled(&town, &json!({"v": "newer", "w": "same"})).await;
}

#[tokio::test]
async fn an_edit_is_never_lost_to_a_deletion_and_equal_sides_close_by_themselves() {
    let (town, id) = quarrel().await;
    town.put("one", json!({"v": "local", "w": "same"})).await;
    town.run().await;
    assert!(town.house.owner.items("/conflicts?status=open").await.is_empty(), "the sides converged");
    assert_eq!(town.house.owner.items("/conflicts?status=converged").await.len(), 1);
    town.house.trash(&id).await;
    town.put("one", json!({"v": "edited", "w": "same"})).await;
    did(&town.run().await, "succeeded", &[("conflicts", 1)]);
    assert_eq!(town.conflict().await["kind"], "local_deleted");
    decide(&town, json!({"resolution": "keep_remote"})).await.expect(200);
    settled(&town, &json!({"v": "edited", "w": "same"})).await;
}

#[tokio::test]
async fn a_first_sync_never_overwrites_a_secret_that_was_there() {
    let town = Town::new("push").await;
    town.house.record(&town.collection, "one", json!({"v": "local"})).await;
    town.house.record(&town.collection, "same", json!({"v": "equal"})).await;
    town.put("one", json!({"v": "remote"})).await;
    town.put("same", json!({"v": "equal"})).await;
    did(&town.run().await, "succeeded", &[("conflicts", 1), ("adopted", 1)]);
    assert_eq!(town.conflict().await["kind"], "no_base");
    assert_eq!(town.value("one").await, Some(json!({"v": "remote"})));
    assert_eq!(town.version("same").await, 1);
}

#[tokio::test]
async fn one_answer_for_all_conflicts_of_a_kind_is_a_plan_to_look_at_first() {
    let town = Town::new("bidirectional").await;
    for path in ["a", "b", "c"] {
        town.house.record(&town.collection, path, json!({"x": "here"})).await;
        town.put(path, json!({"x": "there"})).await;
    }
    town.run().await;
    let place = format!("{}:a", town.connection);
    let shown = town.house.cli(&["conflict", "show", &place, "--format", "json"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let made = town.house.cli(&["conflict", "resolve", &place, "--all-like", "--keep-remote", "--format", "json"]);
    let plan: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(
        (plan["steps"].as_array().map(Vec::len), plan["decisions"].as_array().map(Vec::len)),
        (Some(3), Some(3))
    );
    assert_eq!(town.house.values(&town.collection).await["a"], json!({"x": "here"}), "a plan decides nothing");
    let id = plan["id"].as_str().expect("an id");
    let only_runs = json!({"name": "runs", "scopes": ["sync:run"]});
    let token = town.house.owner.post("/tokens", only_runs).await.expect(201).body;
    let runner = town.house.owner.with_token(token["token"].as_str().expect("a token"));
    let runs = format!("/connections/{}/runs", town.connection);
    runner.post(&runs, json!({"plan_id": id})).await.problem(403, "forbidden");
    assert!(town.house.cli(&["sync", "apply", id, "--skip", "c"]).status.success());
    let values = town.house.values(&town.collection).await;
    assert_eq!(
        (&values["a"], &values["b"], &values["c"]),
        (&json!({"x": "there"}), &json!({"x": "there"}), &json!({"x": "here"}))
    );
    let left = town.house.owner.items("/conflicts?status=open").await;
    assert_eq!((left.len(), &left[0]["path"]), (1, &json!("c")));
    let decided = town.house.owner.items("/audit/events?action=HCV_CONFLICT_RESOLVED").await;
    assert_eq!(decided.len(), 2);
    let place = format!("{}:b", town.connection);
    assert_eq!(town.house.cli(&["conflict", "show", &place]).status.code(), Some(2), "it is decided");
    let name = town.standing().await["name"].as_str().expect("a name").to_owned();
    assert!(town.house.cli(&["sync", "show", &name]).status.success(), "the newest run");
}
