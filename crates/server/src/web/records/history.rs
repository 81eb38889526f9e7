//! `/records/{id}/history`: every revision on one time line, what people saved on one side and what came from Vault on
//! the other, and what differs between two of them.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::{Part, outline, records};
use vaultterm_reconcile::{FieldChange, Revision};
use vaultterm_store::{CollectionRole, ConnectionSummary, RevisionInfo, RevisionOrigin};

use crate::{
    request::Id,
    state::ServerState,
    view::makers,
    web::{
        assets,
        frame::{Frame, Here},
        link::{self, Query as Address},
        page::show,
        parts,
        refused::Refused,
        visitor::Visitor,
        words::{Moment, field_label},
    },
};

/// A revision on the time line.
#[derive(Debug)]
pub(crate) struct Event {
    revision: u64,
    /// It came from Vault.
    from_vault: bool,
    told: String,
    when: Moment,
    /// What it changed of the revision before.
    compare: Option<String>,
}

/// A field that differs.
#[derive(Debug)]
pub(crate) struct Row {
    label: String,
    word: &'static str,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "records/history.html")]
pub(crate) struct HistoryPage {
    frame: Frame,
    id: Uuid,
    path: String,
    newest: u64,
    events: Vec<Event>,
    next: Option<String>,
    /// The two revisions that are compared.
    compared: Option<Compared>,
    may_restore: bool,
    command: String,
}

/// Two revisions side by side.
#[derive(Debug)]
pub(crate) struct Compared {
    from: u64,
    to: u64,
    rows: Vec<Row>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    from: Option<u64>,
    to: Option<u64>,
    cursor: String,
}

/// `GET /records/{id}/history`
pub(crate) async fn history(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let found = outline::outline(&app, &visitor.caller, id).await?;
    let connections = outline::connections(&app, &visitor.caller).await?;
    let part = Part { limit: None, cursor: Some(asked.cursor).filter(|cursor| !cursor.is_empty()) };
    let listed = records::revisions(&app, &visitor.caller, id, part).await?;
    let compared = match (asked.from, asked.to) {
        (Some(from), Some(to)) => {
            let changes = outline::changes(&app, &visitor.caller, id, Revision(from), Revision(to)).await?;
            let row = |change: FieldChange| Row { label: field_label(&change.name), word: change.change.as_str() };
            Some(Compared { from, to, rows: changes.into_iter().map(row).collect() })
        }
        _ => None,
    };
    let now_us = app.now_us();
    let here = if found.record.deleted_us.is_some() { Here::Trash } else { Here::Records };
    let frame = Frame::around(&app, &visitor, here).await?;
    Ok(show(&HistoryPage {
        id,
        path: found.record.path.as_str().to_owned(),
        newest: found.record.revision.0,
        events: listed.items.iter().map(|info| event(id, info, &connections, now_us)).collect(),
        next: listed
            .next_cursor
            .map(|cursor| Address::default().with("cursor", cursor).on(&format!("{}/history", link::record(id)))),
        compared,
        may_restore: found.role >= CollectionRole::Editor,
        command: format!(
            "vaultterm record history {}",
            word(&format!("{}/{}", found.collection.name, found.record.path))
        ),
        frame: frame.in_collection(found.collection.id.0),
    }))
}

fn event(id: Uuid, info: &RevisionInfo, connections: &[ConnectionSummary], now_us: i64) -> Event {
    let through = info.connection_id.and_then(|id| connections.iter().find(|known| known.connection.id == id));
    let through = through.map_or("a connection", |found| found.connection.name.as_str());
    let told = makers(info).told(through);
    let revision = info.revision.0;
    let compare = (revision > 1).then(|| {
        let page = format!("{}/history", link::record(id));
        Address::default().with("from", revision - 1).with("to", revision).on(&page)
    });
    let from_vault = matches!(info.origin, RevisionOrigin::Remote | RevisionOrigin::Archive);
    Event { revision, from_vault, told, when: Moment::seen(info.created_us, now_us), compare }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let event = |from_vault| Event {
            revision: 2,
            from_vault,
            told: "saved by <b>".to_owned(),
            when: Moment::seen(0, 1),
            compare: Some("/records/x/history?from=1&to=2".to_owned()),
        };
        let rows = vec![Row { label: "<b>".to_owned(), word: "changed" }];
        let page = |compared| HistoryPage {
            path: "<b>".to_owned(),
            newest: 2,
            events: vec![event(true), event(false)],
            compared,
            may_restore: true,
            ..HistoryPage::default()
        };
        vec![
            ("history", page(None).render().unwrap()),
            ("history compared", page(Some(Compared { from: 1, to: 2, rows })).render().unwrap()),
            ("history equal", page(Some(Compared { from: 1, to: 2, rows: Vec::new() })).render().unwrap()),
        ]
    }
}
