//! Files of other programs, brought and taken by the command line: parsed in a process of their own, shown, imported, undone,
//! pushed to Vault in one plan, and exported again.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    house::House,
    town::{Town, did},
};

const CANARY: &str = "canary-4b1d90";

/// A file as Bitwarden writes it: a login with an earlier password in a folder, a note, one item in the trash.
fn bitwarden() -> String {
    json!({
        "encrypted": false,
        "folders": [{"id": "f1", "name": "Work"}],
        "items": [
            {"id": "i1", "folderId": "f1", "type": 1, "name": "mail", "favorite": true, "notes": null,
             "login": {"username": "ann", "password": CANARY, "uris": [{"match": null, "uri": "https://mail.example.com"}]},
             "passwordHistory": [{"lastUsedDate": "2024-01-02T03:04:05.000Z", "password": "canary-4b1d90-old"}]},
            {"id": "i2", "folderId": null, "type": 2, "name": "door", "notes": "canary-4b1d90-note", "secureNote": {"type": 0}},
            {"id": "i3", "folderId": null, "type": 1, "name": "gone", "deletedDate": "2024-01-02T03:04:05.000Z",
             "login": {"username": "ann", "password": "canary-4b1d90-gone"}},
        ],
    })
    .to_string()
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn a_file_is_shown_then_imported_with_its_histories_then_undone() {
    let house = House::new().await;
    let app = house.collection("app").await;
    let file = house.file("bitwarden.json", &bitwarden());
    let dry = house.cli(&["import", &file, "--into", "app/old", "--dry-run"]);
    assert!(dry.status.success(), "{dry:?}");
    let text = said(&dry);
    for part in
        ["Bitwarden (JSON)", "found     3", "new       3", "in the trash: old/gone", "What is lost:", "favourite"]
    {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
    assert!(!text.contains(CANARY), "{text}");
    assert!(house.values(&app).await.is_empty());
    // Without a terminal and without --yes nothing is stored.
    assert_eq!(house.cli(&["import", &file, "--into", "app/old"]).status.code(), Some(1));
    assert!(house.values(&app).await.is_empty());
    let done = house.cli_json(&["import", &file, "--into", "app/old", "--yes"]);
    assert_eq!(
        (&done["state"], &done["counts"]["created"], &done["counts"]["found"]),
        (&json!("done"), &json!(3), &json!(3))
    );
    let values = house.values(&app).await;
    assert_eq!(values.keys().collect::<Vec<_>>(), ["old/Work/mail", "old/door"]);
    assert_eq!(values["old/Work/mail"]["password"], CANARY);
    let records = house.owner.items(&format!("/collections/{app}/records")).await;
    let mail = records.iter().find(|record| record["path"] == "old/Work/mail").expect("imported");
    assert_eq!(mail["revision"], 2, "the earlier password is a revision");
    let trash = house.owner.items(&format!("/collections/{app}/records?state=trash")).await;
    assert_eq!(trash.len(), 1);
    let again = house.cli_json(&["import", &file, "--into", "app/old", "--yes"]);
    assert_eq!((&again["counts"]["created"], &again["counts"]["skipped"]), (&json!(0), &json!(3)));
    let undone = house.cli_json(&["import", "--undo", done["id"].as_str().expect("an id")]);
    assert_eq!(undone, json!({"trashed": 2, "restored": 0, "kept": 0, "in_trash": 1}));
    assert!(house.values(&app).await.is_empty());
    let verdict = house.owner.post("/audit/verify", json!({})).await.expect(200).body;
    assert_eq!(verdict["ok"], true, "{verdict}");
}

#[tokio::test]
async fn what_was_imported_goes_to_vault_in_one_plan() {
    let town = Town::new("push").await;
    let file = town.house.file("prod.env", &format!("TOKEN={CANARY}\nURL=https://example.com\n"));
    let done = town.house.cli_json(&["import", &file, "--from", "env", "--into", "app", "--yes"]);
    assert_eq!(done["counts"]["created"], 2, "{done}");
    let run = town.run().await;
    did(&run, "succeeded", &[("created_remote", 2)]);
}

#[tokio::test]
async fn hundreds_of_records_are_one_plan_with_as_many_creations_and_nothing_else() {
    let town = Town::new("push").await;
    town.house.record(&town.collection, "before", json!({"value": "stays"})).await;
    did(&town.run().await, "succeeded", &[("created_remote", 1)]);
    let rows: String = (0..400).map(|n| format!("https://{n}.example.com,ann,{CANARY}-{n},site {n}\n")).collect();
    let file = town.house.file("logins.csv", &format!("url,username,password,name\n{rows}"));
    let done = town.house.cli_json(&["import", &file, "--into", "app/old", "--yes"]);
    assert_eq!((&done["counts"]["found"], &done["counts"]["created"]), (&json!(400), &json!(400)), "{done}");
    let plan = town.plan().await;
    let steps = plan["steps"].as_array().expect("steps");
    assert_eq!((steps.len(), &plan["counts"]["created_remote"]), (400, &json!(400)), "{}", plan["counts"]);
    assert!(steps.iter().all(|step| step["path"].as_str().expect("a path").starts_with("old/site ")));
    for part in ["conflicts", "skips", "halts"] {
        assert_eq!(plan[part], json!([]), "{part}");
    }
    let run = town.run_with(json!({"plan_id": plan["id"]})).await;
    did(&run, "succeeded", &[("created_remote", 400)]);
    assert_eq!(town.value("old/site 7").await.expect("the secret")["password"], format!("{CANARY}-7"));
    assert_eq!(town.version("before").await, 1);
    let next = town.plan().await;
    assert_eq!((&next["steps"], &next["counts"]["unchanged"]), (&json!([]), &json!(401)), "{}", next["counts"]);
}

#[tokio::test]
async fn an_archive_leaves_sealed_and_comes_back_whole_elsewhere() {
    let (house, other) = (House::new().await, House::new().await);
    let app = house.collection("app").await;
    let id = house.record(&app, "db/main", json!({"password": CANARY, "port": 5432})).await;
    house.change(&id, json!({"password": format!("{CANARY}-2")})).await;
    let passphrase = house.file("passphrase", "correct horse battery staple\n");
    let archive = Path::new(&passphrase).with_file_name("app.vaultterm.age").display().to_string();
    let arguments =
        ["export", "app", "--format", "vaultterm", "--passphrase-file", &passphrase, "-o", &archive, "--yes"];
    let exported = house.cli(&arguments);
    assert!(exported.status.success(), "{exported:?}");
    let bytes = fs::read(&archive).expect("the archive");
    assert!(bytes.starts_with(b"age-encryption.org/v1"));
    assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(&archive).expect("the archive").permissions().mode() & 0o777, 0o600);
    let again = house.cli(&arguments);
    assert_eq!(again.status.code(), Some(1), "a file is never replaced: {again:?}");
    let home = other.collection("home").await;
    let done = other.cli_json(&["import", &archive, "--password-file", &passphrase, "--into", "home", "--yes"]);
    assert_eq!(done["counts"]["created"], 1, "{done}");
    assert_eq!(done["losses"], json!([]));
    assert_eq!(other.values(&home).await["db/main"], json!({"password": format!("{CANARY}-2"), "port": 5432}));
    let actions = house.owner.items("/audit/events?limit=500").await;
    let exported: Vec<_> = actions.iter().filter(|event| event["action"] == "RECORD_EXPORTED").collect();
    assert_eq!(exported.len(), 1);
}

#[tokio::test]
async fn no_value_of_a_file_stands_in_the_database_the_log_or_a_report() {
    let mut house = House::in_a_file().await;
    let app = house.collection("app").await;
    let content = base64(bitwarden().as_bytes());
    let body = json!({"collection_id": app, "file_name": "b.json", "content": content});
    let read = house.owner.post("/imports", body).await.expect(201).body;
    let id = read["id"].as_str().expect("an id").to_owned();
    let items = house.owner.get(&format!("/imports/{id}/items")).await.expect(200).body;
    let bent = bitwarden();
    let bent = &bent[..bent.len() - 3];
    let body = json!({"collection_id": app, "format": "bitwarden-json", "content": base64(bent.as_bytes())});
    let refused = house.owner.post("/imports", body).await.expect(422).body;
    let mut said = vec![read.to_string(), items.to_string(), refused.to_string()];
    said.push(house.owner.get("/imports").await.expect(200).body.to_string());
    said.push(house.owner.get("/audit/events?limit=500").await.expect(200).body.to_string());
    // The restart closes the database, so that the write-ahead log is merged into it.
    house.stop_and_restart();
    said.push(house.log());
    for text in &said {
        assert!(!text.contains(CANARY), "{text}");
    }
    let commit = json!({"plan": read["plan"], "duplicates": "skip"});
    house.owner.post(&format!("/imports/{id}/commit"), commit).await.expect(200);
    house.stop_and_restart();
    for entry in fs::read_dir(house.data()).expect("the data directory") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{}", path.display());
    }
}

#[tokio::test]
async fn a_file_that_waits_is_listed_with_its_name_and_goes_on_or_is_removed() {
    let house = House::new().await;
    let app = house.collection("app").await;
    let file = house.file("bitwarden.json", &bitwarden());
    // A question that nobody can answer leaves nothing behind.
    let unanswered = house.cli(&["import", &file, "--into", "app/old"]);
    assert_eq!(unanswered.status.code(), Some(1));
    assert!(said(&unanswered).contains("what was read of the file is removed"), "{}", said(&unanswered));
    assert_eq!(house.cli_json(&["import", "--list"])["items"], json!([]));
    let waits = async |name: &str| {
        let content = base64(bitwarden().as_bytes());
        let body = json!({"collection_id": app, "prefix": "old", "file_name": name, "content": content});
        let read = house.owner.post("/imports", body).await.expect(201).body;
        read["id"].as_str().expect("an id").to_owned()
    };
    let (first, second) = (waits("first.json").await, waits("second.json").await);
    let listed = said(&house.cli(&["import", "--list"]));
    for part in ["first.json", "second.json", "app/old", "reviewed", "--continue", &first] {
        assert!(listed.contains(part), "`{part}` is missing: {listed}");
    }
    assert!(house.cli(&["import", "--discard", &first]).status.success());
    let done = house.cli_json(&["import", "--continue", &second, "--yes"]);
    assert_eq!((&done["state"], &done["counts"]["created"]), (&json!("done"), &json!(3)), "{done}");
    let again = house.cli(&["import", "--continue", &second, "--yes"]);
    assert!(again.status.success() && said(&again).contains("done already"), "{}", said(&again));
    assert_eq!(house.cli_json(&["import", "--list"])["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn two_vaults_come_into_two_folders_and_secrets_are_called_like_their_files() {
    let house = House::new().await;
    let app = house.collection("app").await;
    for (folder, value) in [("staging", "s"), ("prod", "p")] {
        let export =
            house.file(&format!("m-{folder}.json"), &format!(r#"{{"app":{{"db":{{"password":"{value}"}}}}}}"#));
        let into = format!("app/{folder}");
        let imported = house.cli_json(&[
            "import",
            &export,
            "--from",
            "medusa",
            "--into",
            &into,
            "--duplicates",
            "update",
            "--yes",
        ]);
        assert_eq!(imported["counts"]["created"], 1, "{imported}");
    }
    for name in ["one", "two"] {
        let answer = json!({"request_id": "x", "data": {"data": {"key": name}, "metadata": {"version": 1}}});
        let file = house.file(&format!("{name}.json"), &answer.to_string());
        assert_eq!(house.cli_json(&["import", &file, "--into", "app/kv", "--yes"])["counts"]["created"], 1);
    }
    let values = house.values(&app).await;
    assert_eq!(values.keys().collect::<Vec<_>>(), ["kv/one", "kv/two", "prod/app/db", "staging/app/db"]);
    assert_eq!((&values["staging/app/db"]["password"], &values["prod/app/db"]["password"]), (&json!("s"), &json!("p")));
    assert_eq!((&values["kv/one"]["key"], &values["kv/two"]["key"]), (&json!("one"), &json!("two")));
}

#[tokio::test]
async fn an_export_says_what_it_leaves_out_of_the_trash_and_of_variables_with_one_name() {
    let house = House::new().await;
    let app = house.collection("app").await;
    for folder in ["staging", "prod"] {
        let file = house.file(&format!("{folder}.env"), "API_KEY=x\n");
        house.cli_json(&["import", &file, "--into", &format!("app/{folder}"), "--yes"]);
    }
    let gone = house.record(&app, "gone", json!({"value": "x"})).await;
    house.trash(&gone).await;
    let review = said(&house.cli(&["export", "app"]));
    for part in [
        "(env): 1 of 2 records",
        "left out: 1 record has the same name as another record in the file",
        "export one folder at a time; for example staging/API_KEY",
        "1 record in the trash stays here",
        "1 of the records is in the trash, and goes along",
    ] {
        assert!(review.contains(part), "`{part}` is missing: {review}");
    }
}

pub(crate) fn base64(bytes: &[u8]) -> Value {
    use ::base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes).into()
}
