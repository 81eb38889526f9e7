//! The first step: where Vault is, and whether it answers.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use vaultterm_operations::{RefusalKind, connections};
use vaultterm_store::CollectionRole;

use super::{
    draft::Draft,
    steps::{Step, steps},
};
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here, Shelf},
        page::{show as shown, show_as},
        parts::{self, State as Word},
        refused::Refused,
        sync::words::{CheckRow, check},
        visitor::Visitor,
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "connect/place.html")]
pub(crate) struct PlacePage {
    frame: Frame,
    steps: Vec<Step>,
    draft: Draft,
    wrong: Option<String>,
    answered: Option<Word>,
    checks: Vec<CheckRow>,
    next: String,
    command: String,
}

impl PlacePage {
    /// Lists the collections that the visitor may connect.
    fn shelves(&self) -> impl Iterator<Item = &Shelf> {
        self.frame.collections.iter().filter(|shelf| self.frame.roles.on(shelf.id, CollectionRole::Admin))
    }
}

/// `GET /connections/new`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, typed: Pairs) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor, Draft::of(&typed)).await?))
}

async fn page(app: &ServerState, visitor: &Visitor, draft: Draft) -> Result<PlacePage, Refused> {
    let frame = Frame::around(app, visitor, Here::Overview).await?;
    let collection = frame.collections.iter().find(|shelf| shelf.id == draft.collection_id());
    let command = draft.command(collection.map_or("", |shelf| shelf.name.as_str()));
    Ok(PlacePage { steps: steps(0), command, draft, frame, ..PlacePage::default() })
}

/// `POST /connections/new/reach`: asks the server for its health, without a login.
pub(crate) async fn reach(State(app): State<ServerState>, visitor: Visitor, typed: Pairs) -> Result<Response, Refused> {
    let mut draft = Draft::of(&typed);
    let asked = connections::reach(&app, &visitor.caller, draft.collection_id(), draft.wanted("")).await;
    let report = match asked {
        Ok(report) => report,
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            let wrong = Some(refusal.detail);
            let page = PlacePage { wrong, ..page(&app, &visitor, draft).await? };
            return Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    if let Some(server) = &report.server {
        draft.flavor = if server.product == "OpenBao" { "openbao" } else { "vault" }.to_owned();
    }
    let answered = match report.ok {
        true => Word { tone: "good", words: "the server answers" },
        false => Word { tone: "bad", words: "the server cannot be reached so far" },
    };
    Ok(shown(&PlacePage {
        answered: Some(answered),
        checks: report.checks.into_iter().map(check).collect(),
        next: draft.on("/connections/new/policy"),
        ..page(&app, &visitor, draft).await?
    }))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let evil = "<b>".to_owned();
        let draft = Draft { name: evil.clone(), address: evil.clone(), ca: evil.clone(), ..Draft::default() };
        let page = PlacePage {
            steps: steps(0),
            wrong: Some(evil.clone()),
            answered: Some(Word { tone: "good", words: "the server answers" }),
            checks: vec![CheckRow::sample()],
            next: "/connections/new/policy".to_owned(),
            command: draft.command("<b>"),
            draft,
            ..PlacePage::default()
        };
        vec![("where Vault is", page.render().unwrap()), ("new connection", PlacePage::default().render().unwrap())]
    }
}
