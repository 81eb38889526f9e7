//! The third step: how VaultTerm logs in. Here the connection is made. A wrapping token is unwrapped at once.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use vaultterm_operations::connections::{self, WantedCredential};
use zeroize::Zeroizing;

use super::{
    draft::Draft,
    steps::{Step, steps},
};
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::{go_to, show as shown, show_as},
        parts,
        refused::{Refused, mendable},
        visitor::Visitor,
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "connect/login.html")]
pub(crate) struct LoginPage {
    frame: Frame,
    steps: Vec<Step>,
    draft: Draft,
    role_id: String,
    wrong: Option<String>,
    back: String,
    command: String,
}

/// `GET /connections/new/login`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, typed: Pairs) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor, Draft::of(&typed), "").await?))
}

async fn page(app: &ServerState, visitor: &Visitor, draft: Draft, role_id: &str) -> Result<LoginPage, Refused> {
    let frame = Frame::around(app, visitor, Here::Overview).await?;
    let collection = frame.collections.iter().find(|shelf| shelf.id == draft.collection_id());
    Ok(LoginPage {
        steps: steps(2),
        role_id: role_id.to_owned(),
        back: draft.on("/connections/new/policy"),
        command: draft.command(collection.map_or("", |shelf| shelf.name.as_str())),
        wrong: None,
        draft,
        frame,
    })
}

/// Reads the credential of a form: exactly one of the two.
pub(super) fn credential(pairs: &Pairs) -> WantedCredential {
    let some = |name: &str| {
        let text = pairs.text(name).trim();
        (!text.is_empty()).then(|| Zeroizing::new(text.to_owned()))
    };
    WantedCredential { secret_id: some("secret_id"), wrapping_token: some("wrapping_token") }
}

/// `POST /connections/new/login`: makes the connection, and goes on to its rights.
pub(crate) async fn create(
    State(app): State<ServerState>,
    visitor: Visitor,
    typed: Pairs,
) -> Result<Response, Refused> {
    let draft = Draft::of(&typed);
    let role_id = typed.text("role_id").trim();
    let (wanted, credential) = (draft.wanted(role_id), credential(&typed));
    match connections::create(&app, &visitor.caller, draft.collection_id(), wanted, &credential).await {
        Ok(made) => Ok(go_to(&format!("/connections/{}/rights", made.summary.connection.id.0))),
        Err(refusal) => {
            let wrong = mendable(refusal)?;
            let page = LoginPage { wrong: Some(wrong), ..page(&app, &visitor, draft, role_id).await? };
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let evil = "<b>".to_owned();
        let draft = Draft { name: evil.clone(), ..Draft::default() };
        let page = LoginPage {
            steps: steps(2),
            draft,
            role_id: evil.clone(),
            wrong: Some(evil.clone()),
            back: "/connections/new".to_owned(),
            command: evil,
            ..LoginPage::default()
        };
        vec![("login of a connection", page.render().unwrap())]
    }

    #[test]
    fn a_credential_is_one_of_two_and_an_empty_field_is_none() {
        let typed = credential(&Pairs::of(&[("secret_id", ""), ("wrapping_token", " t ")]));
        assert!(typed.secret_id.is_none());
        assert_eq!(typed.wrapping_token.as_deref().map(String::as_str), Some("t"));
    }
}
