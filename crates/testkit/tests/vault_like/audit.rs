//! The audit log, which is enabled over the API and has one JSON object per line.

use serde_json::{Value, json};
use vaultterm_testkit::openbao::{AppRole, Credentials};

use crate::asking::Vault;

#[tokio::test]
async fn an_audit_device_is_enabled_over_the_api() {
    let vault = Vault::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("second.log");
    let device = json!({"type": "file", "options": {"file_path": path}});
    assert_eq!(vault.ask("PUT", "sys/audit/second", device).await.status, 204);
    vault.put("a", json!({"v": "1"})).await;
    assert!(std::fs::read_to_string(path).unwrap().lines().count() >= 2);
}

#[tokio::test]
async fn the_response_of_a_write_names_in_plain_what_was_done_where_and_by_whom() {
    let vault = Vault::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("second.log");
    let device = json!({"type": "file", "options": {"file_path": path}});
    vault.ask("PUT", "sys/audit/second", device).await;
    let policy = "path \"kv/*\" { capabilities = [\"create\", \"update\", \"read\"] }";
    let role = AppRole { name: "writer", policy, more: Value::Null };
    let Credentials { role_id, secret_id } = vault.server.root().make_role(role).await;
    let login = vault.login(&role_id, &secret_id).await;
    let token = login.body["auth"]["client_token"].as_str().expect("a token").to_owned();
    let token = [("X-Vault-Token", token.as_str())];
    let write = json!({"data": {"v": "a-value-to-be-hidden"}});
    vault.ask_with("POST", "kv/data/team/a", &token, write).await.data(200);
    assert_eq!(vault.ask_with("DELETE", "kv/data/team/a", &token, Value::Null).await.status, 403);

    let log = std::fs::read_to_string(path).unwrap();
    assert!(!log.contains("a-value-to-be-hidden") && !log.contains(token[0].1));
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |operation: &str| {
        let found = lines.iter().find(|line| {
            line["type"] == "response"
                && line["request"]["operation"] == operation
                && line["request"]["path"] == "kv/data/team/a"
        });
        found.unwrap_or_else(|| panic!("no {operation} in {log}"))
    };
    let written = of("create");
    let request = &written["request"];
    assert_eq!((&request["mount_point"], &request["mount_type"]), (&json!("kv/"), &json!("kv")), "{written}");
    assert!(request["mount_accessor"].as_str().is_some_and(|accessor| accessor.starts_with("kv_")), "{written}");
    assert_eq!(request["namespace"]["id"], json!("root"), "{written}");
    assert_eq!(written["auth"]["display_name"], json!("approle"), "{written}");
    assert_eq!(written["auth"]["metadata"]["role_name"], json!("writer"), "{written}");
    assert!(written["auth"]["entity_id"].is_string(), "{written}");
    assert_eq!(written["response"]["data"]["version"], json!(1), "{written}");
    assert_eq!(of("delete")["request"]["path"], json!("kv/data/team/a"));
    assert!(of("delete")["error"].as_str().is_some_and(|error| error.contains("permission denied")));
}
