//! Synchronization of credentials in the three modes.

use serde_json::{Value, json};

use crate::town::{Town, did};

#[tokio::test]
async fn push_writes_what_people_keep_and_nothing_a_second_time() {
    let town = Town::new("push").await;
    let id = town.house.record(&town.collection, "db/main", json!({"password": "one"})).await;
    town.house.record(&town.collection, "db", json!({"nested": {"a": [1, null, ""]}})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 2)]);
    assert_eq!(town.value("db/main").await, Some(json!({"password": "one"})));
    assert_eq!(town.value("db").await, Some(json!({"nested": {"a": [1, null, ""]}})));
    did(&town.run().await, "succeeded", &[]);
    assert_eq!(town.version("db/main").await, 1);
    town.house.change(&id, json!({"password": "two"})).await;
    did(&town.run().await, "succeeded", &[("updated_remote", 1)]);
    assert_eq!(town.version("db/main").await, 2);
    // A person changed it in Vault. The run reports that and does not overwrite it.
    town.put("db/main", json!({"password": "by hand"})).await;
    did(&town.run().await, "succeeded", &[("conflicts", 1)]);
    assert_eq!(town.conflict().await["kind"], "drift");
    assert_eq!(town.value("db/main").await, Some(json!({"password": "by hand"})));
    // The deletion stays on its side.
    town.house.trash(&id).await;
    town.run().await;
    assert_eq!(town.value("db/main").await, Some(json!({"password": "by hand"})));
}

#[tokio::test]
async fn pull_imports_a_tree_and_writes_nothing_to_vault() {
    let town = Town::new("pull").await;
    town.put("web/login", json!({"username": "app", "password": "s"})).await;
    town.put("any", json!({"whatever": {"deep": true}})).await;
    did(&town.run().await, "succeeded", &[("created_local", 2)]);
    let values = town.house.values(&town.collection).await;
    assert_eq!(values["web/login"], json!({"username": "app", "password": "s"}));
    assert_eq!(values["any"], json!({"whatever": {"deep": true}}));
    let records = town.house.owner.items(&format!("/collections/{}/records", town.collection)).await;
    let types: Vec<_> = records.iter().map(|record| record["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["KEY_VALUE", "PASSWORD"], "the type follows from the names of the fields");
    town.put("web/login", json!({"username": "app", "password": "t"})).await;
    did(&town.run().await, "succeeded", &[("updated_local", 1)]);
    assert_eq!(town.version("web/login").await, 2);
    did(&town.run().await, "succeeded", &[]);
}

#[tokio::test]
async fn an_accepted_difference_is_listed_and_asked_about_again_when_a_person_opens_it() {
    let town = Town::new("pull").await;
    town.put("x", json!({"password": "there"})).await;
    town.run().await;
    let record = &town.house.owner.items(&format!("/collections/{}/records", town.collection)).await[0];
    let id = record["id"].as_str().expect("an id");
    town.house.change(id, json!({"password": "here"})).await;
    did(&town.run().await, "succeeded", &[("conflicts", 1)]);
    let conflict = town.conflict().await;
    let resolve = ["conflict", "resolve", conflict["id"].as_str().expect("an id"), "--keep-local"];
    assert!(town.house.cli(&resolve).status.success());
    did(&town.run().await, "succeeded", &[("accepted", 1)]);
    let shown = town.house.owner.get(&format!("/records/{id}")).await.expect(200).body;
    assert_eq!(shown["sync"][0]["state"], "accepted");
    let listed = town.house.cli(&["conflict", "accepted", &town.connection, "--format", "json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["items"][0]["path"], "x");

    assert!(town.house.cli(&["conflict", "reopen", &town.connection, "x"]).status.success());
    did(&town.run().await, "succeeded", &[("conflicts", 1)]);
    let refused = town.house.cli(&["conflict", "reopen", &town.connection, "y"]);
    assert_eq!(refused.status.code(), Some(2));
    let reopened = town.house.owner.items("/audit/events?action=HCV_DIFFERENCE_REOPENED").await;
    assert_eq!((reopened.len(), &reopened[0]["detail"]["path"]), (1, &json!("x")));
}

#[tokio::test]
async fn a_secret_that_can_never_be_taken_over_is_no_success_until_somebody_accepts_that() {
    let town = Town::new("pull").await;
    let ignored = format!("/connections/{}/ignored", town.connection);
    let sync = |town: &Town| town.house.cli(&["sync", "run", &town.connection]).status.code();
    town.put("fine", json!({"a": "1"})).await;
    town.put("trail%20", json!({"a": "1"})).await;
    let run = town.run().await;
    did(&run, "partial", &[("created_local", 1), ("skipped", 1)]);
    assert_eq!((&run["problems"][0]["class"], &run["problems"][0]["path"]), (&json!("left_out"), &json!("trail ")));
    assert_eq!(town.standing().await["state"], "partial");
    assert_eq!(sync(&town), Some(6));

    let accept = ["connection", "ignore", &town.connection, "trail ", "--reason", "a typing error"];
    assert!(town.house.cli(&accept).status.success());
    did(&town.run().await, "succeeded", &[("skipped", 1)]);
    assert_eq!((&town.standing().await["state"], sync(&town)), (&json!("ready"), Some(0)));
    let skip = town.plan().await["skips"][0].clone();
    assert_eq!(skip["kind"], "left_out");
    let listed = town.house.owner.get(&ignored).await.expect(200).body;
    assert_eq!(
        (&listed["items"][0]["path"], &listed["items"][0]["accepted_by"]),
        (&json!("trail "), &skip["accepted_by"])
    );

    town.house.owner.delete(&format!("{ignored}?path=trail%20")).await.expect(204);
    town.house.owner.delete(&format!("{ignored}?path=trail%20")).await.problem(404, "not-found");
    did(&town.run().await, "partial", &[("skipped", 1)]);
    town.house.owner.put(&ignored, json!({"path": ""})).await.problem(422, "invalid");
}

#[tokio::test]
async fn both_sides_meet_and_apart_edits_of_one_secret_are_merged() {
    let town = Town::new("bidirectional").await;
    let mine = town.house.record(&town.collection, "mine", json!({"a": "1", "note": "1"})).await;
    town.put("theirs", json!({"x": "1"})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1), ("created_local", 1)]);
    town.house.change(&mine, json!({"a": "2"})).await;
    town.put("mine", json!({"a": "1", "note": "3"})).await;
    let run = town.run().await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let merged = json!({"a": "2", "note": "3"});
    assert_eq!(town.value("mine").await, Some(merged.clone()));
    assert_eq!(town.house.values(&town.collection).await["mine"], merged);
    did(&town.run().await, "succeeded", &[]);
}

#[tokio::test]
async fn deletions_restores_and_renames_travel_both_ways() {
    let town = Town::new("bidirectional").await;
    let (owner, collection) = (&town.house.owner, &town.collection);
    let one = town.house.record(collection, "one", json!({"v": "1"})).await;
    let two = town.house.record(collection, "two", json!({"v": "2"})).await;
    for n in 0..10 {
        town.house.record(collection, &format!("more/{n}"), json!({"v": n})).await;
    }
    did(&town.run().await, "succeeded", &[("created_remote", 12)]);
    town.house.trash(&one).await;
    town.delete("two").await;
    did(&town.run().await, "succeeded", &[("deleted_remote", 1), ("deleted_local", 1)]);
    assert_eq!(town.value("one").await, None);
    assert!(!owner.get(&format!("/records/{two}")).await.body["deleted_at"].is_null());
    // The secrets are deleted and not destroyed, so that both can be restored.
    owner.post(&format!("/records/{one}/restore"), json!({})).await.expect(200);
    town.root().call("POST", "kv/undelete/team/app/two", Some(json!({"versions": [1]}))).await;
    let run = town.run().await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(town.value("one").await, Some(json!({"v": "1"})));
    assert_eq!(town.house.values(collection).await["two"], json!({"v": "2"}));
    let revision = owner.get(&format!("/records/{one}")).await.body["revision"].clone();
    owner.patch(&format!("/records/{one}"), &revision, json!({"path": "uno"})).await.expect(200);
    let run = town.run().await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!((town.value("one").await, town.value("uno").await), (None, Some(json!({"v": "1"}))));
    did(&town.run().await, "succeeded", &[]);
}

#[tokio::test]
async fn odd_names_and_values_travel_both_ways() {
    let town = Town::new("bidirectional").await;
    let names = ["foo", "foo/bar", "a b", "100%", "a#b", "a?b", "a\\b", "a+b", "a*b", "snow ☃ and 🔑", "ünï/cödé"];
    let values = [
        json!({"v": {"nested": [1, 2.5, {"x": null}]}}),
        json!({"v": null}),
        json!({}),
        json!({"v": ""}),
        json!({"v": true}),
        json!({"-": "-", "🔑": "ключ"}),
        json!({"v": "line\nbreak\u{0}"}),
    ];
    let pairs = || names.iter().zip(values.iter().cycle());
    for (name, value) in pairs() {
        town.house.record(&town.collection, &format!("local/{name}"), value.clone()).await;
        town.put(&format!("remote/{}", encoded(name)), value.clone()).await;
    }
    let count = names.len() as u64;
    did(&town.run().await, "succeeded", &[("created_remote", count), ("created_local", count)]);
    let local = town.house.values(&town.collection).await;
    for (name, value) in pairs() {
        assert_eq!(town.value(&format!("local/{}", encoded(name))).await.as_ref(), Some(value), "{name}");
        assert_eq!(local[&format!("remote/{name}")], *value, "{name}");
    }
    did(&town.run().await, "succeeded", &[]);
}

/// Encodes a path for a URL.
fn encoded(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/';
    path.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[tokio::test]
async fn a_plan_shows_everything_and_is_applied_exactly_as_shown() {
    let town = Town::new("bidirectional").await;
    let one = town.house.record(&town.collection, "one", json!({"v": "hunter2"})).await;
    town.put("two", json!({"v": "hunter2"})).await;
    let plan = town.plan().await;
    assert!(!plan.to_string().contains("hunter2"), "a plan holds no values");
    let steps: Vec<_> = plan["steps"].as_array().expect("steps").iter().map(|step| &step["action"]).collect();
    assert_eq!(steps, ["create_remote", "create_local"]);
    assert_eq!(town.value("one").await, None, "a plan writes nothing");
    // The step for the changed record is stale. The new record is not in the plan.
    town.house.change(&one, json!({"v": "later"})).await;
    town.house.record(&town.collection, "three", json!({"v": "3"})).await;
    let run = town.run_with(json!({"plan_id": plan["id"]})).await;
    did(&run, "partial", &[("created_local", 1), ("stale", 1)]);
    assert_eq!((town.value("one").await, town.value("three").await), (None, None));
    did(&town.run().await, "succeeded", &[("created_remote", 2)]);
    assert_eq!(town.value("one").await, Some(json!({"v": "later"})));
}

#[tokio::test]
async fn the_audit_names_both_sides_of_everything_that_travelled() {
    let town = Town::new("push").await;
    let id = town.house.record(&town.collection, "db/main", json!({"password": "one"})).await;
    town.run().await;
    let events = town.house.owner.items(&format!("/audit/events?action=HCV_SECRET_SYNCED&object={id}")).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert!(event["remote"]["path"].as_str().is_some_and(|path| path.ends_with("team/app/db/main")), "{event:#}");
    assert_eq!(event["remote"]["version"], 1);
    assert_eq!(event["detail"]["revision"], "1");
    // Vault's own log has the same id.
    assert!(event["remote"]["request_id"].is_string(), "{event:#}");
    let verdict = town.house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true);
    let export = town.house.owner.get("/audit/export").await.expect(200).body;
    let lines: Vec<Value> =
        export.as_str().expect("text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let entries: Vec<_> = lines.iter().filter(|line| line["bytes"].is_string()).collect();
    let numbers: Vec<_> = entries.iter().map(|line| line["seq"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(entries.len() > 5 && entries.iter().all(|line| line["hash"].is_string()));
}

#[tokio::test]
async fn the_command_line_plans_runs_and_tells_by_its_exit_code() {
    let town = Town::new("bidirectional").await;
    let house = &town.house;
    let code = |arguments: &[&str]| house.cli(arguments).status.code();
    assert_eq!(code(&["sync", "plan", "prod", "--detailed-exitcode"]), Some(0));
    let id = house.record(&town.collection, "one", json!({"v": "1"})).await;
    assert_eq!(code(&["sync", "plan", "prod", "--detailed-exitcode"]), Some(3));
    let plan = house.cli_json(&["sync", "plan", "prod"]);
    assert_eq!(code(&["sync", "apply", plan["id"].as_str().expect("an id")]), Some(0));
    assert_eq!(town.value("one").await, Some(json!({"v": "1"})));
    house.change(&id, json!({"v": "2"})).await;
    town.put("one", json!({"v": "3"})).await;
    let run = house.cli(&["sync", "run", "prod"]);
    assert_eq!(run.status.code(), Some(4), "{run:?}");
    let conflict = town.conflict().await;
    let conflict = conflict["id"].as_str().expect("an id");
    assert_eq!(code(&["conflict", "resolve", conflict, "--keep-local", "--reason", "ours is newer"]), Some(0));
    assert_eq!(town.value("one").await, Some(json!({"v": "2"})));
    assert_eq!(code(&["sync", "run", "prod"]), Some(0));
    let test = house.cli(&["connection", "test", "prod"]);
    assert_eq!(test.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&test.stdout).contains("granted"));
    assert_eq!(code(&["connection", "pause", "prod"]), Some(0));
    assert_eq!(code(&["sync", "run", "prod"]), Some(2), "paused");
}

#[tokio::test]
async fn a_plan_is_applied_without_the_paths_that_a_person_leaves_out() {
    let town = Town::new("bidirectional").await;
    for path in ["a", "b", "c"] {
        town.house.record(&town.collection, path, json!({"x": path})).await;
    }
    let plan = town.plan().await["id"].as_str().expect("an id").to_owned();
    let refused = town.house.cli(&["sync", "apply", &plan, "--skip", "d"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the plan does nothing at `d`"));
    let runs = format!("/connections/{}/runs", town.connection);
    town.house.owner.post(&runs, json!({"skip": ["a"]})).await.problem(422, "invalid");
    let applied = town.house.cli(&["sync", "apply", &plan, "--skip", "b", "--format", "json"]);
    let run: Value = serde_json::from_slice(&applied.stdout).expect("JSON");
    did(&run, "succeeded", &[("created_remote", 2), ("skipped", 1)]);
    assert_eq!(run["left_out"], json!(["b"]));
    assert_eq!((town.value("a").await.is_some(), town.value("b").await), (true, None));
    assert_eq!(town.standing().await["state"], "partial");
    let started = town.house.owner.items("/audit/events?action=HCV_SYNC_STARTED").await;
    assert_eq!(started.last().expect("one")["detail"]["left_out"], r#"["b"]"#);
}

#[tokio::test]
async fn a_plan_for_one_path_leaves_the_rest_alone_and_a_discarded_plan_is_not_applied() {
    let town = Town::new("bidirectional").await;
    for path in ["a", "b"] {
        town.house.record(&town.collection, path, json!({"x": path})).await;
    }
    let made = town.house.cli(&["sync", "plan", &town.connection, "--path", "b", "--format", "json"]);
    let plan: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!((plan["steps"].as_array().map(Vec::len), &plan["steps"][0]["path"]), (Some(1), &json!("b")));
    assert_eq!(plan["restricted"]["elsewhere"]["created_remote"], 1);
    let id = plan["id"].as_str().expect("an id");
    assert!(town.house.cli(&["sync", "apply", id]).status.success());
    assert_eq!((town.value("a").await, town.value("b").await.is_some()), (None, true));
    assert_eq!(town.standing().await["state"], "new", "nobody has looked at a whole plan yet");
    let whole = town.plan().await["id"].as_str().expect("an id").to_owned();
    assert!(town.house.cli(&["sync", "discard", &whole]).status.success());
    assert_eq!(town.house.cli(&["sync", "apply", &whole]).status.code(), Some(2));
    assert_eq!(town.value("a").await, None);
}
