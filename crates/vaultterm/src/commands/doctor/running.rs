//! Asks the running server for its state. The server holds the credentials with which it was started or
//! reloaded, and `doctor` itself cannot see those.

use serde_json::Value;
use vaultterm_contract::{CheckState, CheckView, ComponentView, HealthView};

use crate::{app::App, failure::Failure};

/// The parts that are reported here. The anchors are examined separately.
const PARTS: [&str; 3] = ["database", "keys", "scheduler"];

/// Asks the server at the client's address for the state of its parts. Without a login, asks only whether it
/// is ready.
pub(super) async fn ask(app: &App) -> Vec<CheckView> {
    let client = match app.client() {
        Ok(client) => client,
        Err(failure) => return vec![unanswered("the running server", &failure)],
    };
    let asked = format!("the running server at {}", client.address());
    match client.get::<HealthView>("/health").await {
        Ok(reply) => parts(&asked, reply.data),
        Err(failure) if failure.status == Some(401) => match client.get::<Value>("/readyz").await {
            Ok(_) => {
                let hint =
                    "log in with `vaultterm login`, so that doctor can ask for the state of its parts".to_owned();
                vec![check(true, format!("{asked} is ready"), Some(hint))]
            }
            Err(failure) => vec![unanswered(&asked, &failure)],
        },
        Err(failure) => vec![unanswered(&asked, &failure)],
    }
}

fn parts(asked: &str, health: HealthView) -> Vec<CheckView> {
    let mut checks = vec![check(true, format!("{asked} answers (version {})", health.version), None)];
    for ComponentView { name, ok, detail } in health.components {
        if PARTS.contains(&name.as_str()) {
            let detail = detail.unwrap_or_else(|| if ok { "ok" } else { "not ok" }.to_owned());
            let hint = (!ok).then(|| "see the server's log; a renewed credential is read without a restart".to_owned());
            checks.push(check(ok, format!("{name}: {detail}"), hint));
        }
    }
    checks
}

/// Returns the check for a server that could not be asked. A server that answers with an error has a fault.
/// If none answers at the address, the server may run at another address, or not at all.
fn unanswered(asked: &str, failure: &Failure) -> CheckView {
    let causes = failure.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
    match failure.status {
        Some(_) => check(false, format!("{asked} says: {}{causes}", failure.message), failure.hints.first().cloned()),
        None => {
            let hint = "name its address with --addr or VAULTTERM_ADDR, so that doctor can ask it".to_owned();
            check(true, format!("{asked} was not asked: {}{causes}", failure.message), Some(hint))
        }
    }
}

fn check(ok: bool, detail: String, hint: Option<String>) -> CheckView {
    let state = if ok { CheckState::Ok } else { CheckState::Failed };
    CheckView { name: "running server".to_owned(), ok, state, detail, hint }
}

#[cfg(test)]
mod tests {
    use vaultterm_contract::HealthStatus;

    use super::*;

    #[test]
    fn a_part_that_the_running_server_calls_bad_is_a_fault_and_a_server_that_was_not_reached_is_none() {
        let component =
            |name: &str, ok| ComponentView { name: name.to_owned(), ok, detail: Some("the seal is lost".to_owned()) };
        let components = vec![component("keys", false), component("anchor:file", false), component("database", true)];
        let checks = parts(
            "the running server at x",
            HealthView { status: HealthStatus::Degraded, version: "1".to_owned(), components },
        );
        let told: Vec<_> = checks.iter().map(|check| (check.ok, check.detail.as_str())).collect();
        assert_eq!(
            told,
            [
                (true, "the running server at x answers (version 1)"),
                (false, "keys: the seal is lost"),
                (true, "database: the seal is lost"),
            ]
        );
        let mut failure = Failure::server("the root key is sealed");
        assert!(unanswered("x", &failure).ok);
        failure.status = Some(503);
        let check = unanswered("x", &failure);
        assert!(!check.ok && check.detail.contains("x says: the root key is sealed"), "{check:?}");
    }
}
