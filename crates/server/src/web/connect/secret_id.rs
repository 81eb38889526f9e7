//! Another `SecretID` for a connection.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::connections;

use super::login::credential;
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
        words::Moment,
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "connect/secret_id.html")]
pub(crate) struct SecretIdPage {
    frame: Frame,
    id: Uuid,
    name: String,
    expires: Option<Moment>,
    wrong: Option<String>,
    command: String,
}

async fn page(app: &ServerState, visitor: &Visitor, id: Uuid) -> Result<SecretIdPage, Refused> {
    let summary = connections::show(app, &visitor.caller, id).await?.summary;
    let name = summary.connection.name;
    Ok(SecretIdPage {
        frame: Frame::around(app, visitor, Here::Overview).await?,
        id,
        expires: summary.secret_id_expires_us.map(|us| Moment::seen(us, app.now_us())),
        wrong: None,
        command: format!("vaultterm connection rotate-secret-id {} --wrapping-token-file -", word(&name)),
        name,
    })
}

/// `GET /connections/{id}/secret-id`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor, id).await?))
}

/// `POST /connections/{id}/secret-id`: replaces it, and goes on to the check of the rights.
pub(crate) async fn save(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    typed: Pairs,
) -> Result<Response, Refused> {
    match connections::rotate_secret_id(&app, &visitor.caller, id, &credential(&typed)).await {
        Ok(_) => Ok(go_to(&format!("/connections/{id}/rights"))),
        Err(refusal) => {
            let wrong = mendable(refusal)?;
            let page = SecretIdPage { wrong: Some(wrong), ..page(&app, &visitor, id).await? };
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = SecretIdPage {
            name: "<b>".to_owned(),
            expires: Some(Moment::seen(2, 1)),
            wrong: Some("<b>".to_owned()),
            command: "<b>".to_owned(),
            ..SecretIdPage::default()
        };
        vec![("another SecretID", page.render().unwrap())]
    }
}
