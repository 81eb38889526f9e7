//! `/runs`: the runs of all connections, the newest first.

use askama::Template;
use axum::{extract::State, response::Response};
use vaultterm_operations::{Part, outline, runs};

use super::connection::{RunRow, row};
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link::Query as Address,
        page::show as shown,
        parts,
        refused::Refused,
        visitor::Visitor,
    },
};

/// A run with the name of its connection.
#[derive(Debug)]
pub(crate) struct Line {
    connection: String,
    run: RunRow,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "sync/runs.html")]
pub(crate) struct RunsPage {
    frame: Frame,
    lines: Vec<Line>,
    next: Option<String>,
}

/// `GET /runs`
pub(crate) async fn list(State(app): State<ServerState>, visitor: Visitor, asked: Pairs) -> Result<Response, Refused> {
    let cursor = Some(asked.text("cursor").to_owned()).filter(|cursor| !cursor.is_empty());
    let found = runs::recent(&app, &visitor.caller, Part { limit: Some(100), cursor }).await?;
    let connections = outline::connections(&app, &visitor.caller).await?;
    let now_us = app.now_us();
    let line = |run: &vaultterm_sync::Run| Line {
        connection: connections
            .iter()
            .find(|known| known.connection.id == run.connection_id)
            .map_or_else(String::new, |found| found.connection.name.clone()),
        run: row(run, now_us),
    };
    Ok(shown(&RunsPage {
        lines: found.items.iter().map(line).collect(),
        next: found.next_cursor.map(|cursor| Address::default().with("cursor", cursor).on("/runs")),
        frame: Frame::around(&app, &visitor, Here::Overview).await?,
    }))
}

#[cfg(test)]
pub(crate) mod samples {
    use vaultterm_sync::RunState;

    use super::*;
    use crate::web::sync::picture;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let run = row(&picture::samples::run(RunState::Partial, 3), 1);
        let page = RunsPage { lines: vec![Line { connection: "<b>".to_owned(), run }], ..RunsPage::default() };
        vec![("runs", page.render().unwrap()), ("no runs", RunsPage::default().render().unwrap())]
    }
}
