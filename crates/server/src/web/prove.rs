//! `/login/prove`: asks people to prove again who they are, before an action that needs it. The server keeps the form
//! of that action, and carries it out after the proof.

use askama::Template;
use axum::{
    Json,
    extract::{Query, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use vaultterm_operations::{
    Origin, factors,
    login::{self, Proof},
};
use zeroize::Zeroizing;

use super::{
    assets,
    login::{repeat, with_session},
    page::{asks_json, go_to, own_address, show, show_as},
    parts,
    refused::Refused,
    second::{drift, told},
    visitor::{self, Visitor},
};
use crate::{problem::Problem, state::ServerState};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "prove.html")]
pub(crate) struct ProvePage {
    email: String,
    next: String,
    kept: Option<Uuid>,
    /// Whether a code is asked for; else the password.
    by_code: bool,
    wrong: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    next: String,
    kept: Option<Uuid>,
}

/// `GET /login/prove`. A script learns whether the proof is fresh, and what would prove it.
pub(crate) async fn form(
    State(app): State<ServerState>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    if asks_json(&headers) {
        let by_code = factors::show(&app, &visitor.caller).await?.asked_for();
        let fresh = login::is_proved(&app, &visitor.caller);
        return Ok(Json(json!({ "fresh": fresh, "by_code": by_code })).into_response());
    }
    let page = ProvePage { next: asked.next, kept: asked.kept, ..ProvePage::default() };
    Ok(show(&of(&app, &visitor, page).await?))
}

async fn of(app: &ServerState, visitor: &Visitor, page: ProvePage) -> Result<ProvePage, Refused> {
    let by_code = factors::show(app, &visitor.caller).await?.asked_for();
    Ok(ProvePage { email: visitor.caller.user.email.clone(), by_code, ..page })
}

#[derive(Deserialize)]
pub(crate) struct Filled {
    #[serde(default)]
    next: String,
    kept: Option<Uuid>,
    password: Option<Zeroizing<String>>,
    code: Option<Zeroizing<String>>,
    #[serde(default)]
    clock: String,
}

/// `POST /login/prove`: the session gets another cookie, and the form that was kept is carried out. A script repeats what it
/// asked for by itself.
pub(crate) async fn submit(
    State(app): State<ServerState>,
    visitor: Visitor,
    origin: Origin,
    headers: HeaderMap,
    pages: axum::Router,
    filled: Filled,
) -> Result<Response, Response> {
    let Filled { next, kept, password, code, clock } = filled;
    if asks_json(&headers) {
        let proved = login::prove_again(&app, &visitor.caller, Proof { password, code }).await;
        let text = proved.map_err(|refusal| Refused(refusal).into_response())?;
        return Ok(with_session(Json(json!({})).into_response(), &headers, text.expose()));
    }
    match login::prove_again(&app, &visitor.caller, Proof { password, code }).await {
        Ok(text) => {
            let done = carried_out(&app, text.expose(), origin, &headers, pages, kept, &next).await;
            Ok(with_session(done.map_err(IntoResponse::into_response)?, &headers, text.expose()))
        }
        Err(refusal) => {
            let told = told(refusal, drift(&clock, app.now_us())).map_err(IntoResponse::into_response)?;
            let page = ProvePage { next, kept, wrong: Some(told.1), ..ProvePage::default() };
            let page = of(&app, &visitor, page).await.map_err(IntoResponse::into_response)?;
            Ok(show_as(told.0.0, &page))
        }
    }
}

async fn carried_out(
    app: &ServerState,
    text: &str,
    origin: Origin,
    headers: &HeaderMap,
    pages: axum::Router,
    kept: Option<Uuid>,
    next: &str,
) -> Result<Response, Problem> {
    if kept.is_none() {
        return Ok(go_to(own_address(next)));
    }
    let proved = visitor::of_text(app, headers, text, origin.clone()).await?;
    let Some(visitor) = proved else { return Ok(go_to("/login")) };
    repeat(app, visitor, origin, headers, pages, kept).await
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let wrong = Some("The code is wrong.".to_owned());
        let page = ProvePage { email: "<b>".to_owned(), by_code: true, wrong, ..ProvePage::default() };
        vec![
            ("prove by code", page.render().unwrap()),
            ("prove by password", ProvePage { kept: Some(Uuid::nil()), ..ProvePage::default() }.render().unwrap()),
        ]
    }
}
