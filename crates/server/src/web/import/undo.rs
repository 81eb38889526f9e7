//! `/imports/{id}/undo`: takes an import back, after the page said what that means.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_exchange::Duplicates;
use vaultterm_operations::{
    RefusalKind,
    imports::{self, Undone},
};

use super::show::address;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        link::Query as Address,
        page::{go_to, show},
        parts,
        refused::Refused,
        visitor::Visitor,
        words::counted,
    },
};

/// The page that asks.
#[derive(Debug, Default, Template)]
#[template(path = "import/undo.html")]
pub(crate) struct UndoPage {
    frame: Frame,
    id: Uuid,
    title: String,
    consequence: Vec<String>,
    command: String,
}

/// `GET /imports/{id}/undo`. An import that cannot be undone says so on its own page.
pub(crate) async fn form(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let review = imports::review(&app, &visitor.caller, id, Duplicates::Skip).await?;
    if review.import.undo_until_us().is_none_or(|until| until <= app.now_us()) {
        return Ok(go_to(&address(id)));
    }
    let counts = &review.counts;
    let frame = Frame::around(&app, &visitor, Here::Records).await?;
    Ok(show(&UndoPage {
        id,
        title: review.head.file_name.unwrap_or_else(|| "the file".to_owned()),
        consequence: consequence(counts.created, counts.updated),
        command: format!("vaultterm import --undo {id}"),
        frame: frame.in_collection(review.import.collection_id.0),
    }))
}

fn consequence(created: u64, updated: u64) -> Vec<String> {
    let mut sentences = Vec::new();
    if created > 0 {
        let made = counted(created, "record that the import made moves", "records that the import made move");
        sentences
            .push(format!("{made} to the trash. One that somebody changed, moved or trashed since stays as it is."));
    }
    if updated > 0 {
        let changed =
            counted(updated, "record that it changed keeps its values", "records that it changed keep their values");
        sentences.push(format!("{changed}: the revision before is in the history, and can be restored there."));
    }
    if created > 0 {
        let rule = "decides about their secrets in Vault by its rule for deletions; its plan says so first.";
        sentences.push(format!("The next run of each connection {rule}"));
    }
    sentences
}

/// `POST /imports/{id}/undo`
pub(crate) async fn undo(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    match imports::undo(&app, &visitor.caller, id).await {
        Ok(Undone { trashed, kept }) => {
            Ok(go_to(&Address::default().with("trashed", trashed).with("kept", kept).on(&address(id))))
        }
        // It is undone already, or its day is over: its page says which.
        Err(refusal) if refusal.kind == RefusalKind::Refused => Ok(go_to(&address(id))),
        Err(refusal) => Err(Refused(refusal)),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = UndoPage { title: "<b>".to_owned(), consequence: consequence(2, 1), ..UndoPage::default() };
        vec![("undo of an import", page.render().unwrap())]
    }

    #[test]
    fn what_was_changed_is_said_only_where_something_was() {
        assert_eq!(consequence(1, 0).len(), 2);
        let changed = consequence(0, 2);
        assert!(changed[0].starts_with("2 records that it changed keep their values") && changed.len() == 1);
    }
}
