//! A server that is too slow. The client waits only until its deadline, and loses nothing that the server
//! gave out.

#[allow(dead_code, reason = "shared with the other tests")]
mod script;

use std::time::{Duration, Instant};

use script::{Asked, Reply, SECRET_ID, Script, as_vault, reply};
use vaultterm_hcv::{ConnectorOptions, VaultConnector};
use vaultterm_sealing::SecretText;
use vaultterm_sync::{ConnectionSecrets, Connector as _, Credential, FaultClass};

/// The delay of an answer for which the client does not wait.
const TOO_SLOW: Duration = Duration::from_secs(25);
/// The delay of an answer that comes after the deadline, and for which the client waits nevertheless.
const LATE: Duration = Duration::from_millis(1_500);

fn connector() -> VaultConnector {
    let options = ConnectorOptions { answer_timeout: Duration::from_secs(1), ..ConnectorOptions::default() };
    VaultConnector::new(options)
}

/// Delays the answers to one path.
fn slow_at(path: &'static str, after: Duration) -> impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static {
    move |asked| {
        asked.path.starts_with(path).then(|| as_wrapping(asked).unwrap_or_else(|| as_vault(asked)).after(after))
    }
}

/// Answers like a server with a wrapping token that contains a `SecretID`.
fn as_wrapping(asked: &Asked) -> Option<Reply> {
    match asked.path.as_str() {
        "sys/wrapping/lookup" => Some(reply(200, r#"{"data":{"creation_path":"auth/approle/role/r/secret-id"}}"#)),
        "sys/wrapping/unwrap" => Some(reply(200, format!(r#"{{"data":{{"secret_id":"{SECRET_ID}"}}}}"#))),
        _ => None,
    }
}

fn wrapped() -> ConnectionSecrets {
    let credential = Credential::WrappingToken(SecretText::new("hvs.wrapping".to_owned()));
    ConnectionSecrets { credential, client_key_pem: None }
}

fn asked_for(script: &Script, path: &str) -> usize {
    script.asked().iter().filter(|asked| asked.path == path).count()
}

/// Tests the connection, asserts that only the time limit made the test fail, and returns the duration.
async fn tested(script: &Script) -> Duration {
    let began = Instant::now();
    let report = connector().test(&script.connection(), &script::secrets()).await;
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.ok).collect();
    assert_eq!(failed.len(), 1, "{report:#?}");
    assert_eq!(failed[0].name, "answers", "{report:#?}");
    assert!(failed[0].detail.contains("longer than 1 seconds in all"), "{failed:?}");
    assert!(!report.ok && failed[0].hint.is_some());
    began.elapsed()
}

#[tokio::test]
async fn a_test_of_a_connection_ends_in_time_and_gives_its_token_back() {
    for path in ["sys/capabilities-self", "sys/internal/ui/mounts/kv", "sys/leader"] {
        let script = Script::start(slow_at(path, TOO_SLOW)).await;
        assert!(tested(&script).await < TOO_SLOW, "{path}");
        assert_eq!(asked_for(&script, "auth/token/revoke-self"), 1, "{path}");
    }
}

#[tokio::test]
async fn a_test_of_a_server_that_does_not_answer_at_all_logs_nobody_in() {
    let script = Script::start(slow_at("sys/health", TOO_SLOW)).await;
    assert!(tested(&script).await < TOO_SLOW);
    assert_eq!(asked_for(&script, "auth/approle/login"), 0);
}

#[tokio::test]
async fn a_login_that_is_under_way_at_the_deadline_is_waited_for_and_its_token_given_back() {
    let script = Script::start(slow_at("auth/approle/login", LATE)).await;
    assert!(tested(&script).await >= LATE);
    assert_eq!(asked_for(&script, "auth/token/revoke-self"), 1);
}

#[tokio::test]
async fn a_wrapping_token_is_not_spent_once_the_deadline_is_over() {
    for path in ["sys/health", "sys/wrapping/lookup"] {
        let script = Script::start(slow_at(path, TOO_SLOW)).await;
        let began = Instant::now();
        let fault = connector().unwrap_secret_id(&script.connection(), &wrapped()).await.expect_err("too slow");
        assert!(began.elapsed() < TOO_SLOW, "{path}");
        assert_eq!(fault.class, FaultClass::Unavailable, "{fault:?}");
        assert!(fault.hint.is_some_and(|hint| hint.to_string().contains("was not used")), "{path}");
        assert_eq!(asked_for(&script, "sys/wrapping/unwrap"), 0, "{path}");
    }
}

#[tokio::test]
async fn an_unwrapping_that_is_under_way_at_the_deadline_gives_its_secret_id() {
    let slow = slow_at("sys/wrapping/unwrap", LATE);
    let script = Script::start(move |asked| slow(asked).or_else(|| as_wrapping(asked))).await;
    let unwrapped = connector().unwrap_secret_id(&script.connection(), &wrapped()).await.expect("unwrapped");
    assert_eq!(unwrapped.expect("a SecretID").expose(), SECRET_ID);
}

#[tokio::test]
async fn a_run_has_no_deadline_of_its_own() {
    let script = Script::start(slow_at("sys/leader", LATE)).await;
    let opened = connector().connect(&script.connection(), &script::secrets()).await;
    opened.map_err(|fault| format!("{fault:?}")).expect("the connection opens");
}
