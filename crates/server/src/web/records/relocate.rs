//! `/records/{id}/move`: to another collection, with who gains, who loses, and what happens in Vault.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::records::{self, Relocation};
use vaultterm_reconcile::Mode;
use vaultterm_store::{ConnectionSummary, Member};

use super::edit::Shelf;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link,
        page::{go_to, show as shown},
        parts,
        refused::Refused,
        visitor::Visitor,
        words::does,
    },
};

/// What a move means, in sentences.
#[derive(Debug, Default)]
pub(crate) struct Meaning {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) gains: Vec<String>,
    pub(crate) loses: Vec<String>,
    pub(crate) changes: Vec<String>,
    pub(crate) in_vault: Vec<String>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "records/move.html")]
pub(crate) struct MovePage {
    frame: Frame,
    id: Uuid,
    path: String,
    revision: u64,
    shelves: Vec<Shelf>,
    /// What the move means, once a collection is chosen.
    meaning: Option<Meaning>,
    to: Option<Uuid>,
    command: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    to: String,
}

/// `GET /records/{id}/move`
pub(crate) async fn form(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let record = records::show(&app, &visitor.caller, id).await?;
    let to = asked.to.parse().ok();
    let meaning = match to {
        Some(to) => Some(meaning(&records::relocation(&app, &visitor.caller, id, to).await?)),
        None => None,
    };
    let frame = Frame::around(&app, &visitor, Here::Records).await?;
    let own = record.collection_id.0;
    let name =
        frame.collections.iter().find(|shelf| shelf.id == own).map_or_else(String::new, |shelf| shelf.name.clone());
    let target = meaning.as_ref().map_or_else(|| "COLLECTION".to_owned(), |meaning| meaning.to.clone());
    let path = record.path.as_str().to_owned();
    Ok(shown(&MovePage {
        id,
        revision: record.revision.0,
        shelves: shelves(&frame, own, to),
        command: format!("vaultterm record move {} --to {}", word(&format!("{name}/{path}")), word(&target)),
        path,
        meaning,
        to,
        frame: frame.in_collection(own),
    }))
}

/// Lists the collections that a record can enter.
pub(crate) fn shelves(frame: &Frame, but: Uuid, chosen: Option<Uuid>) -> Vec<Shelf> {
    let others = frame.collections.iter().filter(|shelf| shelf.id != but);
    let shelf = |shelf: &crate::web::frame::Shelf| Shelf {
        id: shelf.id,
        name: shelf.name.clone(),
        chosen: chosen == Some(shelf.id),
        ..Shelf::default()
    };
    others.map(shelf).collect()
}

/// `POST /records/{id}/move`
pub(crate) async fn relocate(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let read_at = pairs.read_at();
    let to = pairs.text("to").parse().unwrap_or_default();
    let path = pairs.find("path").map(str::trim).filter(|path| !path.is_empty()).map(str::to_owned);
    let moved = records::relocate(&app, &visitor.caller, id, read_at, to, path).await?;
    Ok(go_to(&link::Query::default().with("moved", moved.revision.0).on(&link::record(id))))
}

/// Words what a move means.
pub(crate) fn meaning(found: &Relocation) -> Meaning {
    let who = |member: &Member| format!("{} ({})", member.email, does(member.role));
    let leaves = found.leaves.iter().map(|connection| leaves(connection, found.record.path.as_str()));
    let enters = found.enters.iter().map(|connection| enters(connection, found.record.path.as_str()));
    let mut in_vault: Vec<String> = leaves.chain(enters).collect();
    if in_vault.is_empty() {
        in_vault.push("Nothing happens in Vault: no connection looks after either collection.".to_owned());
    }
    Meaning {
        from: found.from.name.clone(),
        to: found.to.name.clone(),
        gains: found.gains.iter().map(who).collect(),
        loses: found.loses.iter().map(who).collect(),
        changes: found
            .changes
            .iter()
            .map(|change| format!("{}: {} instead of {}", change.email, does(change.after), does(change.before)))
            .collect(),
        in_vault,
    }
}

fn place(found: &ConnectionSummary, path: &str) -> String {
    let parts = [found.connection.mount.as_str(), found.connection.path.as_str(), path];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn leaves(found: &ConnectionSummary, path: &str) -> String {
    let name = &found.connection.name;
    match found.connection.options.mode {
        Mode::Pull => {
            format!("For the connection {name} the record is deleted here. Vault stays as it is: it only pulls.")
        }
        _ => format!(
            "For the connection {name} the record is deleted: its next run decides about {} by its rule for deletions, \
             and its plan says so first.",
            place(found, path)
        ),
    }
}

fn enters(found: &ConnectionSummary, path: &str) -> String {
    let name = &found.connection.name;
    match found.connection.options.mode {
        Mode::Pull => format!("The connection {name} of the other collection only pulls, and writes nothing."),
        _ => format!("The connection {name} writes {} at its next run.", place(found, path)),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn sample() -> Meaning {
        Meaning {
            from: "<b>".to_owned(),
            to: "<b>".to_owned(),
            gains: vec!["<b> (sees it)".to_owned()],
            loses: vec!["<b> (owns the collection)".to_owned()],
            changes: vec!["<b>: sees it instead of owns the collection".to_owned()],
            in_vault: vec!["<b> is written.".to_owned()],
        }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let shelf = Shelf { id: Uuid::nil(), name: "<b>".to_owned(), chosen: true, ..Shelf::default() };
        let choose = MovePage { path: "<b>".to_owned(), shelves: vec![shelf], ..MovePage::default() };
        let decide =
            MovePage { path: "<b>".to_owned(), meaning: Some(sample()), to: Some(Uuid::nil()), ..MovePage::default() };
        vec![("move", choose.render().unwrap()), ("move with its meaning", decide.render().unwrap())]
    }
}
