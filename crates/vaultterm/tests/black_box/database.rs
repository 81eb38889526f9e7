//! An installation moves from one database to another, and back. On SQLite both are files; on PostgreSQL one is on the server.

use serde_json::{Value, json};

use crate::{
    house::{House, OWNER, PASSWORD},
    town::Town,
};

/// Returns the URL of a database that nobody has used, in a file, as the command reads it.
async fn target(house: &House, name: &str) -> (String, String) {
    let folder = house.data().with_file_name(name);
    let url = vaultterm_testkit::fresh_database(&folder).await;
    (house.file(&format!("{name}.url"), &format!("{url}\n")), url)
}

/// Returns the URL of an SQLite file that does not exist yet, as the command reads it.
fn file(house: &House, name: &str) -> (String, String) {
    let url = format!("sqlite:{}", house.data().with_file_name(name).join("vaultterm.db").display());
    (house.file(&format!("{name}.url"), &url), url)
}

fn refused(house: &House, arguments: &[&str]) -> String {
    let output = house.cli(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn an_installation_moves_into_a_file_and_back_and_goes_on_where_it_was() {
    let mut town = Town::new("bidirectional").await;
    for n in 0..20 {
        town.house.record(&town.collection, &format!("r{n}"), json!({"v": format!("value {n}")})).await;
    }
    town.put("theirs", json!({"v": "from Vault"})).await;
    assert_eq!(town.run().await["state"], "succeeded");
    let before = town.house.values(&town.collection).await;
    for there in [file(&town.house, "there"), target(&town.house, "back").await] {
        let (list, url) = there;
        town.house.while_stopped(|house| {
            let copied = house.cli_json(&["database", "copy", "--to-url-file", &list]);
            assert_eq!(copied["tables"]["records"], 21, "{copied}");
            assert!(
                copied["revisions"].as_u64() >= Some(21) && copied["audit_entries"].as_u64() > Some(40),
                "{copied}"
            );
            house.set("DATABASE_URL", &url);
        });
        // Sessions and tokens moved too: the owner is still logged in.
        assert_eq!(town.house.values(&town.collection).await, before);
        let found = town.house.owner.items("/audit/events?action=DATABASE_COPIED").await;
        assert!(!found.is_empty());
        assert_eq!(town.house.owner.post("/audit/verify", json!({})).await.expect(200).body["ok"], true);
        let version = town.version("r0").await;
        let run = town.run().await;
        assert_eq!((&run["state"], town.version("r0").await), (&json!("succeeded"), version), "{run}");
    }
    town.house.record(&town.collection, "after", json!({"v": "1"})).await;
    assert_eq!(town.run().await["state"], "succeeded");
    assert_eq!(town.value("after").await, Some(json!({"v": "1"})));
}

#[tokio::test]
async fn a_copy_is_refused_where_something_would_be_lost_and_says_what_to_do() {
    let mut house = House::new().await;
    house.collection("app").await;
    let (free, _) = target(&house, "free").await;
    let said = refused(&house, &["database", "copy", "--to-url-file", &free]);
    assert!(said.contains("a server runs on") && said.contains("stop it first"), "{said}");
    let wrong = house.file("wrong.url", "mysql://ann:hunter2@db/x");
    house.while_stopped(|house| {
        let said = refused(house, &["database", "copy", "--to-url-file", &wrong]);
        assert!(said.contains("--to-url-file") && !said.contains("hunter2"), "{said}");
        house.cli_json(&["database", "copy", "--to-url-file", &free]);
        let said = refused(house, &["database", "copy", "--to-url-file", &free]);
        assert!(said.contains("is not empty") && said.contains("nothing was copied"), "{said}");
    });
    assert_eq!(house.owner.items("/collections").await.len(), 1, "the source still works");
    assert!(house.owner.items("/audit/events?action=DATABASE_COPIED").await.is_empty(), "the source was only read");
}

#[tokio::test]
async fn a_backup_comes_back_into_an_empty_database_of_either_kind() {
    let mut house = House::new().await;
    let collection = house.collection("app").await;
    let id = house.record(&collection, "db", json!({"v": "s3cret"})).await;
    let backup = house.data().with_file_name("one.vtbak").to_str().expect("UTF-8").to_owned();
    house.cli_json(&["backup", "-o", &backup]);
    for (_, url) in [target(&house, "fresh").await, file(&house, "elsewhere")] {
        house.while_stopped(|house| {
            house.set("DATABASE_URL", &url);
            let restored = house.cli_json(&["restore", &backup]);
            assert_eq!(restored["kept"], Value::Null, "{restored}");
            let said = refused(house, &["restore", &backup]);
            assert!(said.contains("is not empty") || said.contains("there is a database"), "{said}");
        });
        house.owner = house.stranger().login(OWNER, PASSWORD).await;
        let shown = house.owner.post(&format!("/records/{id}/reveal"), json!({})).await.expect(200);
        assert_eq!(shown.body["fields"], json!({"v": "s3cret"}));
    }
    let checks = house.cli_json(&["doctor"]);
    assert_eq!(checks["ok"], true, "{checks}");
}
