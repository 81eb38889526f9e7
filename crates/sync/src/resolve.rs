//! Carries out a person's decision on a conflict at once, with the same code as a run.
//!
//! A decision is valid for the two states on which it is based. Both sides are looked at again first, and if
//! either changed, nothing is written, and the conflict takes over what is there now (`refresh.rs`). The steps
//! after that have guards like those of a run, so that a side that changes at the last moment is not
//! overwritten either. The conflict is closed, and the decision audited, in the same transaction as the first
//! change at its path.
//!
//! Start reading at [`Engine::resolve`].

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use futures_util::future::{Either, join, select};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{
    BaseEntry, Choice, Conflict, Expect, LocalSnapshot, NotResolvable, RecordType, RemoteSight, Resolving, SecretPath,
    Side, Step, resolution,
};

use crate::{
    Clock, ConflictId, ConflictStatus, Connection, ConnectionSecrets, Connector, Decision, Engine, EngineError,
    FieldChoice, Journal, Lease, Remote, Resolution, ResolutionName, Resolved, ResolvedBy, Run, RunId, RunProblem,
    RunRequest, RunState, StoredConflict, StoredPlan, Surroundings, Trigger,
    alike::{Alike, decidable},
    apply::{Apply, Decided, Moved, holds, local_state},
    brake::{Brake, Stopped},
    engine::{Wanted, unplanned},
    in_time::in_time,
    lease::{self, Held},
    mark::RunNumber,
    problem::StepError,
    record::recorder,
    retry::CallError,
    running::{self, Under},
    session::{Session, connect, replaced},
    tally::Tally,
};

/// The time for which a decision waits for the end of a run.
const PATIENCE: Duration = Duration::from_secs(10);
/// The maximum number of names that are tried for the record of `keep_both`.
const COPIES_MAX: u32 = 20;

impl<J: Journal, C: Connector, K: Clock> Engine<J, C, K> {
    /// Carries out a person's decision on a conflict at once. Waits up to 10 seconds for a run that holds the
    /// connection.
    ///
    /// # Errors
    /// [`EngineError::Stale`] if either side changed since the states in `expect`. Nothing was written in that case,
    /// and the stored conflict shows what both sides hold now, or is closed if they agree. [`EngineError::Unlicensed`]. [`EngineError::Remote`] if Vault failed. If the decision was
    /// recorded before that, the hint says so, and the next run completes it.
    pub async fn resolve(
        &self,
        conflict_id: ConflictId,
        resolution: Resolution,
        expect: Option<Expect>,
        by: &ResolvedBy,
    ) -> Result<StoredConflict, EngineError> {
        let conflict = self.open_conflict(conflict_id, expect.as_ref()).await?;
        if let Some(unlicensed) = self.entitlement.missing() {
            return Err(unlicensed.into());
        }
        let run_id = RunId(self.ids.draw(self.clock.now()));
        let id = conflict.connection_id;
        let held = lease::wait_for(&self.journal, &self.clock, id, run_id.0, PATIENCE).await?;
        let held = held.ok_or(EngineError::RunInProgress)?;
        let resolving = Deciding { conflict, resolution, by, run_id };
        match self.resolve_under(held, resolving).await {
            Ok(()) => {}
            Err(error) => return Err(self.with_what_was_recorded(conflict_id, error).await),
        }
        self.journal.conflict(conflict_id).await?.ok_or(EngineError::NotFound("conflict"))
    }

    /// Makes a plan that decides every open conflict of the same connection and kind with the same answer, and
    /// stores it for 15 minutes. A conflict that moved since it was found is left out.
    ///
    /// # Errors
    /// [`EngineError::NotResolvable`] for another answer than `keep_local` or `keep_remote`, and where
    /// [`Self::resolve`] would refuse too.
    pub async fn plan_alike(
        &self,
        model: ConflictId,
        answer: ResolutionName,
        reason: Option<String>,
    ) -> Result<StoredPlan, EngineError> {
        let model = self.open_conflict(model, None).await?;
        let (connection, _) = self.load(model.connection_id).await?;
        decidable(&connection)?;
        let open = self.journal.open_conflicts(connection.id).await?;
        let alike = Alike::new(&model, answer, reason, open)?;
        self.planned(connection.id, Wanted::Alike(alike)).await
    }

    /// Loads a conflict that can be decided on these states.
    async fn open_conflict(&self, id: ConflictId, expect: Option<&Expect>) -> Result<StoredConflict, EngineError> {
        let conflict = self.journal.conflict(id).await?.ok_or(EngineError::NotFound("conflict"))?;
        if conflict.status != ConflictStatus::Open {
            return Err(EngineError::NotResolvable("the conflict is closed already".to_owned()));
        }
        if expect.is_some_and(|expect| *expect != conflict.conflict.expect) {
            return Err(stale("the conflict"));
        }
        Ok(conflict)
    }

    async fn resolve_under(&self, held: Held, mut deciding: Deciding<'_>) -> Result<(), EngineError> {
        let lease = held.lease;
        let prepared = self.prepare(lease, &mut deciding).await;
        let (connection, secrets, mut run) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.give_back(lease).await;
                return Err(error);
            }
        };
        let brake = Brake::under_lease(CancellationToken::new(), held.until);
        let tally = Tally::new(&());
        let ended = {
            let mut under = Under { run: &mut run, lease };
            let work = self.decide(&connection, secrets, &mut under, &deciding, &brake, &tally);
            let work = in_time(&self.clock, &self.bounds, &brake, work);
            match select(pin!(work), pin!(lease::keep(&self.journal, &self.clock, lease, &brake))).await {
                Either::Left((ended, _)) => ended,
                Either::Right((never, _)) => match never {},
            }
        };
        run.state = match &ended {
            Ok(()) if tally.anything_wrong() => RunState::Partial,
            Ok(()) => RunState::Succeeded,
            Err(_) => RunState::Failed,
        };
        let ended = ended.map_err(|undone| undone.tell(&deciding.conflict.conflict.path, brake, &tally));
        tally.write_to(&mut run);
        run.finished = Some(self.clock.now());
        running::finish(&self.journal, &run, lease).await;
        ended
    }

    /// Loads everything again under the lease, and records that a run began.
    async fn prepare(
        &self,
        lease: Lease,
        deciding: &mut Deciding<'_>,
    ) -> Result<(Connection, ConnectionSecrets, Run), EngineError> {
        let expect = deciding.conflict.conflict.expect;
        deciding.conflict = self.open_conflict(deciding.conflict.id, Some(&expect)).await?;
        let (connection, secrets) = self.load(lease.connection_id).await?;
        decidable(&connection)?;
        let request = RunRequest {
            run_id: deciding.run_id,
            plan_id: None,
            skip: BTreeSet::new(),
            at: BTreeSet::new(),
            acknowledge: BTreeSet::new(),
            follows: None,
            trigger: Trigger::Resolution,
            actor: deciding.by.actor.clone(),
        };
        let run = self.new_run(&connection, &request);
        self.journal.begin_run(lease, &run).await?;
        Ok((connection, secrets, run))
    }

    async fn decide(
        &self,
        connection: &Connection,
        secrets: ConnectionSecrets,
        under: &mut Under<'_>,
        deciding: &Deciding<'_>,
        brake: &Brake,
        tally: &Tally<'_, ()>,
    ) -> Result<(), Undone> {
        let seed = under.run.id.0.as_u64_pair().1;
        let connected = connect(self.shell(), brake, connection, secrets, seed).await?;
        let session = Session::new(self.shell(), brake, connection, &connected, seed);
        let ended = match deciding.carry_out(&session, under.lease, tally).await {
            Err(undone) if undone.is_stale() => Err(deciding.with_what_is_there(&session, under.lease, undone).await),
            ended => ended,
        };
        if let Err(fault) = connected.remote.close().await {
            tally.problem(RunProblem::token_left(&fault));
        }
        under.run.requests = connected.remote.requests();
        ended
    }

    /// Adds to a fault of Vault that the decision was recorded, if it was.
    async fn with_what_was_recorded(&self, id: ConflictId, error: EngineError) -> EngineError {
        let EngineError::Remote(mut fault) = error else { return error };
        if let Ok(Some(row)) = self.journal.conflict(id).await
            && row.status == ConflictStatus::Resolved
        {
            fault.hint = Some("the decision is recorded; the next run completes it".into());
        }
        EngineError::Remote(fault)
    }
}

/// A decision that is being carried out.
struct Deciding<'a> {
    conflict: StoredConflict,
    resolution: Resolution,
    by: &'a ResolvedBy,
    run_id: RunId,
}

/// Why a decision was not carried out.
enum Undone {
    Refused(EngineError),
    Call(CallError),
    Step(StepError),
}

impl From<CallError> for Undone {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<StepError> for Undone {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

impl From<EngineError> for Undone {
    fn from(error: EngineError) -> Self {
        Self::Refused(error)
    }
}

impl Undone {
    /// Returns whether a side had moved.
    const fn is_stale(&self) -> bool {
        matches!(self, Self::Refused(EngineError::Stale(_)) | Self::Step(StepError::Stale(_)))
    }

    /// Adds the reason to the run, and returns it as an error.
    fn tell(self, path: &SecretPath, brake: Brake, tally: &Tally<'_, ()>) -> EngineError {
        let problem = match &self {
            Self::Refused(error) => Some(RunProblem::stale(path.as_str(), error.to_string())),
            Self::Call(CallError::Fault(fault)) => Some(RunProblem::fault(path.as_str(), fault)),
            Self::Step(error) => RunProblem::step(path.as_str(), error),
            Self::Call(CallError::Stopped) => None,
        };
        problem.into_iter().for_each(|problem| tally.problem(problem));
        match self {
            Self::Refused(error) => error,
            Self::Call(error) => unplanned(error, brake),
            Self::Step(StepError::Fault(fault)) => fault.into(),
            Self::Step(StepError::Stale(why)) => EngineError::Stale(why),
            Self::Step(StepError::Limits(error)) => EngineError::NotResolvable(error.to_string()),
            Self::Step(StepError::Unreadable(why) | StepError::Waits(why)) => EngineError::NotResolvable(why),
            Self::Step(StepError::Stopped) => unplanned(CallError::Stopped, brake),
        }
    }
}

impl Deciding<'_> {
    async fn carry_out<J: Journal, R: Remote, K: Clock>(
        &self,
        session: &Session<'_, J, R, K>,
        lease: Lease,
        tally: &Tally<'_, ()>,
    ) -> Result<(), Undone> {
        if let Some(what) = session.connection.identity.as_ref().and_then(|known| replaced(known, session.identity)) {
            return Err(EngineError::NotResolvable(format!("{what}: run the connection first")).into());
        }
        let (base, local) = self.known(session).await.map_err(CallError::from)?;
        let sight = self.look_again(session, &local).await?;
        let steps = self.steps(session, &base, &local, &sight).await?;

        let number = RunNumber::draw_for_decision(session, lease, &steps).await.map_err(CallError::from)?;
        let (recorder, mut pending) = recorder();
        let resolved = Resolved { id: self.conflict.id, decision: self.decision() };
        let decided = Decided::new(self.path().clone(), resolved, self.given(), self.by.actor.name.clone());
        let (base, local) = (&base, &local);
        let apply = Apply {
            session,
            recorder,
            tally,
            number,
            base,
            local,
            verify: false,
            decided: vec![decided],
            moved: Moved::default(),
        };
        let work = async {
            let carried_out = in_order(&apply, &steps).await;
            drop(apply);
            carried_out
        };
        let recording = async { while pending.commit_next(session, lease, self.run_id).await {} };
        let (carried_out, ()) = join(work, recording).await;
        carried_out.map_err(Undone::from)
    }

    /// Reads the bases and records that the decision may concern. A path for a copy must be free, so keeping both concerns all.
    async fn known<J: Journal, R: Remote, K: Clock>(
        &self,
        session: &Session<'_, J, R, K>,
    ) -> Result<(BTreeMap<SecretPath, BaseEntry>, LocalSnapshot), Stopped> {
        if matches!(self.resolution, Resolution::KeepBoth) {
            return Ok((session.base().await?, session.local().await?));
        }
        let (_, Surroundings { base, local, .. }) = session.around(&BTreeSet::from([self.path().clone()])).await?;
        Ok((base, local))
    }

    /// Looks again at both sides after one of them had moved, and says what the conflict shows now. A look that fails
    /// leaves the conflict and the refusal as they are.
    async fn with_what_is_there<J: Journal, R: Remote, K: Clock>(
        &self,
        session: &Session<'_, J, R, K>,
        lease: Lease,
        undone: Undone,
    ) -> Undone {
        match session.look_at_conflict_again(lease, self.run_id, &self.conflict).await {
            Ok(Some(said)) => EngineError::Stale(said).into(),
            Ok(None) | Err(_) => undone,
        }
    }

    fn path(&self) -> &SecretPath {
        &self.conflict.conflict.path
    }

    /// Checks that both sides are as the person saw them.
    async fn look_again<J: Journal, R: Remote, K: Clock>(
        &self,
        session: &Session<'_, J, R, K>,
        local: &LocalSnapshot,
    ) -> Result<RemoteSight, Undone> {
        let Conflict { path, expect, .. } = &self.conflict.conflict;
        if local_state(local, path) != expect.local {
            return Err(stale("the record").into());
        }
        let sight = session.calls.look(path).await?;
        if holds(&expect.remote, &sight) { Ok(sight) } else { Err(stale("the secret").into()) }
    }

    /// Asks the planner for the steps.
    async fn steps<J: Journal, R: Remote, K: Clock>(
        &self,
        session: &Session<'_, J, R, K>,
        base: &BTreeMap<SecretPath, BaseEntry>,
        local: &LocalSnapshot,
        sight: &RemoteSight,
    ) -> Result<Vec<Step>, Undone> {
        let path = self.path();
        let choice = match &self.resolution {
            Resolution::KeepLocal => Choice::KeepLocal,
            Resolution::KeepRemote => Choice::KeepRemote,
            Resolution::KeepBoth => Choice::KeepBoth(free_path(session, path, base, local).await?),
            Resolution::Merge(fields) => {
                Choice::Merge(fields.iter().map(|(name, choice)| (name.clone(), choice.side())).collect())
            }
        };
        let remote_type = match sight {
            RemoteSight::Seen(entry) => entry.mark.record_type,
            RemoteSight::Unreadable(_) | RemoteSight::ProvenAbsent => None,
        };
        let local_type = local.live.get(path).map(|entry| entry.record_type);
        let record_type = local_type.or(base.get(path).map(|base| base.record_type)).or(remote_type);
        // A record comes back only at the path where it was trashed. A record that lives at another path does
        // not come back.
        let restores = local.trashed.get(path).map(|entry| entry.record_id);
        let conflict = Conflict { record_id: restores, ..self.conflict.conflict.clone() };
        let resolving = Resolving {
            conflict: &conflict,
            options: &session.connection.options,
            record_type: record_type.unwrap_or(RecordType::KeyValue),
            remote_type,
        };
        resolution(&resolving, &choice).map_err(|error| match error {
            NotResolvable::FieldsMissing(names) => EngineError::Undecided(names).into(),
            other => EngineError::NotResolvable(other.to_string()).into(),
        })
    }

    fn given(&self) -> BTreeMap<String, Value> {
        let Resolution::Merge(fields) = &self.resolution else { return BTreeMap::new() };
        let given = fields.iter().filter_map(|(name, choice)| match choice {
            FieldChoice::Value(value) => Some((name.clone(), value.clone())),
            FieldChoice::Take(_) => None,
        });
        given.collect()
    }

    fn decision(&self) -> Decision {
        let fields = match &self.resolution {
            Resolution::Merge(fields) => fields.iter().map(|(name, choice)| (name.clone(), choice.side())).collect(),
            Resolution::KeepLocal | Resolution::KeepRemote | Resolution::KeepBoth => BTreeMap::new(),
        };
        Decision {
            resolution: self.resolution.name(),
            fields,
            reason: self.by.reason.clone(),
            actor: self.by.actor.clone(),
            expect: self.conflict.conflict.expect,
            run_id: self.run_id,
            request_id: self.by.request_id.clone(),
            source_ip: self.by.source_ip.clone(),
        }
    }
}

impl FieldChoice {
    /// Returns the source of the field.
    const fn side(&self) -> Side {
        match self {
            Self::Take(side) => *side,
            Self::Value(_) => Side::Given,
        }
    }
}

/// Carries out steps one after the other, and stops at the first that fails.
async fn in_order<J: Journal, R: Remote, K: Clock>(
    apply: &Apply<'_, J, R, K, ()>,
    steps: &[Step],
) -> Result<(), StepError> {
    for step in steps {
        apply.step(step).await?;
        apply.tally.done(step);
    }
    Ok(())
}

/// Finds a path beside another one that neither side uses.
async fn free_path<J: Journal, R: Remote, K: Clock>(
    session: &Session<'_, J, R, K>,
    path: &SecretPath,
    base: &BTreeMap<SecretPath, BaseEntry>,
    local: &LocalSnapshot,
) -> Result<SecretPath, Undone> {
    for n in 1..=COPIES_MAX {
        let suffix = if n == 1 { "-remote".to_owned() } else { format!("-remote-{n}") };
        let Ok(free) = SecretPath::new(format!("{path}{suffix}")) else { break };
        let known = local.live.contains_key(&free) || base.contains_key(&free);
        if !known && session.calls.look(&free).await? == RemoteSight::ProvenAbsent {
            return Ok(free);
        }
    }
    let why = format!("no path beside `{path}` is free for the remote copy: move it by hand");
    Err(EngineError::NotResolvable(why).into())
}

fn stale(what: &str) -> EngineError {
    EngineError::Stale(format!("{what} changed since the decision was taken: look again"))
}
