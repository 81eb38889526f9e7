//! `/runs/{id}`: a run as it happens, and afterwards the record of it.

use std::{convert::Infallible, time::Duration};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::{
        Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use vaultterm_operations::{
    connections,
    runs::{self, LiveEvent, Told},
};
use vaultterm_sync::{Phase, RunState};

use super::words;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        page::{go_to, show as shown},
        parts::{self, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::Moment,
    },
};

/// How often something is said to a reader while nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Why a path was not done.
#[derive(Debug)]
pub(crate) struct ProblemRow {
    path: String,
    detail: String,
    hint: Option<String>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "sync/run.html")]
pub(crate) struct RunPage {
    frame: Frame,
    id: Uuid,
    connection_id: Uuid,
    connection: String,
    plan_id: Option<Uuid>,
    running: bool,
    /// Whether something was left to do when it ended.
    unfinished: bool,
    state: Option<Word>,
    by: String,
    started: Option<Moment>,
    took: String,
    moved: String,
    requests: u64,
    halts: Vec<(&'static str, String)>,
    problems: Vec<ProblemRow>,
    only: String,
    command: String,
}

/// `GET /runs/{id}`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let run = runs::show(&app, &visitor.caller, id).await?;
    let seen = connections::show(&app, &visitor.caller, run.connection_id.0).await?;
    let frame = Frame::around(&app, &visitor, Here::Runs).await?;
    let problem = |problem: &vaultterm_sync::RunProblem| ProblemRow {
        path: problem.path.clone(),
        detail: problem.detail.clone(),
        hint: problem.hint.as_ref().map(ToString::to_string),
    };
    Ok(shown(&RunPage {
        id,
        connection_id: run.connection_id.0,
        connection: seen.summary.connection.name.clone(),
        plan_id: run.plan_id.map(|id| id.0),
        running: run.state == RunState::Running,
        unfinished: !matches!(run.state, RunState::Running | RunState::Succeeded),
        state: Some(words::run_state(run.state)),
        by: words::started_by(&run),
        started: Some(Moment::seen(run.started.0.div_euclid(1_000), app.now_us())),
        took: super::picture::took(&run),
        moved: words::moved(&run),
        requests: run.requests,
        halts: run.halts.iter().map(|halt| (words::halt(halt.kind), halt.detail.clone())).collect(),
        problems: run.problems.iter().map(problem).collect(),
        only: run.part.only.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        command: format!("vaultterm sync show {id}"),
        frame,
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    after: u64,
}

/// `GET /runs/{id}/events`: what the run tells, as a stream of events in the words of the page.
pub(crate) async fn events(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let told = runs::follow(&app, &visitor.caller, id, last.unwrap_or(asked.after)).await?;
    Ok(Sse::new(told.map(|event| Ok(wire(&event)))).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn wire(event: &LiveEvent) -> Event {
    let (name, data) = match &*event.told {
        Told::Progress { done, total, phase } => {
            let phase = phase_words(*phase);
            let words = if *total == 0 { format!("{phase}.") } else { format!("{phase}: {done} of {total}.") };
            ("progress", json!({ "done": done, "total": total, "words": words }))
        }
        Told::Step(step) => ("step", json!({ "path": step.path, "words": step.reason })),
        Told::Problem(problem) => ("problem", json!({ "path": problem.path, "words": problem.detail })),
        Told::Finished(run) => ("finished", json!({ "words": words::run_state(run.state).words })),
        Told::Continued(run) => ("continued", json!({ "page": format!("/runs/{}", run.id) })),
        Told::Closing => return Event::default().event("closing").data("{}"),
    };
    Event::default().id(event.id.to_string()).event(name).data(data.to_string())
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "Logging in",
        Phase::Observe => "Looking at both sides",
        Phase::Plan => "Planning",
        Phase::Apply => "Carrying out",
        Phase::Record => "Recording",
    }
}

/// `POST /runs/{id}/cancel`: asks the run to stop at its next step.
pub(crate) async fn cancel(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    runs::cancel(&app, &visitor.caller, id).await?;
    Ok(go_to(&format!("/runs/{id}")))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let ended = RunPage {
            connection: "<b>".to_owned(),
            plan_id: Some(Uuid::nil()),
            unfinished: true,
            state: Some(words::run_state(RunState::Halted)),
            by: "started by <b>".to_owned(),
            started: Some(Moment::seen(0, 1)),
            moved: "nothing to do".to_owned(),
            halts: vec![("Many deletions at once", "<b>".to_owned())],
            problems: vec![
                ProblemRow { path: "<b>".to_owned(), detail: "<b>".to_owned(), hint: Some("<b>".to_owned()) },
                ProblemRow { path: String::new(), detail: "<b>".to_owned(), hint: None },
            ],
            ..RunPage::default()
        };
        let running = RunPage { running: true, state: Some(words::run_state(RunState::Running)), ..RunPage::default() };
        vec![("run", ended.render().unwrap()), ("run that goes on", running.render().unwrap())]
    }
}
