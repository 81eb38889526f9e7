//! Deletes a connection, after its consequence was shown.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::connections;

use crate::{
    request::Id,
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
#[template(path = "connect/remove.html")]
pub(crate) struct RemovePage {
    frame: Frame,
    id: Uuid,
    name: String,
    scope: String,
    revision: u64,
    open_conflicts: u64,
    wrong: Option<String>,
    command: String,
}

async fn page(app: &ServerState, visitor: &Visitor, id: Uuid) -> Result<RemovePage, Refused> {
    let summary = connections::show(app, &visitor.caller, id).await?.summary;
    Ok(RemovePage {
        frame: Frame::around(app, visitor, Here::Overview).await?,
        id,
        scope: crate::web::sync::words::scope(&summary),
        revision: summary.connection.revision,
        open_conflicts: summary.open_conflicts,
        wrong: None,
        command: format!("vaultterm connection delete {}", word(&summary.connection.name)),
        name: summary.connection.name,
    })
}

/// `GET /connections/{id}/delete`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor, id).await?))
}

/// `POST /connections/{id}/delete`
pub(crate) async fn delete(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    typed: Pairs,
) -> Result<Response, Refused> {
    let read_at = typed.read_at();
    match connections::delete(&app, &visitor.caller, id, read_at).await {
        Ok(()) => Ok(go_to("/")),
        Err(refusal) => {
            let wrong = mendable(refusal)?;
            let page = RemovePage { wrong: Some(wrong), ..page(&app, &visitor, id).await? };
            Ok(show_as(StatusCode::CONFLICT, &page))
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = RemovePage {
            name: "<b>".to_owned(),
            scope: "<b>".to_owned(),
            open_conflicts: 2,
            wrong: Some("<b>".to_owned()),
            command: "<b>".to_owned(),
            ..RemovePage::default()
        };
        vec![("delete a connection", page.render().unwrap())]
    }
}
