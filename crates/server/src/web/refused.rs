//! Refusals as pages: what happened, and what to do, in words.

use askama::Template;
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use vaultterm_operations::{Next, Refusal, RefusalKind};

use super::{assets, page::show_as, parts};
use crate::problem::{Problem, asked};

/// Why a page is not shown. The gate renders it as a page for a browser, and as a problem document for
/// a program.
pub(crate) struct Refused(pub(crate) Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

/// What to do next, worded for pages. It travels with the answer to the gate.
#[derive(Clone)]
pub(crate) struct Advice(pub(crate) String);

/// Marks the answer to a request that waits for a fresh proof of identity. The layer around pages asks for it.
#[derive(Clone, Copy)]
pub(crate) struct NeedsProof;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let advice = self.0.next.as_ref().and_then(advice);
        let needs_proof = self.0.kind == RefusalKind::StepUp;
        let mut response = Problem::from(self.0).into_response();
        if needs_proof {
            response.extensions_mut().insert(NeedsProof);
        }
        if let Some(advice) = advice {
            response.extensions_mut().insert(Advice(advice));
        }
        response
    }
}

/// Words what to do next where a page differs from a command.
pub(crate) fn advice(next: &Next) -> Option<String> {
    let text = match next {
        Next::LogIn => "Log in again.",
        Next::ProveAgain => "Prove that it is you, then do it again.",
        Next::AskOwner(of) => return Some(sentence(&asked("an owner of this installation", of))),
        Next::AskAdmin(of) => return Some(sentence(&asked("an admin of the collection", of))),
        Next::ChooseAnotherName => "Choose another name.",
        Next::ReadAgain => "Open it again, then repeat the change.",
        Next::LookAtConflict => "Look at the conflict again, then decide on what it shows.",
        Next::TryAgain => "Try again in a moment.",
        Next::WaitForRun => "Wait for the run to end, or cancel it.",
        Next::ResumeConnection(_) => "Resume the connection first.",
        Next::AskForSetUpLink => "Ask the person who runs the server for another link.",
        Next::WaitForRotation => "Wait for it to end.",
        Next::InstallLicense => "Ask an owner to install a license.",
        Next::Follow(advice) => return Some(advice.to_string()),
        Next::Text(text) => text,
        _ => return None,
    };
    Some(text.to_owned())
}

/// Returns the sentence for a refusal that the person can mend in the form that was sent.
///
/// # Errors
/// The refusal itself, if another try with the form cannot mend it.
pub(crate) fn mendable(refusal: Refusal) -> Result<String, Refusal> {
    match refusal.kind {
        RefusalKind::Invalid
        | RefusalKind::Exists
        | RefusalKind::Vault(_)
        | RefusalKind::Refused
        | RefusalKind::Changed => {
            let advice = refusal.next.as_ref().and_then(advice);
            Ok(format!("{}. {}", refusal.detail, advice.unwrap_or_default()))
        }
        _ => Err(refusal),
    }
}

/// The page of a refusal.
#[derive(Template)]
#[template(path = "refused.html")]
pub(crate) struct RefusedPage<'a> {
    pub(crate) title: &'a str,
    pub(crate) detail: String,
    pub(crate) advice: Option<String>,
    pub(crate) request_id: &'a str,
}

/// Renders a problem as a page.
pub(crate) fn page(problem: &Problem, advice: Option<Advice>, request_id: &str) -> Response {
    let advice = advice.map(|advice| advice.0).or_else(|| problem.advice().map(str::to_owned));
    let page = RefusedPage { title: problem.title(), detail: sentence(problem.detail()), advice, request_id };
    let mut response = show_as(problem.status(), &page);
    if let Some(seconds) = problem.wait_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Begins with a capital and ends with a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}
