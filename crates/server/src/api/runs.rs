//! Runs: starting, following, cancelling.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use uuid::Uuid;
use vaultterm_contract::{ListView, Nothing, ProblemView, ProgressView, RunEventName, RunStart, RunView};
use vaultterm_operations::{
    Caller, Part, Services,
    runs::{self, LiveEvent, Search, Start, Told},
};

use super::list::{PageQuery, listed};
use crate::{
    problem::Problem,
    request::{Body, Id, Parameters},
    view,
};

/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Starts a run, and answers before it ends.
#[utoipa::path(post, path = "/connections/{id}/runs", tag = "sync", request_body = RunStart,
    params(("id" = Uuid, Path)), responses((status = 202, body = RunView), (status = 409, body = Problem)))]
pub(crate) async fn start(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<RunStart>,
) -> Result<(StatusCode, Json<RunView>), Problem> {
    let RunStart { plan_id, paths, skip, acknowledge } = body;
    let run = runs::start(&services, &caller, id, Start { plan_id, paths, skip, acknowledge }).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::from(&run))))
}

/// Lists the runs of a connection, the newest first.
#[utoipa::path(get, path = "/connections/{id}/runs", tag = "sync", params(("id" = Uuid, Path), PageQuery),
    responses((status = 200, body = ListView<RunView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<RunView>>, Problem> {
    Ok(listed(runs::list(&services, &caller, id, query.part()).await?, view::run))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    connection_id: Option<Uuid>,
    /// `running`, `succeeded`, `partial`, `halted`, `failed` or `cancelled`.
    state: Option<String>,
    /// `manual`, `interval`, `change`, `hint`, `resolution` or `takeover`.
    trigger: Option<String>,
    /// Only runs of this person, and of the person's programs, by id.
    actor_id: Option<Uuid>,
    /// Only runs that began at this moment or later, RFC 3339.
    since: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists the runs of all connections, the newest first.
#[utoipa::path(get, path = "/runs", tag = "sync", params(RunQuery),
    responses((status = 200, body = ListView<RunView>)))]
pub(crate) async fn recent(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<RunQuery>,
) -> Result<Json<ListView<RunView>>, Problem> {
    let RunQuery { connection_id: connection, state, trigger, actor_id: actor, since, limit, cursor } = query;
    let search = Search { connection, state, trigger, actor, since, part: Part { limit, cursor } };
    Ok(listed(runs::recent(&services, &caller, search).await?, view::run))
}

/// Shows a run.
#[utoipa::path(get, path = "/runs/{id}", tag = "sync", params(("id" = Uuid, Path)),
    responses((status = 200, body = RunView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(RunView::from(&runs::show(&services, &caller, id).await?)))
}

/// Asks a run to stop. What it did stays, and the next run does the rest.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "sync", request_body = Nothing, params(("id" = Uuid, Path)),
    responses((status = 200, body = RunView), (status = 409, body = Problem)))]
pub(crate) async fn cancel(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(RunView::from(&runs::cancel(&services, &caller, id).await?)))
}

/// Streams what a run tells: `progress`, `step`, `problem`, `finished`, and `continued` before the events of the run that
/// continues one that was cut off. `closing` says that this server stops. Resumes after `Last-Event-ID`, at any server.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "sync",
    params(("id" = Uuid, Path), ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, description = "Server-sent events", content_type = "text/event-stream", body = String)))]
pub(crate) async fn events(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let told = runs::follow(&services, &caller, id, last.unwrap_or(0)).await?;
    Ok(Sse::new(told.map(|event| Ok(wire(&event)))).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn wire(event: &LiveEvent) -> Event {
    let (name, data) = match &*event.told {
        Told::Progress { done, total, phase } => {
            (RunEventName::Progress, json!(ProgressView { done: *done, total: *total, phase: *phase }))
        }
        Told::Step(step) => (RunEventName::Step, json!(**step)),
        Told::Problem(problem) => (RunEventName::Problem, json!(ProblemView::from(problem))),
        Told::Finished(run) => (RunEventName::Finished, json!(RunView::from(&**run))),
        Told::Continued(run) => (RunEventName::Continued, json!(RunView::from(&**run))),
        Told::Closing => return Event::default().event(RunEventName::Closing.as_str()).data("{}"),
    };
    Event::default().id(event.id.to_string()).event(name.as_str()).data(data.to_string())
}
