//! A run, from its first request to its last record.
//!
//! Start reading at [`carry_out`]. In every case the token is revoked, the run is recorded as finished, and
//! the lease is given back.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
};

use futures_util::future::{Either, join, select};
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{Around, BaseEntry, Halt, HaltKind, LocalSnapshot, Plan, SecretPath, UnixNanos};

use crate::{
    Begun, Clock, Connection, ConnectionSecrets, Connector, Entitlement, Event, Journal, Lease, Phase, Progress,
    Remote, Run, RunProblem, RunState, StoredPlan, Trigger, alike,
    apply::{Apply, Decided, Moved},
    brake::{Brake, Stop, Stopped},
    findings::{record_conflicts, remember, update_run},
    follow_hints::FollowHints,
    lease,
    mark::RunNumber,
    observe::Observation,
    problem::halt,
    record::{Pending, recorder},
    retry::CallError,
    session::{Session, Shell, connect, replaced},
    tally::Tally,
    writers,
};

/// The time between two records of a run's progress, in nanoseconds.
const UPDATED_EVERY_NS: i64 = 1_000_000_000;

/// The result of a run that was not stopped.
enum Ending {
    /// The plan was carried out as far as its paths allowed.
    Applied,
    /// A guard halted the run.
    Halted(Vec<Halt>),
    /// The stored plan does not fit the state that was found.
    PlanNotApplicable(String),
}

/// A run that goes on, with the lease under which it may.
pub(crate) struct Under<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) lease: Lease,
}

/// What a run is about to carry out, and the states for which it was planned.
struct Ready {
    plan: Plan,
    base: BTreeMap<SecretPath, BaseEntry>,
    local: LocalSnapshot,
    /// The paths that were looked at, if nobody looked at the others.
    looked_at: Option<BTreeSet<SecretPath>>,
    number: RunNumber,
    /// The decisions of a stored plan. The states may have changed since such a plan was made.
    stored: Option<Vec<Decided>>,
}

/// The work of a run.
struct Task<'a> {
    entitlement: &'a dyn Entitlement,
    connection: Connection,
    plan: Option<StoredPlan>,
    /// The paths of the stored plan that a person left out.
    skip: BTreeSet<SecretPath>,
    /// The only paths to look at, without a stored plan. Empty for the whole connection.
    at: BTreeSet<SecretPath>,
    acknowledge: BTreeSet<HaltKind>,
}

/// What asks a run to stop.
#[derive(Clone, Copy)]
pub(crate) struct Signals<'a> {
    /// Somebody cancels the run, or the server stops.
    pub(crate) cancel: &'a CancellationToken,
    /// The server stops.
    pub(crate) closing: &'a CancellationToken,
}

/// Carries out a run to its end.
pub(crate) async fn carry_out<J: Journal, C: Connector, K: Clock, P: Progress>(
    shell: Shell<'_, J, C, K>,
    entitlement: &dyn Entitlement,
    begun: Begun,
    progress: &P,
    Signals { cancel, closing }: Signals<'_>,
) -> Run {
    let Shell { journal, clock, .. } = shell;
    let Begun { mut run, held, connection, secrets, plan, skip, at, acknowledge } = begun;
    let task = Task { entitlement, connection, plan, skip, at, acknowledge };
    let lease = held.lease;
    let brake = Brake::under_lease(cancel.clone(), held.until);
    let tally = Tally::new(progress);
    let ending = {
        let mut under = Under { run: &mut run, lease };
        let work = open(shell, &mut under, &task, secrets, &brake, &tally);
        match select(pin!(work), pin!(lease::keep(journal, clock, lease, &brake))).await {
            Either::Left((ending, _)) => ending,
            Either::Right((never, _)) => match never {},
        }
    };
    if brake.is_cancelled() && closing.is_cancelled() {
        tally.problem(RunProblem::server_stops());
    }
    conclude(&mut run, ending, brake, &tally);
    run.finished = Some(clock.now());
    finish(journal, &run, lease).await;
    // The event comes after the record, so that a client that gets it finds the finished run.
    progress.tell(Event::Finished(&run));
    run
}

/// Records the end and gives the lease back. A failure here is repaired later: the next run closes this one,
/// and the lease expires.
pub(crate) async fn finish<J: Journal>(journal: &J, run: &Run, lease: Lease) {
    if let Err(error) = journal.finish_run(run).await {
        tracing::error!(%error, run = %run.id, "the end of a run could not be recorded");
    }
    if let Err(error) = journal.release_lease(lease).await {
        tracing::warn!(%error, run = %run.id, "a lease could not be given back");
    }
}

/// Opens a session, carries out the run in it, and closes it.
async fn open<J: Journal, C: Connector, K: Clock, P: Progress>(
    shell: Shell<'_, J, C, K>,
    under: &mut Under<'_>,
    task: &Task<'_>,
    secrets: ConnectionSecrets,
    brake: &Brake,
    tally: &Tally<'_, P>,
) -> Result<Ending, Stopped> {
    tally.phase(Phase::Connect);
    let seed = under.run.id.0.as_u64_pair().1;
    let connected = connect(shell, brake, &task.connection, secrets, seed).await;
    let connected = match connected {
        Ok(connected) => connected,
        Err(CallError::Fault(fault)) => match halt(&fault) {
            Some(halt) => return Ok(Ending::Halted(vec![halt])),
            None => return Err(stopped(CallError::Fault(fault), brake)),
        },
        Err(error) => return Err(stopped(error, brake)),
    };
    let session = Session::new(shell, brake, &task.connection, &connected, seed).under_lease();
    let ending = plan_and_apply(&session, under, task, connected.secret_id_expires, tally).await;
    if let Err(fault) = connected.remote.close().await {
        // A server that stopped the run is reported once. It would not answer this request any better.
        if !brake.is_pulled() {
            tally.problem(RunProblem::token_left(&fault));
        }
    }
    under.run.requests = connected.remote.requests();
    ending
}

/// Stops the run because of a fault that does not concern a single path.
fn stopped(error: CallError, brake: &Brake) -> Stopped {
    match error {
        CallError::Fault(fault) => brake.pull(Stop::Remote(fault)),
        CallError::Stopped => Stopped,
    }
}

async fn plan_and_apply<J: Journal, R: Remote, K: Clock, P: Progress>(
    session: &Session<'_, J, R, K>,
    under: &Under<'_>,
    task: &Task<'_>,
    secret_id_expires: Option<UnixNanos>,
    tally: &Tally<'_, P>,
) -> Result<Ending, Stopped> {
    tally.phase(Phase::Observe);
    let (plan, mut base, local, looked) = match &task.plan {
        Some(stored) => {
            if let Some(what) = replaced(&stored.identity, session.identity) {
                return Ok(Ending::PlanNotApplicable(what));
            }
            let mut plan = stored.plan.clone();
            session.show_what_was_accepted(&mut plan).await?;
            let base = session.base().await?;
            plan.leave_out(
                &task.skip,
                Around { base: &base, options: &task.connection.options },
                &under.run.actor.name,
            );
            (plan, base, session.local().await?, None)
        }
        None => {
            let hints =
                FollowHints { session, lease: under.lease, run: under.run, entitlement: task.entitlement, tally };
            let planned = session.plan_beside(&task.at, &task.acknowledge, |stage| tally.begins(stage), &hints).await;
            let (mut plan, observation) = planned.map_err(|error| stopped(error, session.brake))?;
            if under.run.trigger == Trigger::Manual {
                plan.say_where_nothing_is(&task.at, &observation.base);
            }
            let Observation { base, local, suspicions, looked_at, .. } = observation;
            (plan, base, local, Some((suspicions, looked_at)))
        }
    };
    tally.phase(Phase::Plan);
    let mut open: Vec<_> = plan.halts.iter().filter(|halt| !task.acknowledge.contains(&halt.kind)).cloned().collect();
    // The license is checked now, whenever the plan was made, and before anything is stored, including what
    // was seen.
    if let Some(unlicensed) = task.entitlement.missing() {
        open.push(unlicensed.halt());
        return Ok(Ending::Halted(open));
    }
    if let Some((suspicions, looked_at)) = &looked {
        let seen = writers::seen(&plan, session.connection.guarded.is_none(), !open.is_empty());
        remember(session, under.lease, suspicions.as_ref(), (looked_at.as_ref(), &seen)).await?;
    }
    if !open.is_empty() {
        return Ok(Ending::Halted(open));
    }
    if !session.brake.is_free() {
        return Err(Stopped);
    }
    let looked_at = looked.and_then(|(_, looked_at)| looked_at);
    // A run at some paths says nothing about the others, so they were not verified.
    if looked_at.is_none() {
        accept(session, under.lease, &plan, secret_id_expires).await?;
    }
    let number = RunNumber::draw(session, under.lease, &plan, looked_at.is_some()).await?;
    if plan.base_set_aside {
        base.clear();
    }
    let stored = task.plan.as_ref().map(|stored| alike::decided(stored, &plan, under.run.id, &under.run.actor));
    let ready = Ready { plan, base, local, looked_at, number, stored };
    apply(session, under, ready, tally).await
}

/// Records the identity of the server, and forgets bases that no longer count.
async fn accept<J: Journal, R: Remote, K: Clock>(
    session: &Session<'_, J, R, K>,
    lease: Lease,
    plan: &Plan,
    secret_id_expires: Option<UnixNanos>,
) -> Result<(), Stopped> {
    let Session { journal, identity, brake, .. } = session;
    if plan.base_set_aside {
        journal.set_base_aside(lease, identity).await.map_err(|error| brake.journal_failed(error))?;
    }
    let recorded = journal.record_identity(lease, identity, secret_id_expires).await;
    recorded.map_err(|error| brake.journal_failed(error))?;
    if session.connection.guarded.is_some() {
        // A run gets here only with an acknowledgement, because a plan under the guard halts. This comes
        // last, so that a run that is killed before it needs an acknowledgement again.
        journal.lift_guard(lease).await.map_err(|error| brake.journal_failed(error))?;
    }
    Ok(())
}

/// Carries out the plan and records its outcomes.
async fn apply<J: Journal, R: Remote, K: Clock, P: Progress>(
    session: &Session<'_, J, R, K>,
    under: &Under<'_>,
    ready: Ready,
    tally: &Tally<'_, P>,
) -> Result<Ending, Stopped> {
    let Ready { plan, base, local, looked_at, number, stored } = ready;
    let (plan, base, local) = (&plan, &base, &local);
    let (verify, decided) = (stored.is_some(), stored.unwrap_or_default());
    tally.planned(plan, |path| session.fault_at(path));
    let (recorder, pending) = recorder();
    let apply = Apply { session, recorder, tally, number, base, local, verify, decided, moved: Moved::default() };
    record_conflicts(&apply, (under.lease, under.run.id), plan, looked_at.as_ref()).await?;
    tally.phase(Phase::Apply);
    let work = async {
        apply.carry_out(&plan.steps).await;
        // This ends the recording after it has caught up.
        drop(apply);
    };
    join(work, record(session, under, pending, tally)).await;
    tally.phase(Phase::Record);
    if session.brake.is_pulled() { Err(Stopped) } else { Ok(Ending::Applied) }
}

/// Records the outcomes of steps, and from time to time the progress of the run.
async fn record<J: Journal, R: Remote, K: Clock, P: Progress>(
    session: &Session<'_, J, R, K>,
    under: &Under<'_>,
    mut pending: Pending,
    tally: &Tally<'_, P>,
) {
    let mut updated = session.clock.now().0;
    while pending.commit_next(session, under.lease, under.run.id).await {
        let now = session.clock.now().0;
        if now - updated >= UPDATED_EVERY_NS {
            updated = now;
            update_run(session, (under.lease, under.run), tally).await;
        }
    }
}

/// Sets the result of the run.
fn conclude<P: Progress>(run: &mut Run, ending: Result<Ending, Stopped>, brake: Brake, tally: &Tally<'_, P>) {
    let cancelled = brake.is_cancelled();
    let applied = matches!(ending, Ok(Ending::Applied)) && tally.all_had_their_turn();
    let stop = brake.into_reason();
    run.state = match ending {
        Ok(Ending::Halted(halts)) => {
            run.halts = halts;
            RunState::Halted
        }
        Ok(Ending::PlanNotApplicable(detail)) => {
            tally.problem(RunProblem::plan_not_applicable(detail));
            RunState::Failed
        }
        Ok(Ending::Applied) | Err(Stopped) => {
            if let Some(stop) = &stop {
                tally.problem(RunProblem::stop(stop));
                if tally.anything_done() { RunState::Partial } else { RunState::Failed }
            } else if cancelled && !applied {
                RunState::Cancelled
            } else if tally.anything_wrong() {
                RunState::Partial
            } else {
                RunState::Succeeded
            }
        }
    };
    tally.write_to(run);
    run.problems.sort_by(|one, other| one.path.cmp(&other.path));
}
