//! What a server tells about its place in a cluster, and the answers of its standbys.

use serde_json::{Value, json};
use vaultterm_testkit::{
    openbao::{OpenBao, Product, Setup},
    vault_like::{Node, VaultLike},
};

use crate::asking::{Answer, Vault};

/// A standby of Vault Community, real or imitated.
enum Standby {
    Real(Box<OpenBao>),
    Played(VaultLike),
}

impl Standby {
    fn address(&self) -> String {
        match self {
            Self::Real(server) => server.address(),
            Self::Played(vault_like) => vault_like.address(),
        }
    }
}

async fn cluster() -> (Vault, Standby) {
    let vault = Vault::with(Setup { raft: true, ..Setup::default() }).await;
    let standby = match vault.server.vault_like() {
        Some(vault_like) => Standby::Played(vault_like.join(Node::Standby)),
        None => Standby::Real(Box::new(OpenBao::start_standby(&vault.server).await)),
    };
    (vault, standby)
}

async fn ask_at(vault: &Vault, address: &str, method: &str, path: &str, more: &[(&str, &str)]) -> Answer {
    let headers = [&[("X-Vault-Token", vault.server.root_token())], more].concat();
    vault.send(address, method, path, &headers, String::new()).await
}

#[tokio::test]
async fn a_server_without_ha_says_that_it_is_not_itself_the_leader() {
    let vault = Vault::new().await;
    let leader = vault.get("sys/leader").await;
    assert_eq!((leader.status, &leader.body["ha_enabled"]), (200, &json!(false)), "{}", leader.body);
    assert_eq!(leader.body["is_self"], json!(false), "{}", leader.body);
}

#[tokio::test]
async fn a_standby_tells_by_health_and_leader() {
    let (vault, standby) = cluster().await;
    let health = ask_at(&vault, &standby.address(), "GET", "sys/health", &[]).await;
    assert_eq!((health.status, &health.body["standby"]), (429, &json!(true)), "{}", health.body);
    assert_eq!(health.body["performance_standby"], json!(false), "{}", health.body);
    // The standby knows this only after the first heartbeat, which the active node sends after some seconds.
    let began = std::time::Instant::now();
    let mut healthy = health;
    while !healthy.body["ha_connection_healthy"].is_boolean() {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{}", healthy.body);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        healthy = ask_at(&vault, &standby.address(), "GET", "sys/health", &[]).await;
    }
    let leader = ask_at(&vault, &standby.address(), "GET", "sys/leader", &[]).await;
    assert_eq!((&leader.body["ha_enabled"], &leader.body["is_self"]), (&json!(true), &json!(false)));
    let active = vault.get("sys/leader").await;
    assert_eq!((&active.body["ha_enabled"], &active.body["is_self"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn a_standby_forwards_so_that_no_read_right_after_a_write_is_old() {
    let (vault, standby) = cluster().await;
    let address = standby.address();
    for round in 0..50 {
        let name = format!("key-{round}");
        vault.put(&name, json!({"v": round})).await;
        let read = ask_at(&vault, &address, "GET", &format!("kv/data/{name}"), &[]).await;
        assert_eq!(read.data(200)["data"], json!({"v": round}));
        let listed = ask_at(&vault, &address, "LIST", "kv/metadata/", &[]).await.data(200);
        assert!(listed["keys"].as_array().unwrap().contains(&json!(name)), "round {round}");
    }
}

#[tokio::test]
async fn a_standby_that_is_told_not_to_forward_redirects() {
    let (vault, standby) = cluster().await;
    vault.put("a", json!({"v": "1"})).await;
    let told = [("X-Vault-No-Request-Forwarding", "true")];
    let answer = ask_at(&vault, &standby.address(), "GET", "kv/data/a", &told).await;
    assert_eq!(answer.status, 307, "{}", answer.body);
    let location = answer.headers["location"].to_str().unwrap();
    assert!(location.ends_with("/v1/kv/data/a"), "{location}");
}

/// Only Enterprise has performance standbys, so this one is an imitation after the documentation.
#[tokio::test]
async fn a_performance_standby_that_is_behind_answers_reads_as_they_were() {
    if Product::vault() == Product::Vault {
        return;
    }
    let vault = Vault::with(Setup { raft: true, ..Setup::default() }).await;
    let played = vault.server.vault_like().expect("the stand-in");
    let standby = played.join(Node::PerformanceStandby);
    let address = standby.address();
    vault.put("old", json!({"v": "1"})).await;
    vault.put("gone", json!({"v": "1"})).await;
    played.fall_behind().await;
    vault.put("old", json!({"v": "2"})).await;
    vault.put("new", json!({"v": "1"})).await;
    vault.ask("DELETE", "kv/data/gone", Value::Null).await;

    let health = ask_at(&vault, &address, "GET", "sys/health", &[]).await;
    assert_eq!((health.status, &health.body["performance_standby"]), (473, &json!(true)), "{}", health.body);
    let read = ask_at(&vault, &address, "GET", "kv/data/old", &[]).await.data(200);
    assert_eq!(read["data"], json!({"v": "1"}));
    assert_eq!(ask_at(&vault, &address, "GET", "kv/data/new", &[]).await.status, 404);
    assert_eq!(ask_at(&vault, &address, "GET", "kv/data/old?version=2", &[]).await.status, 404);
    let listed = ask_at(&vault, &address, "LIST", "kv/metadata/", &[]).await.data(200);
    assert_eq!(listed["keys"], json!(["gone", "old"]));
    let metadata = ask_at(&vault, &address, "GET", "kv/metadata/gone", &[]).await.data(200);
    assert_eq!(metadata["versions"]["1"]["deletion_time"], json!(""));
    assert_eq!(vault.get("kv/data/old").await.data(200)["data"], json!({"v": "2"}), "the active node knows");
    let denied = vault.send(&address, "GET", "kv/data/old", &[("X-Vault-Token", "bogus")], String::new()).await;
    assert_eq!(denied.status, 403);

    played.catch_up();
    let read = ask_at(&vault, &address, "GET", "kv/data/old", &[]).await.data(200);
    assert_eq!(read["data"], json!({"v": "2"}));
}
