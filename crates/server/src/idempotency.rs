//! `Idempotency-Key`: the same POST sent twice is done once and answered twice alike.
//!
//! An answer is kept, sealed, for 24 hours. A request that failed inside frees its key. Values are
//! not kept: each time one is shown, that is audited, and asked for with the rights of that moment.

use axum::{
    Json,
    body::{Body, Bytes, to_bytes},
    extract::{FromRequestParts, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use vaultterm_operations::Caller;
use vaultterm_store::{IdempotencyKey, SavedAnswer};

use crate::{
    problem::{Problem, ProblemKind},
    request::{UPLOAD_BYTES_MAX, too_large},
    state::ServerState,
};

/// Marks an answer that shows values.
#[derive(Clone, Copy)]
struct ShowsValues;

/// An answer that shows values, as JSON. The server never keeps it, on any route.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        shows_values(Json(self.0).into_response())
    }
}

/// Marks an answer that shows values. The server never keeps it.
pub(crate) fn shows_values(mut response: Response) -> Response {
    response.extensions_mut().insert(ShowsValues);
    response
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is the first one again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_CHARS_MAX: usize = 255;

/// The layer around every route that needs a token.
pub(crate) async fn once(State(app): State<ServerState>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return next.run(request).await;
    }
    match answer_once(&app, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn answer_once(app: &ServerState, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, app).await?;
    let text = parts.headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text.is_empty() || text.len() > KEY_CHARS_MAX {
        let why = format!("Idempotency-Key has 1 to {KEY_CHARS_MAX} visible ASCII characters");
        return Err(Problem::new(ProblemKind::Malformed, why));
    }
    let bytes = to_bytes(body, UPLOAD_BYTES_MAX).await.map_err(|_| too_large())?;
    let key = IdempotencyKey {
        user_id: caller.user.id,
        key: text.to_owned(),
        request: fingerprint(app, &caller, &parts, &bytes),
    };
    if let Some(answer) = app.services.store.claim_idempotency(&key, app.services.now_us()).await? {
        return Ok(replay(answer));
    }
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    keep(app, &key, response).await
}

/// Digests a request: another one under the same key is refused. So is the same one with another
/// token, which may be allowed less than the token that got the first answer.
fn fingerprint(app: &ServerState, caller: &Caller, parts: &Parts, body: &Bytes) -> [u8; 32] {
    let (method, path) = (parts.method.as_str().as_bytes(), parts.uri.path().as_bytes());
    // The id has a fixed length, and no method and no path holds a zero byte: the parts cannot
    // run into one another.
    let bytes = [caller.credential.id.as_bytes(), method, &[0], path, &[0], body].concat();
    app.services.store.keyring().digest_key().digest(&bytes)
}

async fn keep(app: &ServerState, key: &IdempotencyKey, response: Response) -> Result<Response, Problem> {
    // A refusal changed nothing: the corrected request may use the key again. An answer with values is not kept either.
    if !response.status().is_success() || response.extensions().get::<ShowsValues>().is_some() {
        app.services.store.abandon_idempotency(key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(|error| Problem::internal(&error))?;
    let answer = SavedAnswer { status: parts.status.as_u16(), body: bytes.to_vec() };
    app.services.store.complete_idempotency(key, &answer).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn replay(answer: SavedAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
