//! Namespaces, which Vault Community does not have. Any name leads to the root namespace, and the requests
//! that create or list namespaces are an Enterprise feature.

use std::io;

use super::message::{Answer, Request};

/// Removes the namespace from a request.
pub(super) fn ignore(request: &mut Request) {
    request.remove_header("x-vault-namespace");
}

/// Returns whether a request is about namespaces.
pub(super) fn concerns(request: &Request) -> bool {
    request.path() == "sys/namespaces" || request.path().starts_with("sys/namespaces/")
}

/// Answers a request about namespaces. A token without the right gets a denial, and every other token the
/// message about Enterprise. The stand-in only sends a list request to OpenBao, because that changes nothing.
pub(super) async fn answer(mut request: Request, upstream: u16) -> io::Result<Answer> {
    "LIST".clone_into(&mut request.method);
    request.body.clear();
    request.set_target("sys/namespaces", &[]);
    let answer = request.forward(upstream).await?;
    Ok(if answer.status == 403 { answer } else { Answer::refusal(404, &["enterprise-only feature"]) })
}
