//! Runs: starting, following, cancelling.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::HaltKind;
use vaultterm_store::{CollectionRole, Scope};
use vaultterm_sync::{PlanId, Problem as RunProblem, Run, RunId, RunRequest, RunState, Trigger};

use super::{
    list::{ListView, PageQuery, listed},
    plans::{CountsView, HaltView, Nothing},
};
use crate::{
    app::App,
    caller::Caller,
    live::{LiveEvent, LiveRun},
    moment,
    problem::{Kind, Problem},
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
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<RunStart>,
) -> Result<(StatusCode, Json<RunView>), Problem> {
    app.need_scope(&caller, Scope::SyncRun).await?;
    let summary = app.connection_for(&caller, id, CollectionRole::Editor).await?;
    if summary.connection.paused {
        let name = &summary.connection.name;
        return Err(Problem::new(Kind::Paused, "no run starts while the connection is paused")
            .hint(format!("resume it: `vaultterm connection resume {name}`")));
    }
    if app.closing.is_cancelled() {
        return Err(Problem::new(Kind::Unavailable, "the server is shutting down"));
    }
    let request = RunRequest {
        run_id: RunId(Uuid::now_v7()),
        plan_id: body.plan_id.map(PlanId),
        acknowledge: halts(&body.acknowledge)?,
        trigger: Trigger::Manual,
        actor: caller.actor(),
    };
    let run = app.start_run(summary.connection.id, request).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::of(&run))))
}

fn halts(names: &[String]) -> Result<BTreeSet<HaltKind>, Problem> {
    let find = |(at, name): (usize, &String)| {
        let mut acceptable = HaltKind::ALL.iter().copied().filter(|kind| kind.can_be_acknowledged());
        let known: Vec<_> = acceptable.clone().map(HaltKind::as_str).collect();
        acceptable.find(|kind| kind.as_str() == name).ok_or_else(|| {
            Problem::field(format!("acknowledge[{at}]"), format!("expected one of {}", known.join(", ")))
        })
    };
    names.iter().enumerate().map(find).collect()
}

/// Lists the runs of a connection, the newest first.
#[utoipa::path(get, path = "/connections/{id}/runs", tag = "sync", params(("id" = Uuid, Path), PageQuery),
    responses((status = 200, body = ListView<RunView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<RunView>>, Problem> {
    app.need_any_scope(&caller, &[Scope::SyncPlan, Scope::SyncRun, Scope::RecordsRead]).await?;
    let summary = app.connection_for(&caller, id, CollectionRole::Viewer).await?;
    Ok(listed(app.store.runs(summary.connection.id, &query.page()?).await?, RunView::of))
}

/// Shows a run.
#[utoipa::path(get, path = "/runs/{id}", tag = "sync", params(("id" = Uuid, Path)),
    responses((status = 200, body = RunView), (status = 404, body = Problem)))]
pub(crate) async fn show(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Json<RunView>, Problem> {
    app.need_any_scope(&caller, &[Scope::SyncPlan, Scope::SyncRun, Scope::RecordsRead]).await?;
    let run = app.run_for(&caller, id, CollectionRole::Viewer).await?;
    Ok(Json(RunView::of(&run)))
}

/// Asks a run to stop. What it did stays, and the next run does the rest.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "sync", request_body = Nothing, params(("id" = Uuid, Path)),
    responses((status = 200, body = RunView), (status = 409, body = Problem)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<RunView>, Problem> {
    app.need_scope(&caller, Scope::SyncRun).await?;
    let run = app.run_for(&caller, id, CollectionRole::Editor).await?;
    if run.state == RunState::Running {
        let Some(live) = app.live.find(run.id) else {
            return Err(Problem::new(Kind::Refused, "the run does not go on in this process")
                .hint("it is closed by itself when its lease expires, within a minute"));
        };
        live.cancel.cancel();
    }
    Ok(Json(RunView::of(&run)))
}

/// Streams what a run tells: `progress`, `step`, `problem`, `finished`. Resumes after
/// `Last-Event-ID`.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "sync",
    params(("id" = Uuid, Path), ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, description = "Server-sent events", content_type = "text/event-stream", body = String)))]
pub(crate) async fn events(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    app.need_any_scope(&caller, &[Scope::SyncPlan, Scope::SyncRun, Scope::RecordsRead]).await?;
    let run = app.run_for(&caller, id, CollectionRole::Viewer).await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let told = match app.live.find(run.id) {
        Some(live) => follow(live, last.unwrap_or(0)).boxed(),
        None => told_before(&run).boxed(),
    };
    // A stream would keep the server from shutting down.
    let told = told.take_until(app.closing.clone().cancelled_owned());
    Ok(Sse::new(told.map(|event| Ok(wire(&event)))).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Events as they come, until the run ended.
fn follow(live: Arc<LiveRun>, after: u64) -> impl Stream<Item = LiveEvent> {
    stream::unfold((live, after), |(live, after)| async move {
        let events = live.after(after).await;
        let last = events.last()?.id;
        Some((stream::iter(events), (live, last)))
    })
    .flatten()
}

/// What is left to tell of a run that this process does not know: how it ended, if it did.
fn told_before(run: &Run) -> impl Stream<Item = LiveEvent> + use<> {
    let ended = run.state != RunState::Running;
    let event = LiveEvent { id: u64::MAX, name: "finished", data: json!(RunView::of(run)).to_string().into() };
    stream::iter(ended.then_some(event))
}

fn wire(event: &LiveEvent) -> Event {
    Event::default().id(event.id.to_string()).event(event.name).data(&*event.data)
}
