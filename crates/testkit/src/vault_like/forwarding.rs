//! Headers about the node that answers and the freshness of its answer. Vault refuses those that ask for the
//! active node unless its operator allowed them, ignores the others, and sends no index.

use super::message::{Answer, Request};

/// The paths that every node answers by itself, whatever the headers say.
const ALWAYS: [&str; 6] = ["sys/health", "sys/init", "sys/leader", "sys/seal", "sys/seal-status", "sys/unseal"];

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

/// Removes the headers about the freshness of the answer from a request.
pub(super) fn drop_indexes(request: &mut Request) {
    for header in ["x-vault-index", "x-vault-inconsistent", "x-vault-forward"] {
        request.remove_header(header);
    }
}

/// Removes the index from an answer.
pub(super) fn withhold_index(answer: &mut Answer) {
    answer.remove_header("x-vault-index");
}

/// Returns the redirect to the active node, for a request that tells a standby not to forward it.
pub(super) fn redirect(request: &Request, active: &str) -> Option<Answer> {
    let told = request.header("x-vault-no-request-forwarding").is_some_and(|value| !value.is_empty());
    (told && !ALWAYS.contains(&request.path())).then(|| Answer::redirect(&format!("{active}{}", request.target)))
}
