//! Namespaces, which Vault Community has not: any name serves the root namespace, and what makes
//! or lists them is a feature of Enterprise.

use std::io;

use super::message::{Answer, Request};

/// Ignores the namespace that a request names.
pub(super) fn ignore(request: &mut Request) {
    request.remove_header("x-vault-namespace");
}

/// Says whether a request is about namespaces.
pub(super) fn concerns(request: &Request) -> bool {
    request.path() == "sys/namespaces" || request.path().starts_with("sys/namespaces/")
}

/// Answers a request about namespaces: a token that may not ask is told so, every other one that
/// it is a feature of Enterprise. OpenBao is only ever asked for a list, which changes nothing.
pub(super) async fn answer(mut request: Request, upstream: u16) -> io::Result<Answer> {
    "LIST".clone_into(&mut request.method);
    request.body.clear();
    request.set_target("sys/namespaces", &[]);
    let answer = request.forward(upstream).await?;
    Ok(if answer.status == 403 { answer } else { Answer::refusal(404, &["enterprise-only feature"]) })
}
