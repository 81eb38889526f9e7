//! Starting runs: the one way, for people and for the schedule.

use std::{collections::BTreeSet, sync::Arc};

use tracing::Instrument as _;
use uuid::Uuid;
use vaultterm_reconcile::HaltKind;
use vaultterm_store::{CollectionRole, Scope};
use vaultterm_sync::{Clock as _, ConnectionId, EngineError, PlanId, Run, RunId, RunRequest, RunState, Trigger};

use super::kept;
use crate::{
    access,
    caller::Caller,
    clock::SystemClock,
    fresh::{Act, fresh},
    paths,
    refusal::Refusal,
    services::Services,
    traced::{self, Beginning, Traced},
};

/// The largest number of paths that a run may name. A run that names more costs Vault about as much as one of the whole
/// connection.
const NAMED_MAX: usize = 1_000;

/// What a caller asks of a run.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// A stored plan to apply exactly as shown; the run makes a new one without.
    pub plan_id: Option<Uuid>,
    /// The only paths to look at, without a stored plan.
    pub paths: Vec<String>,
    /// The paths of the plan that a person leaves out.
    pub skip: Vec<String>,
    /// The names of the halts that a person looked into and accepts.
    pub acknowledge: Vec<String>,
}

/// Starts a run, and returns before it ends.
///
/// # Errors
/// [`Refusal`]; `Paused`, `RunInProgress`, `PlanNotApplicable`.
pub async fn start(services: &Services, caller: &Caller, connection: Uuid, asked: Start) -> Result<Run, Refusal> {
    access::scope(services, caller, Scope::SyncRun).await?;
    let id = access::connection(services, caller, connection, CollectionRole::Editor).await?;
    if !asked.acknowledge.is_empty() {
        fresh(services, caller, Act::AcknowledgeHalt).await?;
    }
    let found = services.store.connection_summary(id).await?;
    let connection = found.ok_or_else(|| Refusal::not_found("connection"))?.connection;
    if connection.paused {
        return Err(Refusal::paused(Some(&connection.name)));
    }
    if services.closing.is_cancelled() {
        return Err(Refusal::closing());
    }
    if let Some(plan) = asked.plan_id
        && services.store.stored_plan(PlanId(plan)).await?.is_some_and(|stored| !stored.decisions.is_empty())
    {
        // Applying such a plan decides conflicts.
        access::scope(services, caller, Scope::ConflictsResolve).await?;
    }
    if asked.plan_id.is_none() && !asked.skip.is_empty() {
        return Err(Refusal::field("skip", "needs a plan: only what a plan shows can be left out"));
    }
    if asked.plan_id.is_some() && !asked.paths.is_empty() {
        return Err(Refusal::field("paths", "a stored plan knows its paths: name no others with it"));
    }
    let request = RunRequest {
        run_id: RunId(services.ids.draw(SystemClock.now())),
        plan_id: asked.plan_id.map(PlanId),
        skip: paths::read("skip", &asked.skip)?,
        at: paths::read_some("paths", &asked.paths, NAMED_MAX)?,
        acknowledge: halts(&asked.acknowledge)?,
        follows: None,
        trigger: Trigger::Manual,
        actor: caller.actor(),
    };
    Ok(begin(services, id, request, None).await?)
}

/// Begins a run and leaves it to a task of its own. Returns the run as it was recorded. `answers` is the number of the last
/// hint that a run for some paths answers. A run of the whole connection answers all that wait when it begins.
pub(crate) async fn begin(
    services: &Services,
    id: ConnectionId,
    request: RunRequest,
    answers: Option<u64>,
) -> Result<Run, EngineError> {
    let follows = request.follows;
    let is_whole = request.plan_id.is_none() && request.at.is_empty();
    let answers = if is_whole { newest_hint(services, id).await } else { answers };
    let begun = services.engine.begin(id, request).await?;
    let run = begun.run.clone();
    let beginning = Beginning { run: &run, mode: begun.mode(), follows, node: services.store.node().0 };
    let trace = traced::run(&services.meters.traces, &beginning);
    let feed = services.runs.guarded(run.id, &services.closing);
    let tasks = services.tasks.clone();
    if services.is_shared {
        tasks.spawn(kept::keep(services.clone(), run.id, Arc::clone(&feed.run)));
    }
    let (engine, meters, services) = (services.engine.clone(), services.meters.clone(), services.clone());
    // Every log line of the run carries its id, and that of its trace if there is one.
    let span = tracing::error_span!(parent: None, "run", run_id = %run.id, trace_id = trace.id());
    let work = async move {
        let progress = Traced { progress: &*feed.run, trace: &trace };
        let ended = trace.around(engine.run(begun, &progress, &feed.run.cancel)).await;
        meters.run_ended(&ended);
        traced::run_ended(&trace, &ended);
        if let Some(up_to) = answers {
            take_hints(&services, &ended, up_to).await;
        }
        tracing::info!(
            run = %ended.id,
            connection = %ended.connection_id,
            state = ?ended.state,
            requests = ended.requests,
            "run ended"
        );
    };
    tasks.spawn(work.instrument(span));
    Ok(run)
}

/// Returns the number of the newest hint. Without an answer of the database hints stay, and cost one more look.
async fn newest_hint(services: &Services, id: ConnectionId) -> Option<u64> {
    services.store.newest_hint(id).await.unwrap_or_else(|error| {
        tracing::warn!(%error, connection = %id, "the hints that wait could not be read");
        None
    })
}

/// Takes the hints that a run has answered. Those of a run that failed or halted stay, because nobody has looked there to
/// the end.
async fn take_hints(services: &Services, ended: &Run, up_to: u64) {
    let has_looked = matches!(ended.state, RunState::Succeeded | RunState::Partial) && !ended.was_cut_off();
    if has_looked && let Err(error) = services.store.take_hints(ended.connection_id, up_to, services.now_us()).await {
        tracing::warn!(%error, connection = %ended.connection_id, "hints could not be taken: another run looks again");
    }
}

fn halts(names: &[String]) -> Result<BTreeSet<HaltKind>, Refusal> {
    let find = |(at, name): (usize, &String)| {
        let mut acceptable = HaltKind::ALL.iter().copied().filter(|kind| kind.can_be_acknowledged());
        let known: Vec<_> = acceptable.clone().map(HaltKind::as_str).collect();
        acceptable.find(|kind| kind.as_str() == name).ok_or_else(|| {
            Refusal::field(format!("acknowledge[{at}]"), format!("expected one of {}", known.join(", ")))
        })
    };
    names.iter().enumerate().map(find).collect()
}
