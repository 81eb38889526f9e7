//! Answers in which Vault and OpenBao agree, and on which VaultTerm relies.

use serde_json::{Value, json};
use vaultterm_testkit::openbao::AppRole;

use crate::asking::Vault;

async fn write_at(vault: &Vault, path: &str, cas: u64) -> crate::asking::Answer {
    let body = json!({"data": {"v": "1"}, "options": {"cas": cas}});
    vault.ask("POST", &format!("kv/data/{path}"), body).await
}

#[tokio::test]
async fn a_write_at_another_version_is_400_with_the_check_and_set_text() {
    let vault = Vault::new().await;
    write_at(&vault, "a", 0).await.data(200);
    for cas in [0, 2] {
        let answer = write_at(&vault, "a", cas).await;
        answer.refuses(400, &["check-and-set parameter did not match the current version"]);
    }
}

#[tokio::test]
async fn a_deleted_head_is_404_with_a_body_and_is_not_created_again_at_version_0() {
    let vault = Vault::new().await;
    write_at(&vault, "a", 0).await.data(200);
    vault.ask("DELETE", "kv/data/a", Value::Null).await;
    let answer = vault.get("kv/data/a").await;
    assert_eq!((answer.status, &answer.body["data"]["metadata"]["version"]), (404, &json!(1)), "{}", answer.body);
    assert_eq!(write_at(&vault, "a", 0).await.status, 400);
    assert_eq!(write_at(&vault, "a", 1).await.status, 200);
}

#[tokio::test]
async fn after_its_metadata_are_deleted_a_key_is_404_without_a_body_and_begins_at_1_again() {
    let vault = Vault::new().await;
    write_at(&vault, "a", 0).await.data(200);
    write_at(&vault, "a", 1).await.data(200);
    vault.ask("DELETE", "kv/metadata/a", Value::Null).await;
    vault.get("kv/data/a").await.refuses(404, &[]);
    assert_eq!(write_at(&vault, "a", 0).await.data(200)["version"], json!(1));
}

#[tokio::test]
async fn an_evicted_version_is_404_without_a_body() {
    let vault = Vault::new().await;
    vault.ask("POST", "kv/config", json!({"max_versions": 2})).await;
    for _ in 0..4 {
        vault.put("a", json!({"v": "1"})).await;
    }
    vault.get("kv/data/a?version=1").await.refuses(404, &[]);
    let metadata = vault.get("kv/metadata/a").await.data(200);
    assert_eq!(metadata["versions"].as_object().unwrap().keys().collect::<Vec<_>>(), ["3", "4"], "{metadata}");
}

#[tokio::test]
async fn numbers_come_back_as_64_bit_floats() {
    let vault = Vault::new().await;
    vault.post_raw("kv/data/a", "{\"data\":{\"n\":9007199254740993}}".to_owned()).await.data(200);
    let data = vault.get("kv/data/a").await.data(200);
    assert_eq!(data["data"]["n"].as_f64(), Some(9_007_199_254_740_992.0), "{data}");
}

#[tokio::test]
async fn plain_dots_and_doubled_slashes_are_redirected() {
    let vault = Vault::new().await;
    for path in ["kv/data/a/../b", "kv/data/./a", "kv/data//a"] {
        assert_eq!(vault.ask_untidied("GET", path, Value::Null).await.0, 307, "{path}");
    }
}

/// Vault 3.0 redirects these paths too. The stand-in imitates 1.21.
#[tokio::test]
async fn percent_encoded_dots_are_followed_below_an_engine() {
    let vault = Vault::new().await;
    let write = json!({"data": {"v": "dots"}});
    let (status, body) = vault.ask_untidied("POST", "kv/data/a/%2e%2e/b", write.clone()).await;
    if status == 307 {
        return;
    }
    assert_eq!(status, 200, "{body}");
    let (status, body) = vault.ask_untidied("GET", "kv/data/a/%2E%2e/b", Value::Null).await;
    assert_eq!((status, body.contains("\"dots\"")), (200, true), "{body}");
    assert_eq!(vault.ask_untidied("POST", "kv/data/%2e%2e", write).await.0, 200);
    let listed = vault.ask("LIST", "kv/metadata/", Value::Null).await.data(200);
    assert_eq!(listed["keys"], json!(["..", "b"]), "the key is where the dots lead");
}

#[tokio::test]
async fn names_that_cannot_be_written_are_400_and_odd_ones_are_not() {
    let vault = Vault::new().await;
    let write = json!({"data": {"v": "1"}});
    for path in ["kv/data/a%07b", "kv/data/a%E2%80%8Bb", "kv/data/a/"] {
        assert_eq!(vault.ask_untidied("POST", path, write.clone()).await.0, 400, "{path}");
    }
    for path in ["kv/data/%20leading", "kv/data/trailing%20", "kv/data/in%20side", "kv/data/%F0%9F%94%91"] {
        assert_eq!(vault.ask_untidied("POST", path, write.clone()).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_wrapped_secret_id_tells_where_it_was_made_and_is_unwrapped_once() {
    let vault = Vault::new().await;
    let root = vault.server.root();
    root.make_role(AppRole { name: "r", policy: "path \"kv/none\" { capabilities = [\"read\"] }", more: Value::Null })
        .await;
    let token = root.wrap_secret_id("r").await;
    let lookup = vault.ask_with("POST", "sys/wrapping/lookup", &[], json!({ "token": token })).await.data(200);
    assert_eq!(lookup["creation_path"], json!("auth/approle/role/r/secret-id"));
    let unwrap =
        async || vault.ask_with("POST", "sys/wrapping/unwrap", &[("X-Vault-Token", &token)], Value::Null).await;
    assert!(unwrap().await.data(200)["secret_id"].is_string());
    let again = unwrap().await;
    assert_eq!(again.status, 400);
    assert!(again.body.to_string().contains("wrapping token is not valid or does not exist"), "{}", again.body);
}

#[tokio::test]
async fn a_mount_tells_type_version_uuid_and_accessor_to_any_token_that_may_use_it() {
    let vault = Vault::new().await;
    let policy = "path \"kv/data/a\" { capabilities = [\"read\"] }";
    vault.server.root().write_policy("p", policy).await;
    let made = vault.ask("POST", "auth/token/create", json!({"policies": ["p"], "no_default_policy": true})).await;
    let token = made.body["auth"]["client_token"].as_str().expect("a token").to_owned();
    let answer = vault.ask_with("GET", "sys/internal/ui/mounts/kv", &[("X-Vault-Token", &token)], Value::Null).await;
    let mount = answer.data(200);
    assert_eq!((&mount["type"], &mount["options"]["version"]), (&json!("kv"), &json!("2")), "{mount}");
    assert!(mount["uuid"].is_string() && mount["accessor"].is_string(), "{mount}");
}

#[tokio::test]
async fn a_derived_transit_key_opens_only_with_its_context_and_survives_rotation() {
    let vault = Vault::new().await;
    let root = vault.server.root();
    root.call("POST", "sys/mounts/transit", Some(json!({"type": "transit"}))).await;
    root.call("POST", "transit/keys/k", Some(json!({"derived": true}))).await;
    let (right, wrong) = ("Y29udGV4dA==", "b3RoZXI=");
    let sealed = root.call("POST", "transit/encrypt/k", Some(json!({"plaintext": "aGk=", "context": right}))).await;
    root.call("POST", "transit/keys/k/rotate", None).await;
    let body = json!({"ciphertext": sealed["ciphertext"], "context": right});
    let sealed = root.call("POST", "transit/rewrap/k", Some(body)).await;
    assert!(sealed["ciphertext"].as_str().is_some_and(|text| text.starts_with("vault:v2:")), "{sealed}");
    let open = async |context: &str| {
        let body = json!({"ciphertext": sealed["ciphertext"], "context": context});
        root.try_call("POST", "transit/decrypt/k", Some(body)).await
    };
    assert_eq!(open(right).await.1["data"]["plaintext"], json!("aGk="));
    assert!(!open(wrong).await.0.is_success());
}

#[tokio::test]
async fn a_policy_may_repeat_a_path_and_not_a_key() {
    let vault = Vault::new().await;
    let twice = "path \"kv/a\" { capabilities = [\"read\"] }\npath \"kv/a\" { capabilities = [\"list\"] }";
    assert_eq!(vault.ask("PUT", "sys/policies/acl/p", json!({ "policy": twice })).await.status, 204);
    let named = "path \"sys/capabilities-self\" {\n capabilities = [\"read\"]\n}";
    assert_eq!(vault.ask("PUT", "sys/policies/acl/p", json!({ "policy": named })).await.status, 204);
    let key = "path \"kv/a\" {\n capabilities = [\"read\"]\n capabilities = [\"list\"]\n}";
    assert_eq!(vault.ask("PUT", "sys/policies/acl/p", json!({ "policy": key })).await.status, 400);
}
