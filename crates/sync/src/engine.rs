//! The engine: makes plans, runs and resolutions with one database and one connector.
//!
//! Other files hold the details: `running.rs` a run, `observe.rs` a plan, and `resolve.rs` a resolution.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Around, Counts, Halt, HaltKind, Plan, SecretPath};

use crate::{
    Begun, Clock, Connection, ConnectionId, ConnectionSecrets, Connector, EngineError, Entitlement, Hints, Ids,
    Journal, JournalError, Lease, NoHints, Nobody, People, PlanId, PlannedDecision, Progress, RandomIds, Remote,
    RemoteIdentity, Run, RunId, RunPart, RunState, SeenInVault, StoredPlan, Trigger,
    alike::Alike,
    brake::{Brake, Stop},
    in_time::{Bounds, in_time},
    lease::{self, Held},
    moment::later,
    observe::Observation,
    problem,
    retry::CallError,
    running::{self, Signals},
    session::{Session, Shell, connect},
    writers,
};

/// The time for which a stored plan may be applied.
const PLAN_HOLDS: Duration = Duration::from_secs(15 * 60);

/// Why a halt cannot be acknowledged for some paths only.
const CONCERNS_ALL: &str =
    "a run for some paths cannot take a halt that concerns the whole connection: make a whole plan";

/// A request for a run.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The id of the run, which the caller draws.
    pub run_id: RunId,
    /// The stored plan to apply. `None` means that the run makes a new plan.
    pub plan_id: Option<PlanId>,
    /// The paths of the stored plan that a person left out.
    pub skip: BTreeSet<SecretPath>,
    /// The only paths that the run looks at. Empty for a run of the whole connection, and for one that applies a stored
    /// plan, which knows its paths.
    pub at: BTreeSet<SecretPath>,
    /// The halts that a person acknowledged.
    pub acknowledge: BTreeSet<HaltKind>,
    /// The newest run of the connection when the schedule decided on this run. If another run began since, this one does
    /// not: another server may have been faster. `None` for a run that somebody wants in any case.
    pub follows: Option<RunId>,
    /// The event that started the run.
    pub trigger: Trigger,
    /// The person or program that started the run.
    pub actor: Actor,
}

/// The author and the reason of a decision.
#[derive(Clone, Debug)]
pub struct ResolvedBy {
    /// The person who decided.
    pub actor: Actor,
    /// The reason.
    pub reason: Option<String>,
    /// The request id of VaultTerm.
    pub request_id: Option<String>,
    /// The IP address of the client.
    pub source_ip: Option<String>,
}

/// The engine with one database and one connector.
pub struct Engine<J, C, K> {
    pub(crate) journal: J,
    pub(crate) connector: C,
    pub(crate) clock: K,
    pub(crate) entitlement: Arc<dyn Entitlement>,
    pub(crate) bounds: Bounds,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) people: Arc<dyn People>,
    pub(crate) hints: Arc<dyn Hints>,
}

impl<J: Journal, C: Connector, K: Clock> Engine<J, C, K> {
    /// Returns an engine.
    pub fn new(journal: J, connector: C, clock: K, entitlement: Arc<dyn Entitlement>) -> Self {
        let (ids, people, hints) = (Arc::new(RandomIds), Arc::new(Nobody), Arc::new(NoHints));
        Self { journal, connector, clock, entitlement, bounds: Bounds::default(), ids, people, hints }
    }

    /// Limits the work for which a person waits (plans, decisions, reveals). The engine stops it gently if it
    /// takes longer than `within`, or if `closing` is cancelled.
    #[must_use]
    pub fn bounded(self, within: Duration, closing: CancellationToken) -> Self {
        Self { bounds: Bounds { within: Some(within), closing }, ..self }
    }

    /// Leaves room while people are here.
    #[must_use]
    pub fn beside(self, people: Arc<dyn People>) -> Self {
        Self { people, ..self }
    }

    /// Follows hints while a run looks at a whole connection.
    #[must_use]
    pub fn hinted(self, hints: Arc<dyn Hints>) -> Self {
        Self { hints, ..self }
    }

    /// Replaces the source of ids.
    #[must_use]
    pub fn with_ids(self, ids: Arc<dyn Ids>) -> Self {
        Self { ids, ..self }
    }

    /// Returns the parts with which the engine works.
    pub(crate) fn shell(&self) -> Shell<'_, J, C, K> {
        let Self { journal, connector, clock, ids, people, hints, .. } = self;
        Shell { journal, connector, clock, ids: &**ids, people: &**people, hints: &**hints }
    }

    /// Returns the halt of all runs without a license at this moment. The halt is not part of a stored plan,
    /// so that a plan that was made without a license can be applied with one. A plan that was made with a
    /// license cannot be applied without one.
    #[must_use]
    pub fn license_halt(&self) -> Option<Halt> {
        self.entitlement.missing().map(|unlicensed| unlicensed.halt())
    }

    /// Makes a plan and stores it for 15 minutes. Neither side is changed. What the plan saw in Vault is recorded for
    /// people, as a run records it, and a `SecretID` that was unwrapped is kept.
    ///
    /// # Errors
    /// [`EngineError::Remote`] if Vault could not be observed.
    pub async fn plan(&self, connection_id: ConnectionId) -> Result<StoredPlan, EngineError> {
        self.plan_for(connection_id, &BTreeSet::new()).await
    }

    /// Makes a plan for these paths only, or a whole plan without paths. Both sides are looked at as a whole in
    /// either case, so that every guard judges the whole connection.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub async fn plan_for(
        &self,
        connection_id: ConnectionId,
        only: &BTreeSet<SecretPath>,
    ) -> Result<StoredPlan, EngineError> {
        self.planned(connection_id, Wanted::At(only)).await
    }

    pub(crate) async fn planned(
        &self,
        connection_id: ConnectionId,
        wanted: Wanted<'_>,
    ) -> Result<StoredPlan, EngineError> {
        let (connection, secrets) = self.load(connection_id).await?;
        let brake = Brake::new(CancellationToken::new());
        let id = PlanId(self.ids.draw(self.clock.now()));
        let plan = self.make_plan((id, wanted), &connection, secrets, &brake);
        match in_time(&self.clock, &self.bounds, &brake, plan).await {
            Ok((plan, seen)) => {
                self.journal.store_plan(&plan).await?;
                self.record_seen(&plan, &seen).await;
                Ok(plan)
            }
            Err(CallError::Fault(fault)) if let Some(halt) = problem::halt(&fault) => {
                let plan = self.halted_plan(id, &connection, halt);
                self.journal.store_plan(&plan).await?;
                Ok(plan)
            }
            Err(error) => Err(unplanned(error, brake)),
        }
    }

    /// Returns the plan of a connection whose secrets must not be looked at.
    fn halted_plan(&self, id: PlanId, connection: &Connection, halt: Halt) -> StoredPlan {
        let created = self.clock.now();
        StoredPlan {
            id,
            connection_id: connection.id,
            connection_revision: connection.revision,
            identity: connection.identity.clone().unwrap_or_else(RemoteIdentity::unknown),
            plan: Plan { halts: vec![halt], ..Plan::default() },
            decisions: Vec::new(),
            // A halted plan can never be applied, so the number does not matter.
            change_number: 0,
            created,
            expires: later(created, PLAN_HOLDS),
        }
    }

    async fn make_plan(
        &self,
        (id, wanted): (PlanId, Wanted<'_>),
        connection: &Connection,
        secrets: ConnectionSecrets,
        brake: &Brake,
    ) -> Result<(StoredPlan, Vec<SeenInVault>), CallError> {
        let seed = id.0.as_u64_pair().1;
        let connected = connect(self.shell(), brake, connection, secrets, seed).await?;
        let session = Session::new(self.shell(), brake, connection, &connected, seed);
        let planned = async {
            // The number is read before the observation. Changes after this point may be missing from the
            // plan.
            let number = self.journal.change_number(connection.collection_id).await;
            let number = number.map_err(|error| brake.journal_failed(error))?;
            let (plan, observation) = session.plan(&BTreeSet::new(), &BTreeSet::new(), |_| ()).await?;
            let seen = writers::seen(&plan, connection.guarded.is_none(), !plan.halts.is_empty());
            Ok::<_, CallError>((number, seen, wanted.of(plan, &observation, connection)))
        };
        let planned = planned.await;
        if let Err(fault) = connected.remote.close().await {
            tracing::warn!(%fault, "a token could not be revoked");
        }
        let created = self.clock.now();
        let (change_number, seen, (plan, decisions)) = planned?;
        let stored = StoredPlan {
            id,
            connection_id: connection.id,
            connection_revision: connection.revision,
            identity: connected.identity,
            plan,
            decisions,
            change_number,
            created,
            expires: later(created, PLAN_HOLDS),
        };
        Ok((stored, seen))
    }

    /// Records what a plan saw in Vault, unless a run is in progress, which records what it sees itself. Without a
    /// license nothing is recorded, as for a run. The plan is good even if this fails.
    async fn record_seen(&self, plan: &StoredPlan, seen: &[SeenInVault]) {
        if self.entitlement.missing().is_some() {
            return;
        }
        let held = lease::take(&self.journal, &self.clock, plan.connection_id, plan.id.0).await;
        let Ok(Some(held)) = held else { return };
        if let Err(error) = self.journal.record_seen(held.lease, None, seen).await {
            tracing::warn!(%error, plan = %plan.id, "what a plan saw in Vault could not be recorded");
        }
        self.give_back(held.lease).await;
    }

    /// Takes the lease and records that a run began. The caller must pass the result to [`Self::run`] at
    /// once.
    ///
    /// # Errors
    /// [`EngineError::RunInProgress`], [`EngineError::PlanNotApplicable`].
    pub async fn begin(&self, connection_id: ConnectionId, request: RunRequest) -> Result<Begun, EngineError> {
        if self.journal.connection(connection_id).await?.is_none() {
            return Err(EngineError::NotFound("connection"));
        }
        let held = lease::take(&self.journal, &self.clock, connection_id, request.run_id.0).await?;
        let held = held.ok_or(EngineError::RunInProgress)?;
        let begun = self.begin_under(held, request).await;
        if begun.is_err() {
            self.give_back(held.lease).await;
        }
        begun
    }

    async fn begin_under(&self, held: Held, request: RunRequest) -> Result<Begun, EngineError> {
        let lease = held.lease;
        if !request.at.is_empty() && request.acknowledge.iter().any(|kind| *kind != HaltKind::MassDeletion) {
            return Err(EngineError::PlanNotApplicable(CONCERNS_ALL.to_owned()));
        }
        // No other run begins while this one has the lease.
        if request.follows.is_some() && self.journal.last_begun(lease.connection_id).await? != request.follows {
            return Err(EngineError::RunInProgress);
        }
        // The connection is loaded under the lease, so that earlier edits count.
        let (connection, secrets) = self.load(lease.connection_id).await?;
        if !request.at.is_empty() && connection.identity.is_none() {
            let why = "no run has looked at the whole connection yet: run it without paths first";
            return Err(EngineError::PlanNotApplicable(why.to_owned()));
        }
        let plan = match request.plan_id {
            Some(id) => Some(self.applicable_plan(id, &connection).await?),
            None => None,
        };
        let nothing = Plan::default();
        let planned = plan.as_ref().map_or(&nothing, |stored| &stored.plan);
        if let Some(path) = planned.without_step(&request.skip) {
            return Err(EngineError::NotInPlan(path.clone()));
        }
        let only = planned.restricted.as_ref().map(|restricted| restricted.paths.clone());
        let only = only.unwrap_or_else(|| request.at.iter().cloned().collect());
        let left_out = request.skip.iter().cloned().collect();
        let part = RunPart { left_out, only };
        let mut run = Run { part, ..self.new_run(&connection, &request) };
        if plan.as_ref().is_some_and(|stored| !stored.decisions.is_empty()) {
            run.trigger = Trigger::Resolution;
        }
        self.journal.begin_run(lease, &run).await?;
        let RunRequest { skip, at, acknowledge, .. } = request;
        Ok(Begun { run, held, connection, secrets, plan, skip, at, acknowledge })
    }

    async fn applicable_plan(&self, id: PlanId, connection: &Connection) -> Result<StoredPlan, EngineError> {
        let plan = self.journal.plan(id).await?.filter(|plan| plan.connection_id == connection.id);
        let plan = plan.ok_or(EngineError::NotFound("plan"))?;
        if plan.expires <= self.clock.now() {
            return Err(EngineError::PlanNotApplicable("the plan has expired: make a new one".to_owned()));
        }
        if plan.connection_revision != connection.revision {
            let why = "the connection was edited since the plan was made: make a new one";
            return Err(EngineError::PlanNotApplicable(why.to_owned()));
        }
        if connection.guarded.is_some() && !plan.plan.halts.iter().any(|halt| halt.kind == HaltKind::Rewound) {
            let why =
                "the database was restored, or found older than its anchor, since the plan was made: make a new one";
            return Err(EngineError::PlanNotApplicable(why.to_owned()));
        }
        let concerns_all = plan.plan.halts.iter().any(|halt| halt.kind != HaltKind::MassDeletion);
        let in_part = plan.plan.restricted.is_some() || !plan.decisions.is_empty();
        if in_part && concerns_all {
            return Err(EngineError::PlanNotApplicable(CONCERNS_ALL.to_owned()));
        }
        Ok(plan)
    }

    /// Carries out a run to its end. It never fails: the run contains the result.
    pub async fn run(&self, begun: Begun, progress: &impl Progress, cancel: &CancellationToken) -> Run {
        let signals = Signals { cancel, closing: &self.bounds.closing };
        running::carry_out(self.shell(), &*self.entitlement, begun, progress, signals).await
    }

    pub(crate) async fn load(&self, id: ConnectionId) -> Result<(Connection, ConnectionSecrets), EngineError> {
        self.journal.connection(id).await?.ok_or(EngineError::NotFound("connection"))
    }

    pub(crate) fn new_run(&self, connection: &Connection, request: &RunRequest) -> Run {
        Run {
            id: request.run_id,
            connection_id: connection.id,
            plan_id: request.plan_id,
            state: RunState::Running,
            trigger: request.trigger,
            actor: request.actor.clone(),
            counts: Counts::default(),
            halts: Vec::new(),
            problems: Vec::new(),
            started: self.clock.now(),
            finished: None,
            requests: 0,
            part: RunPart::default(),
        }
    }

    pub(crate) async fn give_back(&self, lease: Lease) {
        if let Err(error) = self.journal.release_lease(lease).await {
            tracing::warn!(%error, connection = %lease.connection_id, "a lease could not be given back; it expires");
        }
    }
}

/// The plan that a person wants.
pub(crate) enum Wanted<'a> {
    /// A plan for these paths, or for all if there are none.
    At(&'a BTreeSet<SecretPath>),
    /// A plan that gives the same answer to conflicts of a kind.
    Alike(Alike),
}

impl Wanted<'_> {
    /// Makes the plan out of one for the whole connection.
    fn of(self, mut whole: Plan, seen: &Observation, connection: &Connection) -> (Plan, Vec<PlannedDecision>) {
        match self {
            Self::At(paths) => {
                if !paths.is_empty() {
                    whole.restrict(paths, Around { base: &seen.base, options: &connection.options });
                }
                (whole, Vec::new())
            }
            Self::Alike(alike) => alike.plan(&whole, seen, connection),
        }
    }
}

/// Returns the error of a plan that could not be made.
pub(crate) fn unplanned(error: CallError, brake: Brake) -> EngineError {
    match (error, brake.into_reason()) {
        (CallError::Fault(fault), _) | (CallError::Stopped, Some(Stop::Remote(fault))) => fault.into(),
        (CallError::Stopped, Some(Stop::Journal(error))) => error.into(),
        (CallError::Stopped, Some(Stop::LeaseLost | Stop::LeaseRanOut) | None) => JournalError::LeaseLost.into(),
    }
}
