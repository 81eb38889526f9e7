//! `/me`: the account of the person who looks at it.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::Deserialize;
use vaultterm_operations::{Refusal, RefusalKind, factors, my_sessions, people};

use crate::{
    state::ServerState,
    web::{
        assets, cookie,
        form::{Pairs, TYPED_APART},
        frame::{Frame, Here},
        look::Look,
        page::{go_to, show as shown, show_as},
        parts,
        refused::{Refused, sentence},
        visitor::Visitor,
        words::counted,
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "me/account.html")]
pub(crate) struct AccountPage {
    frame: Frame,
    told: &'static str,
    email: String,
    role: &'static str,
    name: String,
    revision: u64,
    factor: String,
    sessions: String,
    wrong: Option<String>,
    command: &'static str,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    saved: Option<String>,
}

/// `GET /me`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let told = if asked.saved.is_some() { "Saved." } else { "" };
    Ok(shown(&AccountPage { told, ..page(&app, &visitor).await? }))
}

async fn page(app: &ServerState, visitor: &Visitor) -> Result<AccountPage, Refused> {
    let found = factors::show(app, &visitor.caller).await?;
    let mine = my_sessions::list(app, &visitor.caller).await?;
    let user = &visitor.caller.user;
    let factor = match found.asked_for() {
        true => format!("one-time codes, with {}", counted(found.codes_left.into(), "recovery code", "recovery codes")),
        false => "none: a login asks for the password only".to_owned(),
    };
    Ok(AccountPage {
        frame: Frame::around(app, visitor, Here::Me).await?,
        email: user.email.clone(),
        role: user.role.as_str(),
        name: user.name.clone(),
        revision: user.revision,
        factor,
        sessions: counted(mine.sessions.len() as u64, "session", "sessions"),
        command: "vaultterm whoami",
        ..AccountPage::default()
    })
}

/// `POST /me`: another name.
pub(crate) async fn save(State(app): State<ServerState>, visitor: Visitor, pairs: Pairs) -> Result<Response, Refused> {
    let change = people::Change { name: Some(pairs.text("name").to_owned()), ..people::Change::default() };
    changed(&app, &visitor, &pairs, change, "/me?saved=1").await
}

/// `POST /me/look`: how the person wants the pages of this browser.
pub(crate) async fn look(_: Visitor, headers: HeaderMap, pairs: Pairs) -> Response {
    let look = Look::chosen(pairs.text("theme"), pairs.text("keys") == "on");
    let mut response = go_to("/me?saved=1");
    if let Some(cookie) = cookie::set_look(&headers, look) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /me/password`: another password. All sessions end, this one included.
pub(crate) async fn password(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    if !pairs.typed_twice() {
        let page = AccountPage { wrong: Some(TYPED_APART.to_owned()), ..page(&app, &visitor).await? };
        return Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let own = |name: &str| Some(zeroize::Zeroizing::new(pairs.text(name).to_owned()));
    let change = people::Change {
        password: own("password"),
        current_password: own("current_password"),
        ..people::Change::default()
    };
    changed(&app, &visitor, &pairs, change, "/login").await
}

async fn changed(
    app: &ServerState,
    visitor: &Visitor,
    pairs: &Pairs,
    change: people::Change,
    next: &str,
) -> Result<Response, Refused> {
    let read_at = pairs.read_at();
    match people::update(app, &visitor.caller, visitor.visit.person(), read_at, change).await {
        Ok(_) => Ok(go_to(next)),
        Err(refusal) => {
            let (status, wrong) = told(refusal)?;
            Ok(show_as(status, &AccountPage { wrong: Some(wrong), ..page(app, visitor).await? }))
        }
    }
}

/// Words what is wrong with the form itself.
fn told(refusal: Refusal) -> Result<(StatusCode, String), Refused> {
    let status = match refusal.kind {
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::Changed => StatusCode::CONFLICT,
        _ => return Err(Refused(refusal)),
    };
    let wrong = match refusal.fields.first() {
        Some(field) => sentence(&field.message),
        None => sentence(&refusal.detail),
    };
    Ok((status, wrong))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = AccountPage {
            name: "<b>".to_owned(),
            wrong: Some("A password has at least 12 characters.".to_owned()),
            ..AccountPage::default()
        };
        vec![("account", page.render().unwrap())]
    }
}
