//! `/invite` and `/reset`: the pages of links for one person. The secret of a link is the part
//! after `#`. Browsers never send that part, so no server and no log sees it. A script moves the secret into the form,
//! or the person pastes it.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use vaultterm_operations::{Origin, Refusal, RefusalKind, links, sessions};
use vaultterm_store::{LinkPurpose, PersonLink, User};
use zeroize::Zeroizing;

use crate::{
    state::ServerState,
    web::{
        assets, device,
        form::{Pairs, TYPED_APART},
        login::with_session,
        page::{go_to, show, show_as},
        parts,
        refused::{Refused, sentence},
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "people/link.html")]
pub(crate) struct LinkPage {
    is_reset: bool,
    token: String,
    /// For whom, once the link was opened.
    opened: Option<Opened>,
    wrong: Option<String>,
}

/// For whom a link is.
#[derive(Clone, Debug)]
struct Opened {
    email: String,
    name: String,
    made_by: String,
}

/// `GET /invite`
pub(crate) async fn invitation() -> Response {
    show(&LinkPage::default())
}

/// `GET /reset`
pub(crate) async fn reset() -> Response {
    show(&LinkPage { is_reset: true, ..LinkPage::default() })
}

/// `POST /invite/open`: says for whom the link is, and asks for a password.
pub(crate) async fn open(State(app): State<ServerState>, origin: Origin, pairs: Pairs) -> Result<Response, Refused> {
    match links::open(&app, &origin, pairs.text("token")).await {
        Ok(found) => Ok(show(&of(found, pairs.text("token")))),
        Err(refusal) => {
            let (status, wrong) = told(refusal)?;
            let is_reset = pairs.text("purpose") == LinkPurpose::Reset.as_str();
            Ok(show_as(status, &LinkPage { is_reset, wrong: Some(wrong), ..LinkPage::default() }))
        }
    }
}

fn of((link, user): (PersonLink, User), token: &str) -> LinkPage {
    let is_reset = link.purpose == LinkPurpose::Reset;
    let opened = Opened { email: user.email, name: user.name, made_by: link.made_by };
    LinkPage { is_reset, token: token.trim().to_owned(), opened: Some(opened), wrong: None }
}

/// `POST /invite`: uses the link up, and logs the person in.
pub(crate) async fn accept(
    State(app): State<ServerState>,
    origin: Origin,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let (token, name) = (pairs.text("token"), pairs.find("name").filter(|name| !name.trim().is_empty()));
    if !pairs.typed_twice() {
        let opened = links::open(&app, &origin, token).await.ok();
        let page = opened.map_or_else(LinkPage::default, |found| of(found, token));
        let page = LinkPage { wrong: Some(TYPED_APART.to_owned()), ..page };
        return Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let password = Zeroizing::new(pairs.text("password").to_owned());
    match links::accept(&app, &origin, token, name, password).await {
        Ok(user) => {
            let begun = sessions::begin(&app, &origin, &user, &device::of(&headers)).await?;
            let next = if pairs.text("purpose") == LinkPurpose::Reset.as_str() { "/me/factors" } else { "/" };
            Ok(with_session(go_to(next), &headers, begun.text.expose()))
        }
        Err(refusal) => {
            let (status, wrong) = told(refusal)?;
            let opened = links::open(&app, &origin, token).await.ok();
            let page = opened.map_or_else(LinkPage::default, |found| of(found, token));
            Ok(show_as(status, &LinkPage { wrong: Some(wrong), ..page }))
        }
    }
}

/// Words what is wrong with the link or with what was typed.
fn told(refusal: Refusal) -> Result<(StatusCode, String), Refused> {
    let status = match refusal.kind {
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::Refused => StatusCode::CONFLICT,
        _ => return Err(Refused(refusal)),
    };
    let wrong = match refusal.fields.first() {
        Some(field) => sentence(&field.message),
        None => format!("{} Ask the person who sent it for a new one.", sentence(&refusal.detail)),
    };
    Ok((status, wrong))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let opened = Some(Opened { email: "<b>".to_owned(), name: "\"Ann\"".to_owned(), made_by: "<b>".to_owned() });
        let page = LinkPage { opened: opened.clone(), wrong: Some("Too short.".to_owned()), ..LinkPage::default() };
        vec![
            ("link", LinkPage::default().render().unwrap()),
            ("invitation", page.render().unwrap()),
            ("reset", LinkPage { opened, is_reset: true, ..LinkPage::default() }.render().unwrap()),
        ]
    }
}
