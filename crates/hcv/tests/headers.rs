//! The helping headers and the freshness of answers, on servers that behave in all known ways.

#[allow(dead_code, reason = "shared with the other tests")]
mod script;

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use script::{Asked, Reply, Script, as_vault, reply};
use serde_json::Value;
use vaultterm_hcv::{ConnectorOptions, Transit, TransitAuth, TransitSettings};
use vaultterm_reconcile::{SecretPath, Version};
use vaultterm_sealing::{SecretBytes, SecretFields, SecretText};
use vaultterm_sync::{FaultClass, Freshness, Remote};

const REFUSAL: &str =
    r#"{"errors":["forwarding via header X-Vault-Inconsistent=forward-active-node disabled in configuration"]}"#;

fn path(text: &str) -> SecretPath {
    SecretPath::new(text).expect("a good path")
}

fn fields(text: &str) -> SecretFields {
    SecretFields::from_trusted([("value".to_owned(), Value::from(text))].into())
}

fn helping(asked: &Asked) -> bool {
    asked.header("x-vault-inconsistent").is_some() || asked.header("x-vault-index").is_some()
}

/// Refuses `X-Vault-Inconsistent`, as HashiCorp Vault does everywhere except at two paths.
fn as_a_vault_that_refuses(asked: &Asked) -> Option<Reply> {
    (asked.header("x-vault-inconsistent").is_some() && !asked.path.starts_with("sys/health"))
        .then(|| reply(400, REFUSAL))
}

fn leader(text: &'static str) -> impl Fn(&Asked) -> Option<Reply> {
    move |asked| (asked.path == "sys/leader").then(|| reply(200, text))
}

#[tokio::test]
async fn a_server_that_hands_out_no_index_is_sent_neither_header() {
    let script = Script::start(as_a_vault_that_refuses).await;
    let remote = script.connect().await;
    remote.write(&path("a"), &fields("1"), Version::NONE).await.expect("written");
    remote.observe().await.expect("observed");
    remote.close().await.expect("revoked");
    let asked = script.asked();
    assert!(asked.len() > 6 && !asked.iter().any(helping), "{asked:#?}");
}

#[tokio::test]
async fn a_header_that_is_refused_costs_no_request_and_is_not_sent_again() {
    let script = Script::start(|asked| {
        as_a_vault_that_refuses(asked)
            .or_else(|| (asked.path == "auth/approle/login").then(|| as_vault(asked).with("X-Vault-Index", "opaque")))
    })
    .await;
    let connector = script::connector();
    use vaultterm_sync::Connector as _;
    for session in 0..2 {
        let before = script.asked().len();
        let opened = connector.connect(&script.connection(), &script::secrets()).await;
        let remote = opened.map_err(|fault| format!("{fault:?}")).expect("the connection opens").remote;
        remote.write(&path("a"), &fields("1"), Version::NONE).await.expect("written");
        remote.close().await.expect("revoked");
        let asked = script.asked().split_off(before);
        let refused = asked.iter().filter(|asked| asked.header("x-vault-inconsistent").is_some()).count();
        assert!(if session == 0 { (1..=2).contains(&refused) } else { refused == 0 }, "{asked:#?}");
        let writes: Vec<_> = asked.iter().filter(|asked| asked.path.starts_with("kv/data/")).collect();
        assert_eq!(writes.len(), 1, "the write is sent once, with the index alone");
        assert_eq!(writes[0].header("x-vault-index"), Some("opaque"));
    }
}

#[tokio::test]
async fn a_write_that_is_refused_for_a_header_is_the_same_write_without_it() {
    // The refusal comes late, because another node with another configuration answers the write.
    let script = Script::start(|asked| {
        let refuses = asked.path.starts_with("kv/data/").then(|| as_a_vault_that_refuses(asked)).flatten();
        refuses
            .or_else(|| (asked.path == "auth/approle/login").then(|| as_vault(asked).with("X-Vault-Index", "opaque")))
    })
    .await;
    let remote = script.connect().await;
    assert_eq!(remote.freshness(), Freshness::Index);
    remote.write(&path("a"), &fields("1"), Version::NONE).await.expect("written");
    let writes: Vec<_> = script.asked().into_iter().filter(|asked| asked.path.starts_with("kv/data/")).collect();
    assert_eq!(writes.len(), 2);
    assert_eq!((&writes[0].body, &writes[0].method), (&writes[1].body, &writes[1].method));
    assert_eq!(writes[1].header("x-vault-inconsistent"), None);
    remote.observe().await.expect("observed");
    assert_eq!(remote.freshness(), Freshness::Unknown, "an index alone was never tried");
}

#[tokio::test]
async fn a_400_about_something_else_is_not_repeated() {
    let script = Script::start(|asked| {
        (asked.path.starts_with("kv/data/")).then(|| reply(400, r#"{"errors":["no data provided"]}"#))
    })
    .await;
    let remote = script.connect().await;
    let fault = remote.write(&path("a"), &fields("one-value"), Version::NONE).await.expect_err("refused");
    assert_eq!(fault.class, FaultClass::Invalid);
    assert_eq!(script.asked().iter().filter(|asked| asked.path.starts_with("kv/data/")).count(), 1);
}

/// Plays a Transit engine with one derived key, which binds its one ciphertext to its context.
fn as_transit(asked: &Asked, sealed: &Mutex<Value>) -> Option<Reply> {
    let operation = asked.path.strip_prefix("transit/")?.strip_suffix("/root")?;
    let body: Value = serde_json::from_str(&asked.body).expect("JSON");
    let mut sealed = sealed.lock().expect("no test panics here");
    let errors = |text: &str| reply(400, serde_json::json!({"errors": [text]}).to_string());
    Some(match operation {
        _ if body["context"].is_null() => errors("missing 'context' for key derivation"),
        "encrypt" => {
            *sealed = body;
            reply(200, r#"{"data":{"ciphertext":"vault:v1:c2VhbGVk"}}"#)
        }
        "decrypt" if body["context"] == sealed["context"] => {
            reply(200, serde_json::json!({"data": {"plaintext": sealed["plaintext"]}}).to_string())
        }
        _ => errors("cipher: message authentication failed"),
    })
}

#[tokio::test]
async fn the_seal_is_asked_for_again_without_a_header_that_is_refused() {
    let sealed = Mutex::new(Value::Null);
    let script = Script::start(move |asked| {
        as_a_vault_that_refuses(asked)
            .or_else(|| as_transit(asked, &sealed))
            .or_else(|| (asked.path == "auth/approle/login").then(|| as_vault(asked).with("X-Vault-Index", "opaque")))
    })
    .await;
    let auth = TransitAuth::AppRole {
        mount: "approle".to_owned(),
        role_id: script::ROLE_ID.to_owned(),
        secret_id: SecretText::new(script::SECRET_ID.to_owned()),
    };
    let settings = TransitSettings {
        address: script.address.clone(),
        namespace: None,
        ca_pem: None,
        auth,
        mount: "transit".to_owned(),
        key: "root".to_owned(),
    };
    let transit = Transit::new(settings, ConnectorOptions::default());
    let root_key = SecretBytes::new(vec![7; 32]);
    let ciphertext = transit.seal(&root_key, b"context").await.expect("sealed");
    assert_eq!(transit.open(&ciphertext, b"context").await.expect("opened").expose(), root_key.expose());
    let asked = script.asked();
    let refused = asked.iter().filter(|asked| asked.header("x-vault-inconsistent").is_some()).count();
    assert_eq!(refused, 1, "it is tried once, and remembered: {asked:#?}");
    let encrypted = asked.iter().filter(|asked| asked.path == "transit/encrypt/root").count();
    assert_eq!(encrypted, 1, "{asked:#?}");
}

#[tokio::test]
async fn how_fresh_answers_are_is_learned_from_the_node_that_answers() {
    for (text, freshness) in [
        (r#"{"ha_enabled":false,"is_self":false}"#, Freshness::Active),
        (r#"{"ha_enabled":true,"is_self":true}"#, Freshness::Active),
        (r#"{"ha_enabled":true,"is_self":false,"performance_standby":true}"#, Freshness::Unknown),
        // A standby of an unknown product: it answers for the mount itself although it was told not to
        // forward.
        (r#"{"ha_enabled":true,"is_self":false}"#, Freshness::Unknown),
        (r#"<html>"#, Freshness::Unknown),
    ] {
        let remote = Script::start(leader(text)).await.connect().await;
        assert_eq!(remote.freshness(), freshness, "{text}");
        remote.observe().await.expect("observed");
        assert_eq!(remote.freshness(), freshness, "{text}");
    }
}

#[tokio::test]
async fn a_standby_that_refuses_to_answer_by_itself_forwards_everything() {
    let script = Script::start(|asked| {
        if asked.header("x-vault-no-request-forwarding").is_some() {
            return Some(reply(307, "").with("Location", "https://active.example.com:8200/v1/x"));
        }
        leader(r#"{"ha_enabled":true,"is_self":false,"performance_standby":false}"#)(asked)
    })
    .await;
    let remote = script.connect().await;
    assert_eq!(remote.freshness(), Freshness::Forwarded);
    remote.observe().await.expect("observed");
    assert_eq!(remote.freshness(), Freshness::Forwarded);
}

#[tokio::test]
async fn another_node_that_answers_during_a_run_makes_it_unknown() {
    let asked_before = AtomicU32::new(0);
    let script = Script::start(move |asked| {
        let is_self = (asked.path == "sys/leader").then(|| asked_before.fetch_add(1, Relaxed) == 0)?;
        Some(reply(200, format!(r#"{{"ha_enabled":true,"is_self":{is_self}}}"#)))
    })
    .await;
    let remote = script.connect().await;
    assert_eq!(remote.freshness(), Freshness::Active);
    remote.observe().await.expect("observed");
    assert_eq!(remote.freshness(), Freshness::Unknown);
}

#[tokio::test]
async fn a_node_that_names_itself_otherwise_during_a_run_makes_it_unknown() {
    let answered = AtomicU32::new(0);
    let script = Script::start(move |asked| {
        let node = if answered.fetch_add(1, Relaxed) > 6 { "two" } else { "one" };
        Some(as_vault(asked).with("X-Vault-Hostname", node))
    })
    .await;
    let remote = script.connect().await;
    for _ in 0..3 {
        remote.observe().await.expect("observed");
    }
    assert_eq!(remote.freshness(), Freshness::Unknown);
}

#[tokio::test]
async fn the_active_node_of_a_secondary_cluster_may_be_behind() {
    let script = Script::start(|asked| {
        let health = as_vault(asked);
        let body = health
            .body
            .replace(r#""replication_performance_mode":"disabled""#, r#""replication_performance_mode":"secondary""#);
        asked.path.starts_with("sys/health").then_some(Reply { body, ..health })
    })
    .await;
    assert_eq!(script.connect().await.freshness(), Freshness::Unknown);
}
