//! `/records/{id}/trash` and `/records/{id}/restore`: into the trash, with what that means, and out of it.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::{outline, records};
use vaultterm_reconcile::Mode;

use super::standing::place;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link,
        page::{go_to, show},
        parts,
        refused::Refused,
        visitor::Visitor,
    },
};

/// The page that asks.
#[derive(Debug, Default, Template)]
#[template(path = "records/trash.html")]
pub(crate) struct TrashPage {
    frame: Frame,
    id: Uuid,
    path: String,
    revision: u64,
    consequence: Vec<String>,
    command: String,
}

/// `GET /records/{id}/trash`
pub(crate) async fn form(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let found = outline::outline(&app, &visitor.caller, id).await?;
    let path = found.record.path.as_str();
    let mut consequence =
        vec!["The record moves to the trash with all its revisions, and can be restored from there.".to_owned()];
    consequence.extend(found.sides.iter().map(|side| {
        let name = &side.connection.connection.name;
        match side.connection.connection.options.mode {
            Mode::Pull => format!("Vault stays as it is: the connection {name} only pulls."),
            _ => format!(
                "The next run of {name} decides about {} by its rule for deletions; its plan says so first.",
                place(side, path)
            ),
        }
    }));
    let frame = Frame::around(&app, &visitor, Here::Records).await?;
    Ok(show(&TrashPage {
        id,
        path: path.to_owned(),
        revision: found.record.revision.0,
        command: format!("vaultterm record rm {}", word(&format!("{}/{path}", found.collection.name))),
        frame: frame.in_collection(found.collection.id.0),
        consequence,
    }))
}

/// `POST /records/{id}/trash`
pub(crate) async fn trash(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let read_at = pairs.read_at();
    records::trash(&app, &visitor.caller, id, read_at).await?;
    Ok(go_to("/trash"))
}

/// `POST /records/{id}/restore`: an old revision as the newest, or the newest out of the trash.
pub(crate) async fn restore(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let revision = pairs.find("revision").and_then(|text| text.parse().ok());
    let record = records::restore(&app, &visitor.caller, id, revision).await?;
    Ok(go_to(&link::Query::default().with("restored", record.revision.0).on(&link::record(id))))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = TrashPage {
            path: "<b>".to_owned(),
            revision: 3,
            consequence: vec!["<b> is decided about.".to_owned()],
            ..TrashPage::default()
        };
        vec![("to the trash", page.render().unwrap())]
    }
}
