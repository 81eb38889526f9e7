//! Headers about which node answers and how new its answer must be. Vault refuses those that ask
//! for the active node unless its operator allowed them, ignores the others, and hands out no
//! index.

use super::message::{Answer, Request};

/// Paths that are answered whatever the headers say.
const ALWAYS: [&str; 2] = ["sys/health", "sys/seal-status"];

/// Refuses a request that asks for the active node.
pub(super) fn refusal(request: &Request) -> Option<Answer> {
    if ALWAYS.contains(&request.path()) {
        return None;
    }
    let refuse =
        |header: &str| Answer::refusal(400, &[&format!("forwarding via header {header} disabled in configuration")]);
    if request.header("x-vault-forward").is_some_and(|value| !value.is_empty()) {
        return Some(refuse("X-Vault-Forward"));
    }
    let inconsistent = request.header("x-vault-inconsistent")?;
    (inconsistent == "forward-active-node").then(|| refuse("X-Vault-Inconsistent=forward-active-node"))
}

/// Ignores what is sent about how new an answer must be.
pub(super) fn drop_indexes(request: &mut Request) {
    for header in ["x-vault-index", "x-vault-inconsistent", "x-vault-forward"] {
        request.remove_header(header);
    }
}

/// Takes the index out of an answer.
pub(super) fn withhold_index(answer: &mut Answer) {
    answer.remove_header("x-vault-index");
}

/// Redirects a request to the active node that a standby is told not to forward.
pub(super) fn redirect(request: &Request, active: &str) -> Option<Answer> {
    let told = request.header("x-vault-no-request-forwarding").is_some_and(|value| !value.is_empty());
    let local = ALWAYS.contains(&request.path()) || request.path() == "sys/leader";
    (told && !local).then(|| Answer::redirect(&format!("{active}{}", request.target)))
}
