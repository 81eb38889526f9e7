//! Runs: starting, following, cancelling.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_operations::{
    Caller, Services,
    runs::{self, LiveEvent, Start, Told},
};
use vaultterm_sync::{Problem as RunProblem, Run, RunState, Trigger};

use super::{
    list::{ListView, PageQuery, listed},
    plans::{CountsView, HaltView, Nothing, StepView},
};
use crate::{
    moment,
    problem::Problem,
    request::{Body, Id, Parameters},
};

/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One execution.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunView {
    id: Uuid,
    connection_id: Uuid,
    plan_id: Option<Uuid>,
    /// `running`, `succeeded`, `partial`, `halted`, `failed` or `cancelled`.
    state: RunStateView,
    /// `manual`, `interval`, `change` or `resolution`.
    trigger: TriggerView,
    /// Who started it.
    actor: String,
    counts: CountsView,
    halts: Vec<HaltView>,
    problems: Vec<ProblemView>,
    started_at: String,
    finished_at: Option<String>,
    /// HTTP requests made to Vault.
    requests: u64,
}

impl std::fmt::Debug for HaltView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HaltView")
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunStateView {
    Running,
    Succeeded,
    Partial,
    Halted,
    Failed,
    Cancelled,
}

/// What started a run.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TriggerView {
    Manual,
    Interval,
    Change,
    Resolution,
}

/// Why a path (or the whole run, with an empty path) was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemView {
    path: String,
    class: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl ProblemView {
    pub(crate) fn of(problem: &RunProblem) -> Self {
        Self {
            path: problem.path.clone(),
            class: problem.class.0.clone(),
            detail: problem.detail.clone(),
            hint: problem.hint.clone(),
        }
    }
}

impl RunView {
    pub(crate) fn of(run: &Run) -> Self {
        Self {
            id: run.id.0,
            connection_id: run.connection_id.0,
            plan_id: run.plan_id.map(|id| id.0),
            state: match run.state {
                RunState::Running => RunStateView::Running,
                RunState::Succeeded => RunStateView::Succeeded,
                RunState::Partial => RunStateView::Partial,
                RunState::Halted => RunStateView::Halted,
                RunState::Failed => RunStateView::Failed,
                RunState::Cancelled => RunStateView::Cancelled,
            },
            trigger: match run.trigger {
                Trigger::Manual => TriggerView::Manual,
                Trigger::Interval => TriggerView::Interval,
                Trigger::Change => TriggerView::Change,
                Trigger::Resolution => TriggerView::Resolution,
            },
            actor: run.actor.name.clone(),
            counts: CountsView::of(&run.counts),
            halts: run.halts.iter().map(HaltView::of).collect(),
            problems: run.problems.iter().map(ProblemView::of).collect(),
            started_at: moment::of(run.started),
            finished_at: run.finished.map(moment::of),
            requests: run.requests,
        }
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunStart {
    /// A stored plan to apply exactly as shown; a new one is made without.
    plan_id: Option<Uuid>,
    /// Halts that a person looked into and accepts.
    #[serde(default)]
    acknowledge: Vec<String>,
}

/// Starts a run, and answers before it ends.
#[utoipa::path(post, path = "/connections/{id}/runs", tag = "sync", request_body = RunStart,
    params(("id" = Uuid, Path)), responses((status = 202, body = RunView), (status = 409, body = Problem)))]
pub(crate) async fn start(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<RunStart>,
) -> Result<(StatusCode, Json<RunView>), Problem> {
    let RunStart { plan_id, acknowledge } = body;
    let run = runs::start(&services, &caller, id, Start { plan_id, acknowledge }).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::of(&run))))
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
    Ok(listed(runs::list(&services, &caller, id, query.part()).await?, RunView::of))
}

/// Shows a run.
#[utoipa::path(get, path = "/runs/{id}", tag = "sync", params(("id" = Uuid, Path)),
    responses((status = 200, body = RunView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(RunView::of(&runs::show(&services, &caller, id).await?)))
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
    Ok(Json(RunView::of(&runs::cancel(&services, &caller, id).await?)))
}

/// Streams what a run tells: `progress`, `step`, `problem`, `finished`. Resumes after
/// `Last-Event-ID`.
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
            ("progress", json!({ "done": done, "total": total, "phase": phase.as_str() }))
        }
        Told::Step(step) => ("step", json!(StepView::of(step, None))),
        Told::Problem(problem) => ("problem", json!(ProblemView::of(problem))),
        Told::Finished(run) => ("finished", json!(RunView::of(run))),
    };
    Event::default().id(event.id.to_string()).event(name).data(data.to_string())
}
