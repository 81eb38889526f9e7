//! `/imports/{id}/undo`: takes an import back, after the page said what that means.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_exchange::{Duplicates, Fate};
use vaultterm_operations::{
    RefusalKind,
    imports::{self, Review, Undone},
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
    let frame = Frame::around(&app, &visitor, Here::Records).await?;
    let consequence = consequence(Told::of(&review));
    Ok(show(&UndoPage {
        id,
        title: review.head.file_name.unwrap_or_else(|| "the file".to_owned()),
        consequence,
        command: format!("vaultterm import --undo {id}"),
        frame: frame.in_collection(review.import.collection_id.0),
    }))
}

/// What an import made and changed.
#[derive(Clone, Copy, Default)]
struct Told {
    created: u64,
    /// Records that it put into the trash.
    in_trash: u64,
    updated: u64,
}

impl Told {
    fn of(review: &Review) -> Self {
        let all = review.items.iter().zip(&review.fates);
        let in_trash = all.filter(|(item, fate)| item.is_trashed && matches!(fate, Fate::Create { .. })).count() as u64;
        let counts = &review.counts;
        Self { created: counts.created - in_trash, in_trash, updated: counts.updated }
    }
}

fn consequence(told: Told) -> Vec<String> {
    let Told { created, in_trash, updated } = told;
    let mut sentences = Vec::new();
    if created > 0 {
        let made = counted(created, "record that the import made moves", "records that the import made move");
        sentences
            .push(format!("{made} to the trash. One that somebody changed, moved or trashed since stays as it is."));
    }
    if updated > 0 {
        let changed = counted(
            updated,
            "record that it changed gets its earlier values",
            "records that it changed get their earlier values",
        );
        sentences.push(format!("{changed} as a new revision. One that somebody changed since keeps its values."));
    }
    if in_trash > 0 {
        let there =
            counted(in_trash, "record that it put into the trash stays", "records that it put into the trash stay");
        sentences.push(format!("{there} there."));
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
        Ok(Undone { trashed, restored, kept, in_trash }) => {
            let told = Address::default().with("trashed", trashed).with("restored", restored);
            Ok(go_to(&told.with("kept", kept).with("in_trash", in_trash).on(&address(id))))
        }
        // It is undone already, or its day is over: its page says which.
        Err(refusal) if refusal.kind == RefusalKind::Refused => Ok(go_to(&address(id))),
        Err(refusal) => Err(Refused(refusal)),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    fn told(created: u64, in_trash: u64, updated: u64) -> Told {
        Told { created, in_trash, updated }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = UndoPage { title: "<b>".to_owned(), consequence: consequence(told(2, 1, 1)), ..UndoPage::default() };
        vec![("undo of an import", page.render().unwrap())]
    }

    #[test]
    fn what_was_changed_is_said_only_where_something_was() {
        assert_eq!(consequence(told(1, 0, 0)).len(), 2);
        let changed = consequence(told(0, 0, 2));
        assert!(changed[0].starts_with("2 records that it changed get their earlier values") && changed.len() == 1);
        let trashed = consequence(told(22, 1, 0));
        assert!(trashed[0].starts_with("22 records that the import made move"), "{trashed:?}");
        assert!(trashed[1].starts_with("1 record that it put into the trash stays"), "{trashed:?}");
    }
}
