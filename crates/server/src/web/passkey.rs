//! `/login/passkey`: the login with a passkey. A script asks the browser, because only it can reach an authenticator.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use vaultterm_operations::{
    Origin, Refusal,
    passkeys::{self, Question, Site},
};

use super::{
    device,
    form::Pairs,
    login::{after, with_session},
    refused::Refused,
};
use crate::state::ServerState;

/// Reads where the page was opened. A browser says it with every form; the guard compared it with the host already.
pub(super) fn site(headers: &HeaderMap) -> Result<Site, Refusal> {
    Site::of(headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// Answers a question for the script.
pub(super) fn asked(question: Question) -> Response {
    Json(json!({ "id": question.id, "options": question.options })).into_response()
}

/// `POST /login/passkey/ask`
pub(crate) async fn ask(
    State(app): State<ServerState>,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    Ok(asked(passkeys::ask(&app, &origin, &site(&headers)?).await?))
}

/// `POST /login/passkey`: begins a session, and says where to go.
pub(crate) async fn log_in(
    State(app): State<ServerState>,
    origin: Origin,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let question = pairs.text("question").parse().unwrap_or_default();
    let (site, device) = (site(&headers)?, device::of(&headers));
    let begun = passkeys::log_in(&app, &origin, &site, question, pairs.text("answer"), &device).await?;
    let kept = pairs.text("kept").parse().ok();
    let next = after(&app, &begun, kept, pairs.text("next")).await?;
    Ok(with_session(Json(json!({ "next": next })).into_response(), &headers, begun.text.expose()))
}
