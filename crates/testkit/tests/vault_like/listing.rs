//! Ways of listing that only OpenBao has.

use serde_json::{Value, json};

use crate::asking::Vault;

async fn with_secrets() -> Vault {
    let vault = Vault::new().await;
    for path in ["a", "b", "folder/c"] {
        vault.put(path, json!({"v": "1"})).await;
    }
    vault
}

#[tokio::test]
async fn scan_is_a_method_that_is_not_known() {
    let vault = with_secrets().await;
    for path in ["kv/metadata/", "kv/detailed-metadata/"] {
        vault.ask("SCAN", path, Value::Null).await.refuses(405, &[]);
    }
}

#[tokio::test]
async fn scan_as_a_parameter_is_404() {
    let vault = with_secrets().await;
    for path in ["kv/metadata/?scan=true", "kv/metadata/folder/?scan=true", "kv/detailed-metadata/?scan=true"] {
        assert_eq!(vault.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_list_of_detailed_metadata_is_404_with_a_body_that_only_warns() {
    let vault = with_secrets().await;
    for path in ["kv/detailed-metadata/", "kv/detailed-metadata/folder/", "kv/detailed-metadata/nothing/"] {
        let answer = vault.ask("LIST", path, Value::Null).await;
        assert_eq!((answer.status, &answer.body["data"]), (404, &Value::Null), "{}", answer.body);
        let warning = answer.body["warnings"][0].as_str().expect("a warning");
        assert!(warning.starts_with("Invalid path for a versioned K/V secrets engine"), "{warning}");
        assert!(answer.body.get("errors").is_none(), "{}", answer.body);
    }
}

#[tokio::test]
async fn after_and_limit_are_ignored_with_a_warning() {
    let vault = with_secrets().await;
    let answer = vault.ask("LIST", "kv/metadata/?after=a&limit=1", Value::Null).await;
    assert_eq!(answer.body["data"]["keys"], json!(["a", "b", "folder/"]), "{}", answer.body);
    let warning = answer.body["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("after") && warning.contains("limit"), "{warning}");
}

#[tokio::test]
async fn a_policy_that_names_scan_is_refused() {
    let vault = with_secrets().await;
    for hcl in [
        "path \"kv/metadata/*\" { capabilities = [\"list\", \"scan\"] }",
        "path \"kv/data/*\" { capabilities = [\"read\"] }\npath \"kv/metadata/*\" {\n  capabilities = [\"scan\"]\n}",
    ] {
        let answer = vault.ask("PUT", "sys/policies/acl/p", json!({ "policy": hcl })).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        let says = answer.body["errors"][0].as_str().expect("words");
        assert!(says.contains("path \"kv/metadata/*\"") && says.contains("invalid capability \"scan\""), "{says}");
    }
}
