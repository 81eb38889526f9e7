//! The writers of a secret.

use serde_json::{Value, json};
use vaultterm_testkit::openbao::{AppRole, Credentials};

use crate::asking::{MOUNT, Vault};

const POLICY: &str =
    "path \"kv/*\" { capabilities = [\"create\", \"read\", \"update\", \"patch\", \"delete\", \"list\"] }";

#[tokio::test]
async fn metadata_name_who_wrote_last_and_who_created_and_deleted_each_version() {
    let vault = Vault::new().await;
    vault.put("a", json!({"v": "1"})).await;
    vault.put("a", json!({"v": "2"})).await;
    let metadata = vault.get("kv/metadata/a").await.data(200);
    assert_eq!(metadata["last_updated_by"]["operation"], json!("update"), "{metadata}");
    assert_eq!(metadata["last_updated_by"]["actor"], json!("root"), "{metadata}");
    assert!(metadata["last_updated_by"]["client_id"].as_str().is_some_and(|client| !client.is_empty()), "{metadata}");
    for (number, operation) in [("1", "create"), ("2", "update")] {
        let version = &metadata["versions"][number];
        assert_eq!(version["created_by"]["operation"], json!(operation), "{metadata}");
        assert!(version["created_by"]["actor"].is_string() && version["deleted_by"].is_null(), "{metadata}");
    }

    vault.ask("DELETE", "kv/data/a", Value::Null).await;
    let metadata = vault.get("kv/metadata/a").await.data(200);
    assert_eq!(metadata["versions"]["2"]["deleted_by"]["operation"], json!("delete"), "{metadata}");
    assert_eq!(metadata["versions"]["1"]["deleted_by"], Value::Null, "{metadata}");

    vault.ask("POST", "kv/undelete/a", json!({"versions": [2]})).await;
    let metadata = vault.get("kv/metadata/a").await.data(200);
    assert_eq!(metadata["versions"]["2"]["deleted_by"], Value::Null, "{metadata}");
    assert_eq!(metadata["last_updated_by"]["operation"], json!("undelete"), "{metadata}");
}

#[tokio::test]
async fn the_actor_of_an_approle_login_is_the_mounts_path_and_its_entity_tells_roles_apart() {
    let vault = Vault::new().await;
    let mut entities = Vec::new();
    for name in ["one", "two"] {
        let role = AppRole { name, policy: POLICY, more: Value::Null };
        let Credentials { role_id, secret_id } = vault.server.root().make_role(role).await;
        let login = vault.login(&role_id, &secret_id).await;
        let token = login.body["auth"]["client_token"].as_str().expect("a token").to_owned();
        let path = format!("{MOUNT}/data/{name}");
        let write = json!({"data": {"v": "1"}});
        vault.ask_with("POST", &path, &[("X-Vault-Token", &token)], write).await.data(200);
        let metadata = vault.get(&format!("kv/metadata/{name}")).await.data(200);
        let writer = &metadata["versions"]["1"]["created_by"];
        assert_eq!(writer["actor"], json!("approle"), "{writer}");
        let entity = writer["entity_id"].as_str().expect("an entity").to_owned();
        let known = vault.get(&format!("identity/entity/id/{entity}")).await.data(200);
        assert_eq!(known["aliases"][0]["metadata"]["role_name"], json!(name), "{known}");
        entities.push(entity);
    }
    assert_ne!(entities[0], entities[1]);
}

#[tokio::test]
async fn the_actor_of_a_person_is_the_mount_and_the_name() {
    let vault = Vault::new().await;
    let root = vault.server.root();
    root.call("POST", "sys/auth/userpass", Some(json!({"type": "userpass"}))).await;
    root.write_policy("all", POLICY).await;
    root.call("POST", "auth/userpass/users/ann", Some(json!({"password": "p", "token_policies": ["all"]}))).await;
    let login = vault.ask_with("POST", "auth/userpass/login/ann", &[], json!({"password": "p"})).await;
    let token = login.body["auth"]["client_token"].as_str().expect("a token").to_owned();
    vault.ask_with("POST", "kv/data/a", &[("X-Vault-Token", &token)], json!({"data": {"v": "1"}})).await.data(200);
    let metadata = vault.get("kv/metadata/a").await.data(200);
    assert_eq!(metadata["last_updated_by"]["actor"], json!("userpass-ann"), "{metadata}");
}
