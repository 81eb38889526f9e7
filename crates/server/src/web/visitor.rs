//! The person who looks at a page, found by the session in the cookie.

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use vaultterm_operations::{Caller, Next as Advice, Origin, Refusal, RefusalKind, drafts, sessions};
use vaultterm_store::Draft;

use super::{
    cookie,
    guard::FETCH_SITE,
    link,
    look::Look,
    multipart, page,
    refused::{NeedsProof, Refused},
};
use crate::{
    problem::Problem,
    request::{BODY_BYTES_MAX, too_large},
    state::ServerState,
};

/// A person with a session that holds.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) caller: Caller,
    pub(crate) visit: sessions::Visit,
    pub(crate) look: Look,
}

impl FromRequestParts<ServerState> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &ServerState) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let origin = Origin::from_request_parts(parts, app).await?;
        let found = find(app, &parts.headers, origin).await?;
        found.ok_or_else(|| ended().into())
    }
}

/// Makes the refusal of a request whose session has ended.
pub(crate) fn ended() -> Refusal {
    Refusal::new(RefusalKind::Unauthenticated, "your session has ended").then(Advice::LogIn)
}

/// Finds the visitor that a request's cookie belongs to.
pub(crate) async fn find(app: &ServerState, headers: &HeaderMap, origin: Origin) -> Result<Option<Visitor>, Refusal> {
    let Some(text) = cookie::read(headers) else { return Ok(None) };
    of_text(app, headers, text, origin).await
}

/// Finds the visitor that the text of a cookie belongs to. `headers` say how they want the pages.
pub(crate) async fn of_text(
    app: &ServerState,
    headers: &HeaderMap,
    text: &str,
    origin: Origin,
) -> Result<Option<Visitor>, Refusal> {
    let visit = sessions::resume(&app.services, text, origin).await?;
    Ok(visit.map(|visit| Visitor { caller: visit.caller.clone(), visit, look: cookie::read_look(headers) }))
}

/// The layer around every page that needs a session. Without a session, the visitor is sent to the login and then back
/// to the page. A form is kept until its person has logged in again. A script gets a status that says so.
pub(crate) async fn required(State(app): State<ServerState>, mut request: Request, next: Next) -> Response {
    let Some(origin) = request.extensions().get::<Origin>().cloned() else {
        return Problem::internal(&std::io::Error::other("a page outside of the gate")).into_response();
    };
    match find(&app, request.headers(), origin).await {
        Err(refusal) => Refused(refusal).into_response(),
        Ok(Some(visitor)) => {
            request.extensions_mut().insert(visitor.clone());
            with_proof(&app, &visitor, request, next).await
        }
        Ok(None) if page::asks_json(request.headers()) => Refused(ended()).into_response(),
        Ok(None) if *request.method() == Method::GET => to_login(&request),
        Ok(None) => keep(&app, request).await,
    }
}

/// Passes a request on. If it needs a fresh proof of identity, keeps the form, asks the person for the proof, and then
/// carries the form out.
async fn with_proof(app: &ServerState, visitor: &Visitor, request: Request, next: Next) -> Response {
    let address = request.uri().path_and_query().map_or("/", |address| address.as_str()).to_owned();
    let (is_script, is_get) = (page::asks_json(request.headers()), *request.method() == Method::GET);
    if is_script || is_get || !is_form(request.headers()) {
        let response = next.run(request).await;
        let asks = !is_script && response.extensions().get::<NeedsProof>().is_some();
        let to_proof = || page::go_to(&link::Query::default().with("next", address).on("/login/prove"));
        return if asks { to_proof() } else { response };
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else { return too_large().into_response() };
    let response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    if response.extensions().get::<NeedsProof>().is_none() {
        return response;
    }
    let user = &visitor.caller.user;
    match drafts::keep(&app.services, user.id, address, body.to_vec()).await {
        Ok(id) => page::go_to(&link::Query::default().with("kept", id).on("/login/prove")),
        Err(refusal) => Refused(refusal).into_response(),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"))
}

fn to_login(request: &Request) -> Response {
    let address = request.uri().path_and_query().map_or("/", |address| address.as_str());
    let from_elsewhere = request.headers().get(FETCH_SITE).is_some_and(|site| site == "cross-site");
    if from_elsewhere && cookie::read(request.headers()).is_none() {
        return page::come_again(page::own_address(address));
    }
    page::go_to(&link::login(page::own_address(address)))
}

/// Keeps a form whose session has ended, for the person whose session it was.
async fn keep(app: &ServerState, request: Request) -> Response {
    let owner = match cookie::read(request.headers()) {
        Some(text) => sessions::owner(&app.services, text).await,
        None => Ok(None),
    };
    let owner = match owner {
        Ok(Some(owner)) => owner,
        Ok(None) => return page::go_to("/login"),
        Err(refusal) => return Refused(refusal).into_response(),
    };
    let (parts, body) = request.into_parts();
    let address = parts.uri.path().to_owned();
    if multipart::is_multipart(&parts.headers) {
        // A file is not kept. The page with the form is opened again after the login.
        multipart::read_away(body).await;
        return page::go_to(&link::login(page::own_address(&address)));
    }
    let is_form = is_form(&parts.headers);
    let Ok(body) = axum::body::to_bytes(body, drafts::BODY_MAX).await else { return page::go_to("/login") };
    if !is_form {
        return page::go_to("/login");
    }
    match drafts::keep(&app.services, owner.id, address, body.to_vec()).await {
        Ok(id) => page::go_to(&link::Query::default().with("kept", id).on("/login/again")),
        Err(refusal) => Refused(refusal).into_response(),
    }
}

/// Makes the request that a kept form was, for the person who saves it after all.
pub(crate) fn repeated(
    draft: Draft,
    visitor: Visitor,
    origin: Origin,
    headers: &HeaderMap,
) -> Result<Request, Problem> {
    let mut request = Request::post(draft.address.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "text/html")
        .body(Body::from(draft.body.expose().to_vec()))
        .map_err(|error| Problem::internal(&error))?;
    for name in [header::HOST, header::ORIGIN, header::COOKIE, FETCH_SITE] {
        if let Some(value) = headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    request.extensions_mut().insert(visitor);
    request.extensions_mut().insert(origin);
    Ok(request)
}
