//! Headers about consistency.

use serde_json::{Value, json};

use crate::asking::Vault;

const FORWARD: [((&str, &str), &str); 2] = [
    (
        ("X-Vault-Inconsistent", "forward-active-node"),
        "forwarding via header X-Vault-Inconsistent=forward-active-node disabled in configuration",
    ),
    (("X-Vault-Forward", "active-node"), "forwarding via header X-Vault-Forward disabled in configuration"),
];

#[tokio::test]
async fn a_request_for_the_active_node_is_refused_by_400_on_every_path_of_an_engine_and_of_the_system() {
    let vault = Vault::new().await;
    for (header, says) in FORWARD {
        let headers = [header, ("X-Vault-Token", vault.server.root_token())];
        for path in ["kv/data/a", "kv/metadata/?list=true", "sys/internal/ui/mounts/kv", "sys/mounts"] {
            vault.ask_with("GET", path, &headers, Value::Null).await.refuses(400, &[says]);
        }
        let login = json!({"role_id": "a", "secret_id": "b"});
        vault.ask_with("POST", "auth/approle/login", &headers, login).await.refuses(400, &[says]);
        let write = json!({"data": {"v": "1"}});
        vault.ask_with("POST", "kv/data/a", &headers, write).await.refuses(400, &[says]);
    }
}

#[tokio::test]
async fn health_leader_and_seal_status_are_answered_whatever_the_headers_say() {
    let vault = Vault::new().await;
    for (header, _) in FORWARD {
        for path in ["sys/health", "sys/leader", "sys/seal-status"] {
            assert_eq!(vault.ask_with("GET", path, &[header], Value::Null).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn fail_and_await_state_and_every_index_are_ignored() {
    let vault = Vault::new().await;
    vault.put("a", json!({"v": "1"})).await;
    let token = ("X-Vault-Token", vault.server.root_token());
    for header in [
        ("X-Vault-Inconsistent", "fail"),
        ("X-Vault-Inconsistent", "await-state"),
        ("X-Vault-Index", "bm90IGFuIGluZGV4"),
        ("X-Vault-Index", "djE6MTox"),
    ] {
        let answer = vault.ask_with("GET", "kv/data/a", &[token, header], Value::Null).await;
        assert_eq!(answer.status, 200, "{header:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn no_answer_carries_an_index() {
    let vault = Vault::with(vaultterm_testkit::openbao::Setup { raft: true, ..Default::default() }).await;
    for (method, path, body) in [
        ("POST", "kv/data/a", json!({"data": {"v": "1"}})),
        ("GET", "kv/data/a", Value::Null),
        ("LIST", "kv/metadata/", Value::Null),
        ("POST", "auth/token/create", json!({})),
    ] {
        let answer = vault.ask(method, path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(!answer.headers.contains_key("x-vault-index"), "{method} {path}");
    }
}
