//! `/records/many`: what is done with the ticked records of a list. Nothing is done before its consequence was shown,
//! and then all of it in one transaction, or nothing.

use std::collections::BTreeSet;

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_operations::{
    Refusal,
    records::{self, Many, ReadOne},
};
use vaultterm_store::Record;

use super::{
    draft::tags_of,
    edit::Shelf,
    relocate::{Meaning, meaning, shelves},
    values,
};
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link::Query as Address,
        page::{go_to, show as shown},
        parts,
        refused::Refused,
        visitor::Visitor,
        words::counted,
    },
};

/// What is done with the ticked records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Act {
    #[default]
    Tag,
    Move,
    Trash,
}

impl Act {
    fn of(pairs: &Pairs) -> Self {
        match pairs.text("act") {
            "move" => Self::Move,
            "trash" => Self::Trash,
            _ => Self::Tag,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Move => "move",
            Self::Trash => "trash",
        }
    }
}

/// A ticked record.
#[derive(Debug)]
pub(crate) struct Row {
    /// Id and revision, as the tick says it.
    read: String,
    path: String,
    tags: String,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "records/many.html")]
pub(crate) struct ManyPage {
    frame: Frame,
    act: Act,
    told: String,
    wrong: Option<String>,
    count: String,
    rows: Vec<Row>,
    add: String,
    remove: String,
    shelves: Vec<Shelf>,
    /// What a move means, for each collection that records leave.
    meanings: Vec<Meaning>,
    command: String,
}

/// What the form says.
struct Asked {
    act: Act,
    read: Vec<ReadOne>,
    add: String,
    remove: String,
    to: Option<Uuid>,
}

impl Asked {
    fn of(pairs: &Pairs) -> Self {
        let one = |text: &str| {
            let (id, revision) = text.split_once(':')?;
            Some(ReadOne { id: id.parse().ok()?, revision: revision.parse().ok()? })
        };
        Self {
            act: Act::of(pairs),
            read: pairs.all("record").filter_map(one).collect(),
            add: pairs.text("add").to_owned(),
            remove: pairs.text("remove").to_owned(),
            to: pairs.text("to").parse().ok(),
        }
    }

    fn many(&self) -> Option<Many> {
        match self.act {
            Act::Tag => Some(Many::Tag { add: tags_of(&self.add), remove: tags_of(&self.remove) }),
            Act::Trash => Some(Many::Trash),
            Act::Move => self.to.map(Many::Move),
        }
    }
}

/// `POST /records/many`: shows what would be done with the ticked records, or does it.
pub(crate) async fn submit(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let asked = Asked::of(&pairs);
    if asked.read.is_empty() {
        return Ok(go_to("/records?ticked=none"));
    }
    if pairs.text("act") == "reveal" {
        let ids: Vec<Uuid> = asked.read.iter().map(|one| one.id).collect();
        return values::show(&app, &visitor, &ids).await;
    }
    let many = asked.many().filter(|_| pairs.text("step") == "do");
    let Some(many) = many else { return review(&app, &visitor, &asked, None).await };
    match records::change_many(&app, &visitor.caller, &asked.read, many).await {
        Ok(changed) if asked.act == Act::Trash => {
            Ok(go_to(&Address::default().with("moved", changed.len()).on("/trash")))
        }
        Ok(changed) => Ok(go_to(&Address::default().with("changed", changed.len()).on("/records"))),
        Err(refusal) => review(&app, &visitor, &asked, Some(refusal)).await,
    }
}

async fn review(
    app: &ServerState,
    visitor: &Visitor,
    asked: &Asked,
    refused: Option<Refusal>,
) -> Result<Response, Refused> {
    use vaultterm_operations::RefusalKind::{Changed, Exists, Invalid, Refused as NotNow};
    let wrong = match refused {
        Some(refusal) if !matches!(refusal.kind, Changed | Exists | Invalid | NotNow) => return Err(refusal.into()),
        refused => refused.map(|refusal| crate::web::refused::sentence(&refusal.detail)),
    };
    let ids: Vec<Uuid> = asked.read.iter().map(|one| one.id).collect();
    // Tags that are not typed yet change nothing. Whether the person may change any is asked all the same.
    let many = match asked.many() {
        Some(Many::Tag { add, remove }) if add.is_empty() && remove.is_empty() => {
            Many::Tag { add: vec!["x".to_owned()], remove }
        }
        Some(many) => many,
        None => Many::Trash,
    };
    let found = records::review_many(app, &visitor.caller, &ids, many).await?;
    let frame = Frame::around(app, visitor, Here::Records).await?;
    let mut meanings = Vec::new();
    if let (Act::Move, Some(to)) = (asked.act, asked.to) {
        let mut seen = BTreeSet::new();
        for record in found.iter().filter(|record| seen.insert(record.collection_id.0)) {
            meanings.push(meaning(&records::relocation(app, &visitor.caller, record.id.0, to).await?));
        }
    }
    Ok(shown(&of(asked, &found, meanings, frame, wrong)))
}

fn of(asked: &Asked, found: &[Record], meanings: Vec<Meaning>, frame: Frame, wrong: Option<String>) -> ManyPage {
    let name = |record: &Record| {
        let shelf = frame.collections.iter().find(|shelf| shelf.id == record.collection_id.0);
        shelf.map_or_else(String::new, |shelf| format!("{}/", shelf.name))
    };
    let row = |record: &Record| Row {
        // The revision that the person saw in the list stays: a record that changed since is refused.
        read: asked
            .read
            .iter()
            .find(|one| one.id == record.id.0)
            .map_or_else(String::new, |one| format!("{}:{}", one.id, one.revision)),
        path: format!("{}{}", name(record), record.path),
        tags: record.tags.join(", "),
    };
    let rows: Vec<Row> = found.iter().map(row).collect();
    let own = match found.first() {
        Some(first) if found.iter().all(|record| record.collection_id == first.collection_id) => first.collection_id.0,
        _ => Uuid::nil(),
    };
    let command = match asked.act {
        Act::Tag => "vaultterm record tag RECORD… --add TAG --remove TAG",
        Act::Move => "vaultterm record move RECORD… --to COLLECTION",
        Act::Trash => "vaultterm record rm RECORD…",
    };
    ManyPage {
        act: asked.act,
        told: "Nothing is done yet. All of it happens together, or nothing.".to_owned(),
        wrong,
        count: counted(rows.len() as u64, "record", "records"),
        add: asked.add.clone(),
        remove: asked.remove.clone(),
        shelves: shelves(&frame, own, asked.to),
        meanings,
        command: command.to_owned(),
        rows,
        frame,
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::web::records::relocate;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = |act, meanings| ManyPage {
            act,
            wrong: Some("<b>".to_owned()),
            count: "2 records".to_owned(),
            rows: vec![Row { read: "x:1".to_owned(), path: "<b>".to_owned(), tags: "<b>".to_owned() }],
            add: "<b>".to_owned(),
            shelves: vec![Shelf { id: Uuid::nil(), name: "<b>".to_owned(), chosen: true, ..Shelf::default() }],
            meanings,
            ..ManyPage::default()
        };
        vec![
            ("tag many", page(Act::Tag, Vec::new()).render().unwrap()),
            ("trash many", page(Act::Trash, Vec::new()).render().unwrap()),
            ("move many", page(Act::Move, Vec::new()).render().unwrap()),
            ("move many with its meaning", page(Act::Move, vec![relocate::samples::sample()]).render().unwrap()),
        ]
    }

    #[test]
    fn a_tick_that_is_none_is_left_out() {
        let id = Uuid::nil().to_string();
        let ticks = [("record", format!("{id}:3")), ("record", "x:1".to_owned()), ("record", id.clone())];
        let pairs: Vec<(&str, &str)> = ticks.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let asked = Asked::of(&Pairs::of(&pairs));
        assert_eq!(asked.read, [ReadOne { id: Uuid::nil(), revision: 3 }]);
        assert!(Asked::of(&Pairs::of(&[("act", "move")])).many().is_none(), "no collection is chosen");
    }
}
