//! Namespaces, which Vault Community does not have.

use serde_json::{Value, json};

use crate::asking::Vault;

#[tokio::test]
async fn any_namespace_serves_the_root_namespace() {
    let vault = Vault::new().await;
    vault.put("a", json!({"v": "root's"})).await;
    let token = ("X-Vault-Token", vault.server.root_token());
    for name in ["team-a", "no/such/namespace/", "root"] {
        let headers = [token, ("X-Vault-Namespace", name)];
        let data = vault.ask_with("GET", "kv/data/a", &headers, Value::Null).await.data(200);
        assert_eq!(data["data"], json!({"v": "root's"}), "{name}");
    }
}

#[tokio::test]
async fn namespaces_are_an_enterprise_only_feature() {
    let vault = Vault::new().await;
    for (method, path) in [
        ("LIST", "sys/namespaces"),
        ("GET", "sys/namespaces/team"),
        ("POST", "sys/namespaces/team"),
        ("DELETE", "sys/namespaces/team"),
    ] {
        let answer = vault.ask(method, path, Value::Null).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
        assert!(answer.body.to_string().contains("enterprise-only feature"), "{method} {path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_namespace_as_a_path_prefix_has_no_handler() {
    let vault = Vault::new().await;
    let answer = vault.get("team-a/kv/data/a").await;
    assert_eq!(answer.status, 404);
    assert!(answer.body["errors"][0].as_str().unwrap().contains("no handler for route"), "{}", answer.body);
}

#[tokio::test]
async fn health_tells_that_it_is_not_enterprise() {
    let vault = Vault::new().await;
    let health = vault.ask_with("GET", "sys/health", &[], Value::Null).await;
    assert_eq!((health.status, &health.body["enterprise"]), (200, &json!(false)), "{}", health.body);
    assert_eq!(health.body["performance_standby"], json!(false), "{}", health.body);
    assert!(!health.body["version"].as_str().unwrap().starts_with("2."), "{}", health.body);
}
