//! Collections and records: what is kept, what is refused, and with which message.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn a_record_keeps_every_revision_and_comes_back_from_the_trash() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "db/main", json!({"password": "one", "username": "app"})).await;
    house.change(&id, json!({"password": "two"})).await;
    let owner = &house.owner;
    let record = owner.get(&format!("/records/{id}")).await.expect(200);
    assert_eq!(record.headers["etag"], "\"2\"");
    assert_eq!(record.body["field_names"], json!(["password", "username"]));
    let reveal = async |body: Value| owner.post(&format!("/records/{id}/reveal"), body).await;
    assert_eq!(reveal(json!({})).await.expect(200).body["fields"], json!({"password": "two", "username": "app"}));
    let old = reveal(json!({"revision": 1, "fields": ["password"], "reason": "incident 7"})).await.expect(200);
    assert_eq!(old.body["fields"], json!({"password": "one"}));
    house.trash(&id).await;
    assert!(owner.items(&format!("/collections/{collection}/records")).await.is_empty());
    assert_eq!(owner.items(&format!("/collections/{collection}/records?state=trash")).await.len(), 1);
    owner.post(&format!("/records/{id}/restore"), json!({"revision": 1})).await.expect(200);
    assert_eq!(house.values(&collection).await["db/main"]["password"], "one");
    let revisions = owner.items(&format!("/records/{id}/revisions")).await;
    let numbers: Vec<_> = revisions.iter().map(|revision| revision["revision"].as_u64()).collect();
    assert_eq!(numbers, [Some(3), Some(2), Some(1)]);
    let actions: Vec<_> = owner.items(&format!("/audit/events?object={id}")).await;
    let actions: Vec<_> = actions.iter().map(|event| event["action"].as_str().expect("a name")).collect();
    let wanted = [
        "RECORD_CREATED",
        "RECORD_UPDATED",
        "RECORD_REVEALED",
        "RECORD_REVEALED",
        "RECORD_DELETED",
        "RECORD_RESTORED",
        "RECORD_REVEALED",
    ];
    assert_eq!(actions, wanted);
}

#[tokio::test]
async fn a_list_is_cut_into_pages_and_filtered() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    for n in 0..7 {
        house.record(&collection, &format!("team/{n}"), json!({"n": n})).await;
    }
    house.record(&collection, "Other", json!({"n": 1})).await;
    let list = async |query: &str| house.owner.items(&format!("/collections/{collection}/records?{query}")).await.len();
    assert_eq!(list("limit=3").await, 8, "pages of three, one after the other");
    assert_eq!(list("prefix=team/").await, 7);
    assert_eq!(list("q=OTH").await, 1);
    assert_eq!(list("type=PASSWORD").await, 0);
    let page = |query: &str| format!("/collections/{collection}/records?{query}");
    assert_eq!(house.owner.get(&page("limit=3")).await.expect(200).body["items"].as_array().map(Vec::len), Some(3));
    house.owner.get(&page("limit=501")).await.problem(422, "invalid");
    let unknown = house.owner.get(&page("colour=red")).await.problem(422, "invalid");
    assert!(unknown.contains("colour"), "{unknown}");
}

#[tokio::test]
async fn an_update_needs_the_revision_that_it_changes() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "a", json!({"x": 1})).await;
    let path = format!("/records/{id}");
    let patch = |headers: Vec<(&'static str, &'static str)>| {
        let (owner, path) = (house.owner.clone(), path.clone());
        async move { owner.send(Method::PATCH, &path, &headers, Some(r#"{"fields":{"x":2}}"#.to_owned())).await }
    };
    patch(vec![]).await.problem(428, "precondition-required");
    patch(vec![("if-match", "1")]).await.problem(400, "malformed-request");
    patch(vec![("if-match", "\"1\"")]).await.expect(200);
    let stale = patch(vec![("if-match", "\"1\"")]).await.problem(412, "precondition-failed");
    assert!(stale.contains("revision 2"), "{stale}");
    assert_eq!(house.values(&collection).await["a"], json!({"x": 2}));
    let stale = house.owner.send(Method::DELETE, &path, &[("if-match", "\"1\"")], None).await;
    stale.problem(412, "precondition-failed");
}

#[tokio::test]
async fn the_same_post_with_a_key_is_done_once() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    let path = format!("/collections/{collection}/records");
    let post = async |key: &str, body: Value| {
        house.owner.send(Method::POST, &path, &[("idempotency-key", key)], Some(body.to_string())).await
    };
    let body = json!({"path": "a", "fields": {"x": "hunter2"}});
    let first = post("k1", body.clone()).await.expect(201);
    let again = post("k1", body.clone()).await.expect(201);
    assert_eq!(first.body, again.body);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    post("k1", json!({"path": "b", "fields": {}})).await.problem(409, "refused");
    post("k2", body.clone()).await.problem(409, "exists");
    // Another token of the same person may have fewer rights.
    let again = house.owner.login(crate::house::OWNER, crate::house::PASSWORD).await;
    let key = [("idempotency-key", "k1")];
    again.send(Method::POST, &path, &key, Some(body.to_string())).await.problem(409, "refused");
    // A refusal changes nothing, so the key is free for the corrected request.
    post("k2", json!({"path": "c", "fields": {}})).await.expect(201);
    assert_eq!(house.values(&collection).await.len(), 2);
}

#[tokio::test]
async fn a_reveal_with_a_key_is_audited_each_time_and_asks_for_the_rights_of_that_moment() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "a", json!({"x": "hunter2"})).await;
    let bo = house.person("bo@example.com", "member").await;
    let me = bo.get("/auth/me").await.expect(200).body["user"]["id"].as_str().expect("an id").to_owned();
    let member = format!("/collections/{collection}/members/{me}");
    house.owner.put(&member, json!({"role": "viewer"})).await.expect(200);
    let path = format!("/records/{id}/reveal");
    let reveal = async || bo.send(Method::POST, &path, &[("idempotency-key", "k")], Some("{}".to_owned())).await;
    reveal().await.expect(200);
    reveal().await.expect(200);
    assert_eq!(house.owner.items("/audit/events?action=RECORD_REVEALED").await.len(), 2);
    house.owner.delete(&member).await.expect(204);
    reveal().await.expect(404);
}

#[tokio::test]
async fn what_a_record_cannot_be_is_refused_by_name_and_nothing_is_written() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    let cases = [
        (r#"{"path":"../etc","fields":{}}"#, "invalid", 422, "path"),
        (r#"{"path":"a//b","fields":{}}"#, "invalid", 422, "path"),
        (r#"{"path":" a","fields":{}}"#, "invalid", 422, "path"),
        (r#"{"path":"a","fields":{},"colour":"hunter2"}"#, "invalid", 422, "colour"),
        (r#"{"path":"a"}"#, "invalid", 422, "fields"),
        (r#"{"path":"a","fields":["hunter2"]}"#, "invalid", 422, "fields"),
        (r#"{"path":"a","fields":{"n":9007199254740993}}"#, "invalid", 422, "quote it"),
        (r#"{"path":"a","fields":{},"type":"SECRET"}"#, "invalid", 422, "KEY_VALUE"),
        (r#"{"path":7,"fields":{}}"#, "invalid", 422, "path"),
        (r#"{"path":"a","fields":{"x":"hunter2""#, "malformed-request", 400, "not JSON"),
        (r#"{"path":"a","fields":{}} hunter2"#, "malformed-request", 400, "follows"),
    ];
    let path = format!("/collections/{collection}/records");
    for (body, kind, status, says) in cases {
        let answer = house.owner.send(Method::POST, &path, &[], Some(body.to_owned())).await;
        let problem = answer.problem(status, kind);
        assert!(problem.contains(says), "{body}: {problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    let big = format!(r#"{{"path":"a","fields":{{"x":"{}"}}}}"#, "y".repeat(5 << 20));
    house.owner.send(Method::POST, &path, &[], Some(big)).await.problem(413, "too-large");
    assert!(house.values(&collection).await.is_empty());
    let created = house.owner.items("/audit/events?action=RECORD_CREATED").await;
    assert!(created.is_empty());
}

#[tokio::test]
async fn every_wrong_address_of_the_api_answers_a_problem_document() {
    let house = House::new().await;
    house.owner.get("/nothing").await.problem(404, "not-found");
    house.owner.get("/records/not-an-id").await.problem(404, "not-found");
    house.owner.delete("/auth/login").await.problem(405, "method-not-allowed");
    let text = [("content-type", "text/plain")];
    let answer = house.owner.open(Method::POST, "/collections", &text, None).await;
    assert_eq!(answer.status(), 422, "an empty body is an empty object");
    let answer = house.owner.get("/auth/me").await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn an_inject_only_record_is_never_shown_and_a_totp_record_gives_codes() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    let path = format!("/collections/{collection}/records");
    let hidden = json!({"path": "hidden", "fields": {"x": "hunter2"}, "inject_only": true});
    let hidden = house.owner.post(&path, hidden).await.expect(201).id();
    house.owner.post(&format!("/records/{hidden}/reveal"), json!({})).await.problem(403, "forbidden");
    let totp = json!({"path": "otp", "type": "TOTP", "fields": {"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}});
    let totp = house.owner.post(&path, totp).await.expect(201).id();
    let code = house.owner.post(&format!("/records/{totp}/otp"), json!({})).await.expect(200).body;
    assert!(code["code"].as_str().is_some_and(|code| code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())));
    assert!((1..=30).contains(&code["expires_in_seconds"].as_u64().expect("a number")));
    assert!(!house.owner.items(&format!("/audit/events?object={totp}&action=RECORD_REVEALED")).await.is_empty());
}

#[tokio::test]
async fn a_program_gets_the_values_that_are_named_and_the_log_says_which() {
    let house = House::new().await;
    let collection = house.collection("app").await;
    let fields = json!({"password": "hunter2", "port": 5432, "other": "unasked"});
    let body = json!({"path": "db/main", "fields": fields, "inject_only": true});
    let id = house.owner.post(&format!("/collections/{collection}/records"), body).await.expect(201).id();
    let run = |arguments: &[&str]| {
        let output = house.cli(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let file = house.file("env", "PORT=vt://app/db/main/port\nHOST='db # 1'\nPASSWORD=overridden\n");
    let script = r#"printf '%s ' "$PASSWORD" "$PORT" "$HOST" "${VAULTTERM_TOKEN-none}"; exit 7"#;
    let password = "PASSWORD=vt://app/db/main/password";
    let arguments = ["run", "--env", password, "--env-file", &file, "--reason", "release", "--", "sh", "-c", script];
    assert_eq!(run(&arguments), (Some(7), "hunter2 5432 db # 1 none ".to_owned(), String::new()));

    let template = house.file("template", "password = {{ vt://app/db/main/password }}\nport = {{port}}\n");
    let filled = "password = hunter2\nport = {{port}}\n";
    assert_eq!(run(&["inject", "-i", &template]), (Some(0), filled.to_owned(), String::new()));
    let output = house.file("taken", "precious");
    let refused = run(&["inject", "-i", &template, "-o", &output]);
    assert_eq!((refused.0, std::fs::read_to_string(&output).expect("it stays")), (Some(1), "precious".to_owned()));
    assert_eq!(run(&["inject", "-i", &template, "-o", &output, "--force"]).0, Some(0));
    assert_eq!(std::fs::read_to_string(&output).expect("written"), filled);

    let injected = house.owner.items(&format!("/audit/events?object={id}&action=RECORD_INJECTED")).await;
    let told: Vec<_> =
        injected.iter().map(|event| json!([event["detail"]["into"], event["detail"]["fields"]])).collect();
    // A name may contain a space or a comma, so the list is JSON.
    let wanted = [
        json!(["sh", r#"["password","port"]"#]),
        json!(["stdout", r#"["password"]"#]),
        json!([output, r#"["password"]"#]),
    ];
    assert_eq!(told, wanted);
    assert_eq!(injected[0]["detail"]["reason"], "release");

    for (reference, said) in [
        ("vt://app/db/main/none", "no field `none`"),
        ("vt://app/db/none/password", "no record `db/none`"),
        ("vt://none/db/main/password", "no collection `none`"),
    ] {
        let (status, printed, error) = run(&["run", "--env", &format!("X={reference}"), "--", "echo", "started"]);
        assert_eq!((status, printed.as_str()), (Some(2), ""), "{reference}");
        assert!(error.contains(said), "{error}");
    }
    let (status, _, error) = run(&["run", "--", "/no/such/program"]);
    assert_eq!(status, Some(127));
    assert!(error.contains("cannot start `/no/such/program`"), "{error}");
}

#[tokio::test]
async fn the_command_line_does_what_the_api_does() {
    let house = House::new().await;
    let run = |input: &str, arguments: &[&str]| {
        let output = house.cli_with(input, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    run("", &["collection", "create", "app"]);
    run("hunter2\n", &["record", "set", "app/db", "--type", "PASSWORD", "password=-"]);
    assert!(!run("", &["record", "get", "app/db"]).contains("hunter2"));
    assert_eq!(run("", &["record", "get", "app/db", "--field", "password", "--reveal"]).trim(), "hunter2");
    assert_eq!(run("", &["read", "vt://app/db/password"]).trim(), "hunter2");
    run("", &["record", "mv", "app/db", "db/main"]);
    run("", &["record", "rm", "app/db/main"]);
    run("", &["record", "restore", "app/db/main"]);
    assert_eq!(house.cli_json(&["record", "history", "app/db/main"])["items"].as_array().map(Vec::len), Some(3));
    run("", &["user", "create", "bob@example.com", "--password-file", &house.file("pw", "a good long password")]);
    run("", &["collection", "grant", "app", "bob@example.com", "--role", "viewer"]);
    let token = run("", &["token", "create", "ci", "--scope", "records:read"]);
    assert!(token.starts_with("vtt_"));
    run("", &["token", "revoke", "ci"]);
    assert!(run("", &["audit", "ls"]).contains("MEMBER_GRANTED"));
    assert!(run("", &["doctor"]).contains("unbroken chain"));
    let described: Value = serde_json::from_str(&run("", &["openapi"])).expect("JSON");
    assert_eq!(described, house.stranger().get("/openapi.json").await.body);
}

#[tokio::test]
async fn a_damaged_value_is_named_by_the_answer_the_log_and_the_doctor() {
    let house = House::in_a_file().await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "db/main", json!({"password": "one"})).await;
    house.change(&id, json!({"password": "two"})).await;
    let flip = "import sqlite3, sys\n\
                db = sqlite3.connect(sys.argv[1])\n\
                (held,) = db.execute('SELECT ciphertext FROM revisions WHERE revision = 2').fetchone()\n\
                db.execute('UPDATE revisions SET ciphertext = ? WHERE revision = 2', (held[:-1] + bytes([held[-1] ^ 1]),))\n\
                db.commit()";
    let database = house.data().join("vaultterm.db");
    let flipped = Command::new("python3").args(["-c", flip]).arg(database).status().expect("python3 runs");
    assert!(flipped.success());

    let refused = house.owner.post(&format!("/records/{id}/reveal"), json!({})).await.problem(500, "damaged");
    let refused: Value = serde_json::from_str(&refused).expect("JSON");
    let request = refused["instance"].as_str().expect("the request's id");
    let log = house.log();
    let told = |line: &&str| line.contains(request) && line.contains("a stored value does not open");
    assert_eq!(log.lines().filter(told).count(), 1, "{log}");
    let doctor = house.cli(&["doctor"]);
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(1), "{found}");
    assert!(found.contains("1 of 2 revisions were changed or moved: app/db/main, revision 2"), "{found}");

    house.owner.post(&format!("/records/{id}/restore"), json!({"revision": 1})).await.expect(200);
    assert_eq!(house.values(&collection).await["db/main"]["password"], "one");
}
