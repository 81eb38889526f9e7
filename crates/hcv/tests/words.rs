//! The messages of HashiCorp Vault and of gateways, and the faults that they become.

#[allow(dead_code, reason = "shared with the other tests")]
mod script;

use base64::{Engine, prelude::BASE64_STANDARD};
use script::{Asked, ROLE_ID, Reply, SECRET_ID, Script, TOKEN, reply};
use serde_json::Value;
use vaultterm_reconcile::{SecretPath, Version};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{FaultClass, Remote, RemoteFault};

const VALUE: &str = "Tr0ub4dor&3 \"quoted\" ünd more";

fn path(text: &str) -> SecretPath {
    SecretPath::new(text).expect("a good path")
}

fn fields(text: &str) -> SecretFields {
    SecretFields::from_trusted([("value".to_owned(), Value::from(text))].into())
}

fn errors(status: u16, error: &str) -> Reply {
    reply(status, serde_json::json!({ "errors": [error] }).to_string())
}

fn on(prefix: &'static str, answer: Reply) -> impl Fn(&Asked) -> Option<Reply> {
    move |asked| asked.path.starts_with(prefix).then(|| answer.clone())
}

#[tokio::test]
async fn a_limit_of_json_is_about_the_request_and_no_outage() {
    for said in [
        "JSON object exceeds allowed entry count",
        "JSON array exceeds allowed element count",
        "JSON string value exceeds allowed length",
        "JSON input exceeds allowed nesting depth",
        "duplicate key 'a' in object",
        "malformed JSON, unterminated surrogate pair in string",
    ] {
        let script = Script::start(on("kv/", errors(500, said))).await;
        let remote = script.connect().await;
        for fault in [
            remote.write(&path("a"), &fields(VALUE), Version::NONE).await.map(drop).expect_err("refused"),
            remote.delete(&path("a"), Version(1)).await.map(drop).expect_err("refused"),
            remote.read(&path("a"), Version(1)).await.map(drop).expect_err("refused"),
        ] {
            assert_eq!(fault.class, FaultClass::Invalid, "{fault:?}");
            assert!(fault.message.contains(said) && fault.hint.is_some(), "{fault:?}");
        }
    }
    // A message that merely mentions such an error does not prove that it happened before the write.
    let script = Script::start(on("kv/", errors(500, "storage: malformed JSON, read back"))).await;
    let fault = script.connect().await.write(&path("a"), &fields(VALUE), Version::NONE).await.expect_err("refused");
    assert_eq!(fault.class, FaultClass::Unknown);
}

#[tokio::test]
async fn a_login_that_is_denied_may_be_a_role_that_is_locked() {
    let script = Script::start(on("auth/approle/login", errors(403, "permission denied"))).await;
    let fault = script.refusal().await;
    assert_eq!(fault.class, FaultClass::LoginRefused);
    assert!(
        fault.message.contains("locked") && fault.message.contains("no auth method at `auth/approle/`"),
        "{fault:?}"
    );
    let hint = fault.hint.map(|hint| hint.to_string()).unwrap_or_default();
    assert!(hint.contains("sys/locked-users/<accessor of auth/approle>/unlock/<RoleID>"), "{hint}");
}

/// Returns the forms in which a gateway may repeat a text.
fn echoes(secret: &str, body: &str) -> Vec<String> {
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    vec![
        secret.to_owned(),
        body.to_owned(),
        serde_json::to_string(body).expect("a text encodes"),
        percent(secret),
        percent(body),
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD.encode(body),
    ]
}

fn assert_silent(fault: &RemoteFault, secret: &str, echo: &str) {
    let shown = format!("{fault} {fault:?}");
    for text in [secret, echo] {
        assert!(!shown.contains(text), "{text} in {shown}");
    }
}

#[tokio::test]
async fn what_was_sent_never_comes_back_in_a_fault() {
    for status in [400, 403, 404, 412, 429, 500, 503] {
        let body = serde_json::json!({ "role_id": ROLE_ID, "secret_id": SECRET_ID }).to_string();
        for echo in echoes(SECRET_ID, &body) {
            let script = Script::start(on("auth/approle/login", errors(status, &format!("cannot: {echo}")))).await;
            assert_silent(&script.refusal().await, SECRET_ID, &echo);
        }
        let body = format!(r#"{{"options":{{"cas":0}},"data":{{"value":{}}}}}"#, Value::from(VALUE));
        for (secret, echo) in
            echoes(VALUE, &body).into_iter().map(|echo| (VALUE, echo)).chain([(TOKEN, TOKEN.to_owned())])
        {
            let script = Script::start(on("kv/data/", errors(status, &format!("cannot: {echo}")))).await;
            let remote = script.connect().await;
            let fault = remote.write(&path("a"), &fields(VALUE), Version::NONE).await.expect_err("refused");
            assert_silent(&fault, secret, &echo);
        }
    }
}

#[tokio::test]
async fn a_redirect_to_a_host_that_repeats_the_token_names_no_host() {
    let location = format!("https://{}.example.com/", TOKEN.replace('.', "-"));
    let host = TOKEN.replace('.', "-");
    let script = Script::start(move |asked| {
        let value = serde_json::json!({ "value": host }).to_string();
        (asked.path.starts_with("kv/data/") && asked.body.contains(&value))
            .then(|| reply(307, "").with("Location", &location))
    })
    .await;
    let secret = TOKEN.replace('.', "-");
    let fault = script.connect().await.write(&path("a"), &fields(&secret), Version::NONE).await.expect_err("refused");
    assert_eq!(fault.class, FaultClass::Redirected);
    assert_silent(&fault, &secret, &secret);
}

#[tokio::test]
async fn a_role_name_or_an_accessor_that_repeats_a_credential_is_not_kept() {
    let script = Script::start(|asked| {
        let mut said = script::as_vault(asked);
        said.body = said.body.replace(r#""role_name":"r""#, &format!(r#""role_name":"{SECRET_ID}""#));
        said.body = said.body.replace("kv_1", TOKEN);
        Some(said)
    })
    .await;
    let connected = script.try_connect().await.map_err(|fault| format!("{fault:?}")).expect("the connection opens");
    assert!(!format!("{:?}", connected.identity).contains(TOKEN), "{:?}", connected.identity);
    let report = script::connector().test(&script.connection(), &script::secrets()).await;
    assert!(!format!("{report:?}").contains(SECRET_ID), "{report:#?}");
}

#[tokio::test]
async fn a_token_that_cannot_be_revoked_fails_the_test_of_a_connection_and_the_close() {
    let script = Script::start(|asked| match asked.path.as_str() {
        "auth/token/revoke-self" => Some(errors(403, "permission denied")),
        "sys/capabilities-self" => {
            let mut said = script::as_vault(asked);
            let mut body: Value = serde_json::from_str(&said.body).expect("JSON");
            body["data"]["auth/token/revoke-self"] = serde_json::json!(["deny"]);
            said.body = body.to_string();
            Some(said)
        }
        _ => None,
    })
    .await;
    let fault = script.connect().await.close().await.expect_err("the token lives on");
    assert_eq!(fault.class, FaultClass::Denied);
    assert!(fault.message.contains("auth/token/revoke-self"), "{fault:?}");
    let report = script::connector().test(&script.connection(), &script::secrets()).await;
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect();
    assert_eq!(failed, ["update on auth/token/revoke-self", "token"], "{report:#?}");
}

#[tokio::test]
async fn a_token_that_is_bound_to_other_addresses_is_said_to_be() {
    let denied = |asked: &Asked| asked.header("x-vault-token").map(|_| errors(403, "permission denied"));
    let fault = Script::start(denied).await.refusal().await;
    assert_eq!(fault.class, FaultClass::LoginRefused);
    assert!(fault.message.contains("token_bound_cidrs"), "{fault:?}");
}

#[tokio::test]
async fn a_vault_behind_a_path_prefix_is_reached() {
    let script = Script::start(|_| None).await;
    let connection =
        vaultterm_sync::Connection { address: format!("{}/tools/vault", script.address), ..script.connection() };
    let report = script::connector().test(&connection, &script::secrets()).await;
    assert!(report.ok, "{report:#?}");
}
