//! `/login`, `/login/again`, `/logout`: the session of a browser begins and ends.

use askama::Template;
use axum::{
    Form, Json,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use vaultterm_operations::{
    Origin, Refusal, RefusalKind, drafts,
    login::{self, Shown},
    sessions::{self, Begun, Entered},
};
use zeroize::Zeroizing;

use super::{
    assets, cookie, device, link,
    page::{asks_json, go_to, own_address, show, show_as},
    parts,
    refused::{Refused, sentence},
    visitor::{self, Visitor},
};
use crate::{problem::Problem, state::ServerState};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage {
    /// Where to go afterwards.
    next: String,
    /// The form that is kept meanwhile, and whose.
    kept: Option<Uuid>,
    email: String,
    wrong: Option<String>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    next: String,
}

/// `GET /login`: the form. A script that asks for JSON learns whether the session holds.
pub(crate) async fn form(
    State(app): State<ServerState>,
    origin: Origin,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let known = visitor::find(&app, &headers, origin).await?;
    if asks_json(&headers) {
        return if known.is_some() {
            Ok(StatusCode::NO_CONTENT.into_response())
        } else {
            Err(Refused(visitor::ended()))
        };
    }
    if known.is_some() {
        return Ok(go_to(own_address(&asked.next)));
    }
    Ok(show(&LoginPage { next: asked.next, ..LoginPage::default() }))
}

#[derive(Deserialize)]
pub(crate) struct Filled {
    email: String,
    password: Zeroizing<String>,
    /// Only the login in place sends it together with the password.
    code: Option<Zeroizing<String>>,
    #[serde(default)]
    next: String,
    kept: Option<Uuid>,
}

impl Filled {
    fn shown(self, headers: &HeaderMap) -> Shown {
        let code = self.code.filter(|code| !code.trim().is_empty());
        let remembered = cookie::read_device(headers).map(|text| Zeroizing::new(text.to_owned()));
        Shown { email: self.email, password: self.password, code, remembered }
    }
}

/// `POST /login`: begins a session, or asks for the second factor.
pub(crate) async fn log_in(
    State(app): State<ServerState>,
    origin: Origin,
    headers: HeaderMap,
    Form(filled): Form<Filled>,
) -> Result<Response, Refused> {
    let (email, next, kept) = (filled.email.clone(), filled.next.clone(), filled.kept);
    let shown = filled.shown(&headers);
    match sessions::log_in(&app.services, &origin, shown, &device::of(&headers)).await {
        Ok(Entered::Whole(begun)) => {
            let next = after(&app, &begun, kept, &next).await?;
            Ok(with_session(go_to(&next), &headers, begun.text.expose()))
        }
        Ok(Entered::Half(text)) => {
            let kept = kept.map(|kept| kept.to_string()).unwrap_or_default();
            let page = link::Query::default().with("next", next).with("kept", kept).on("/login/code");
            Ok(with_session(go_to(&page), &headers, text.expose()))
        }
        Err(refusal) => again(LoginPage { next, kept, email, wrong: None }, refusal),
    }
}

/// Says where a login leads: to the form that was kept for this person, or to where they wanted to go.
pub(super) async fn after(app: &ServerState, begun: &Begun, kept: Option<Uuid>, next: &str) -> Result<String, Refused> {
    Ok(match drafts::kept_for(app, kept, begun.session.user_id).await? {
        Some(id) => link::Query::default().with("kept", id).on("/login/kept"),
        None => own_address(next).to_owned(),
    })
}

/// Shows the form again, with what was wrong.
fn again(page: LoginPage, refusal: Refusal) -> Result<Response, Refused> {
    let status = match refusal.kind {
        RefusalKind::LoginRefused => StatusCode::UNAUTHORIZED,
        RefusalKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        _ => return Err(Refused(refusal)),
    };
    let wait = refusal.retry_after_seconds;
    let wrong = match wait {
        Some(seconds) => format!("{} Wait {seconds} s, then try again.", sentence(&refusal.detail)),
        None => sentence(&refusal.detail),
    };
    let mut response = show_as(status, &LoginPage { wrong: Some(wrong), ..page });
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// Gives the browser its session.
pub(crate) fn with_session(mut response: Response, headers: &HeaderMap, text: &str) -> Response {
    if let Some(value) = cookie::set(headers, text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

#[derive(Deserialize)]
pub(crate) struct Kept {
    pub(crate) kept: Option<Uuid>,
}

/// `GET /login/again`: the login after a form that came too late.
pub(crate) async fn form_again(State(app): State<ServerState>, Query(asked): Query<Kept>) -> Result<Response, Refused> {
    let email = match asked.kept {
        Some(id) => drafts::owner(&app, id).await?,
        None => None,
    };
    let Some(email) = email else { return Ok(go_to("/login")) };
    Ok(show(&LoginPage { kept: asked.kept, email, ..LoginPage::default() }))
}

/// `POST /login/again`: the login in place, for scripts. Only the person whose page it is gets in.
pub(crate) async fn log_in_again(
    State(app): State<ServerState>,
    origin: Origin,
    headers: HeaderMap,
    Form(filled): Form<Filled>,
) -> Result<Response, Refused> {
    if !asks_json(&headers) {
        return log_in(State(app), origin, headers, Form(filled)).await;
    }
    let shown = filled.shown(&headers);
    match sessions::log_in(&app.services, &origin, shown, &device::of(&headers)).await? {
        Entered::Whole(begun) => Ok(with_session(Json(json!({})).into_response(), &headers, begun.text.expose())),
        // The dialog shows its field for the code, and sends everything again.
        Entered::Half(_) => Err(Refused(login::code_needed())),
    }
}

/// The page that offers a kept form.
#[derive(Template)]
#[template(path = "kept.html")]
pub(crate) struct KeptPage {
    kept: Uuid,
}

/// `GET /login/kept`: offers the form that was kept.
pub(crate) async fn kept(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Kept>,
) -> Result<Response, Refused> {
    Ok(match drafts::kept_for(&app, asked.kept, visitor.visit.person()).await? {
        Some(kept) => show(&KeptPage { kept }),
        None => go_to("/"),
    })
}

/// `POST /login/kept`: carries out the form that was kept, as if it had come now.
pub(crate) async fn carry_out(
    State(app): State<ServerState>,
    visitor: Visitor,
    origin: Origin,
    headers: HeaderMap,
    pages: axum::Router,
    asked: Kept,
) -> Result<Response, Problem> {
    repeat(&app, visitor, origin, &headers, pages, asked.kept).await
}

/// Carries out the form that was kept for a visitor; leads to the overview when there is none.
pub(super) async fn repeat(
    app: &ServerState,
    visitor: Visitor,
    origin: Origin,
    headers: &HeaderMap,
    pages: axum::Router,
    kept: Option<Uuid>,
) -> Result<Response, Problem> {
    let draft = match kept {
        Some(id) => drafts::take(app, id, visitor.visit.person()).await?,
        None => None,
    };
    let Some(draft) = draft else { return Ok(go_to("/")) };
    let request = visitor::repeated(draft, visitor, origin, headers)?;
    match tower::ServiceExt::oneshot(pages, request).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

/// `POST /logout`: ends the session, and has the browser forget what it holds of us.
pub(crate) async fn log_out(
    State(app): State<ServerState>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    sessions::log_out(&app.services, &visitor.visit).await?;
    let mut response = go_to("/login");
    if let Some(value) = cookie::clear(&headers) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    let forget = HeaderValue::from_static("\"cache\", \"storage\"");
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), forget);
    Ok(response)
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let wrong = Some("The e-mail address or the password is wrong.".to_owned());
        let again = LoginPage { kept: Some(Uuid::nil()), email: "ann@example.com".to_owned(), ..LoginPage::default() };
        vec![
            ("login", LoginPage::default().render().unwrap()),
            ("login refused", LoginPage { wrong, email: "<b>".to_owned(), ..LoginPage::default() }.render().unwrap()),
            ("login again", again.render().unwrap()),
            ("kept", KeptPage { kept: Uuid::nil() }.render().unwrap()),
        ]
    }
}
