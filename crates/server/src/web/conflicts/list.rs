//! `/conflicts`: every open conflict of the person's collections.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_operations::{
    Part,
    conflicts::{self, TwoSided},
    outline,
};
use vaultterm_sync::{ConflictStatus, StoredConflict};

use super::by::{By, by_local, by_remote};
use crate::{
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        link::Query as Address,
        page::show,
        parts,
        refused::Refused,
        sync::words::conflict as kind_words,
        visitor::Visitor,
        words::{Moment, counted},
    },
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    connection: String,
    cursor: String,
}

/// A row of the list.
#[derive(Debug)]
pub(crate) struct Row {
    id: Uuid,
    path: String,
    fields: String,
    local: Option<By>,
    remote: Option<By>,
    since: Moment,
}

/// Conflicts of one connection and kind, which one answer may decide.
#[derive(Debug)]
pub(crate) struct Group {
    connection: String,
    kind: &'static str,
    rows: Vec<Row>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "conflicts/list.html")]
pub(crate) struct ListPage {
    frame: Frame,
    title: String,
    groups: Vec<Group>,
    next: Option<String>,
}

/// `GET /conflicts`
pub(crate) async fn list(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let connection = asked.connection.parse().ok();
    let part = Part { limit: None, cursor: Some(asked.cursor).filter(|cursor| !cursor.is_empty()) };
    let open = Some(ConflictStatus::Open.as_str());
    let found = conflicts::list(&app, &visitor.caller, connection, open, part).await?;
    let connections = outline::connections(&app, &visitor.caller).await?;
    let now_us = app.now_us();
    let name = |stored: &StoredConflict| {
        let found = connections.iter().find(|known| known.connection.id == stored.connection_id);
        found.map_or_else(String::new, |found| found.connection.name.clone())
    };
    let row = |found: &TwoSided| {
        let stored = &found.conflict;
        Row {
            id: stored.id.0,
            path: stored.conflict.path.as_str().to_owned(),
            fields: stored.conflict.diverged.join(", "),
            local: found.local.as_ref().map(|writer| by_local(writer, now_us)),
            remote: by_remote(&stored.conflict, now_us),
            since: Moment::seen(stored.first_seen.0.div_euclid(1_000), now_us),
        }
    };
    let mut groups: BTreeMap<(String, &'static str), Vec<Row>> = BTreeMap::new();
    for one in &found.items {
        let stored = &one.conflict;
        groups.entry((name(stored), kind_words(stored.conflict.kind))).or_default().push(row(one));
    }
    let group = |((connection, kind), rows)| Group { connection, kind, rows };
    let frame = Frame::around(&app, &visitor, Here::Conflicts).await?;
    Ok(show(&ListPage {
        title: match frame.open_conflicts {
            0 => "No conflicts".to_owned(),
            count => counted(count, "conflict needs a decision", "conflicts need a decision"),
        },
        next: found.next_cursor.map(|cursor| {
            Address::default().with("connection", &asked.connection).with("cursor", cursor).on("/conflicts")
        }),
        groups: groups.into_iter().map(group).collect(),
        frame,
    }))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row = || Row {
            id: Uuid::nil(),
            path: "apps/<b>".to_owned(),
            fields: "<b>".to_owned(),
            local: Some(By { who: Some("<b>".to_owned()), when: Moment::seen(0, 1) }),
            remote: Some(By { who: None, when: Moment::seen(0, 1) }),
            since: Moment::seen(0, 1),
        };
        let kind = "both sides changed it";
        let group = Group { connection: "<b>".to_owned(), kind, rows: vec![row(), row()] };
        let page = |groups| ListPage { title: "3 conflicts need a decision".to_owned(), groups, ..ListPage::default() };
        vec![("conflicts", page(vec![group]).render().unwrap()), ("no conflicts", page(Vec::new()).render().unwrap())]
    }
}
