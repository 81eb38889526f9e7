//! The engine: plans, runs and resolutions over one database and one way to reach Vaults.
//!
//! What happens inside is elsewhere: a run in `running.rs`, a plan in `observe.rs`, a
//! resolution in `resolve.rs`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Counts, Halt, HaltKind, NotResolvable, Plan};

use crate::{
    Clock, Connection, ConnectionId, ConnectionSecrets, Connector, Entitlement, Ids, Journal, JournalError, Lease,
    PlanId, Progress, RandomIds, Remote, RemoteFault, RemoteIdentity, Run, RunId, RunState, StoredPlan, Trigger,
    Unlicensed,
    brake::{Brake, Stop},
    in_time::{Bounds, in_time},
    lease::{self, Held},
    moment::later,
    problem,
    retry::CallError,
    running,
    session::{Session, Shell, connect},
};

/// How long a stored plan may be applied.
const PLAN_HOLDS: Duration = Duration::from_secs(15 * 60);

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No such connection, plan or conflict.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// Another run holds the lease.
    #[error("a run is in progress on this connection")]
    RunInProgress,
    /// The plan expired, or the connection was edited since.
    #[error("{0}")]
    PlanNotApplicable(String),
    /// A side moved since the decision was taken.
    #[error("{0}")]
    Stale(String),
    /// The conflict is not open, or the resolution does not fit it.
    #[error("{0}")]
    NotResolvable(String),
    /// A decision by field that leaves these fields open, although they differ and may belong to one
    /// credential.
    #[error("{}", NotResolvable::FieldsMissing(.0.clone()))]
    Undecided(Vec<String>),
    /// The license does not include it.
    #[error(transparent)]
    Unlicensed(#[from] Unlicensed),
    /// Vault.
    #[error(transparent)]
    Remote(#[from] RemoteFault),
    /// The database.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Its id, drawn by the caller.
    pub run_id: RunId,
    /// The stored plan to apply; a fresh one is made without.
    pub plan_id: Option<PlanId>,
    /// The halts a person acknowledged.
    pub acknowledge: BTreeSet<HaltKind>,
    /// What started it.
    pub trigger: Trigger,
    /// Who started it.
    pub actor: Actor,
}

/// A run that holds its lease.
#[derive(Debug)]
pub struct Begun {
    /// The run as it was recorded.
    pub run: Run,
    pub(crate) held: Held,
    pub(crate) connection: Connection,
    pub(crate) secrets: ConnectionSecrets,
    pub(crate) plan: Option<StoredPlan>,
    pub(crate) acknowledge: BTreeSet<HaltKind>,
}

/// Who decided, and why.
#[derive(Clone, Debug)]
pub struct ResolvedBy {
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: Option<String>,
    /// VaultTerm's request id.
    pub request_id: Option<String>,
    /// Where the request came from.
    pub source_ip: Option<String>,
}

/// The engine over one database and one way to reach Vaults.
pub struct Engine<J, C, K> {
    pub(crate) journal: J,
    pub(crate) connector: C,
    pub(crate) clock: K,
    pub(crate) entitlement: Arc<dyn Entitlement>,
    pub(crate) bounds: Bounds,
    pub(crate) ids: Arc<dyn Ids>,
}

impl<J: Journal, C: Connector, K: Clock> Engine<J, C, K> {
    /// Puts an engine together.
    pub fn new(journal: J, connector: C, clock: K, entitlement: Arc<dyn Entitlement>) -> Self {
        let (ids, bounds) = (Arc::new(RandomIds), Bounds::default());
        Self { journal, connector, clock, entitlement, ids, bounds }
    }

    /// Bounds the work that a person waits for (plans, decisions, reveals): it is stopped gently when it takes
    /// longer than `within`, or when `closing` is cancelled.
    #[must_use]
    pub fn bounded(self, within: Duration, closing: CancellationToken) -> Self {
        Self { bounds: Bounds { within: Some(within), closing }, ..self }
    }

    /// Lets the engine draw its ids from elsewhere.
    #[must_use]
    pub fn with_ids(self, ids: Arc<dyn Ids>) -> Self {
        Self { ids, ..self }
    }

    /// Returns what the engine works with.
    pub(crate) fn shell(&self) -> Shell<'_, J, C, K> {
        Shell { journal: &self.journal, connector: &self.connector, clock: &self.clock, ids: &*self.ids }
    }

    /// Returns the halt that the license means for every run at this moment. It is no part of a stored
    /// plan: one that was made without a license can be applied with one, and the other way round not.
    #[must_use]
    pub fn license_halt(&self) -> Option<Halt> {
        self.entitlement.missing().map(|unlicensed| unlicensed.halt())
    }

    /// Makes a plan and stores it, for 15 minutes. Nothing else is written on either side, but
    /// for a `SecretID` that came wrapped.
    ///
    /// # Errors
    /// [`EngineError::Remote`] when Vault could not be observed.
    pub async fn plan(&self, connection_id: ConnectionId) -> Result<StoredPlan, EngineError> {
        let (connection, secrets) = self.load(connection_id).await?;
        let brake = Brake::new(CancellationToken::new());
        let id = PlanId(self.ids.draw(self.clock.now()));
        let plan = self.make_plan(id, &connection, secrets, &brake);
        match in_time(&self.clock, &self.bounds, &brake, plan).await {
            Ok(plan) => {
                self.journal.store_plan(&plan).await?;
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

    /// Makes the plan of a connection at which nothing may be looked at.
    fn halted_plan(&self, id: PlanId, connection: &Connection, halt: Halt) -> StoredPlan {
        let created = self.clock.now();
        StoredPlan {
            id,
            connection_id: connection.id,
            connection_revision: connection.revision,
            identity: connection.identity.clone().unwrap_or_else(RemoteIdentity::unknown),
            plan: Plan { halts: vec![halt], ..Plan::default() },
            // It can never be applied.
            change_number: 0,
            created,
            expires: later(created, PLAN_HOLDS),
        }
    }

    async fn make_plan(
        &self,
        id: PlanId,
        connection: &Connection,
        secrets: ConnectionSecrets,
        brake: &Brake,
    ) -> Result<StoredPlan, CallError> {
        let seed = id.0.as_u64_pair().1;
        let connected = connect(self.shell(), brake, connection, secrets, seed).await?;
        let session = Session::new(self.shell(), brake, connection, &connected, seed);
        let planned = async {
            // Before anything is looked at: what changes from here on may be missing from the plan.
            let number = self.journal.change_number(connection.collection_id).await;
            let number = number.map_err(|error| brake.journal_failed(error))?;
            Ok::<_, CallError>((number, session.plan(&BTreeSet::new()).await?.0))
        };
        let planned = planned.await;
        if let Err(fault) = connected.remote.close().await {
            tracing::warn!(%fault, "a token could not be revoked");
        }
        let created = self.clock.now();
        planned.map(|(change_number, plan)| StoredPlan {
            id,
            connection_id: connection.id,
            connection_revision: connection.revision,
            identity: connected.identity,
            plan,
            change_number,
            created,
            expires: later(created, PLAN_HOLDS),
        })
    }

    /// Takes the lease and records that a run began. The answer is to be given to
    /// [`Self::run`] at once.
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
        // Loaded under the lease: an edit that came before it counts.
        let (connection, secrets) = self.load(lease.connection_id).await?;
        let plan = match request.plan_id {
            Some(id) => Some(self.applicable_plan(id, &connection).await?),
            None => None,
        };
        let run = self.new_run(&connection, &request);
        self.journal.begin_run(lease, &run).await?;
        Ok(Begun { run, held, connection, secrets, plan, acknowledge: request.acknowledge })
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
        Ok(plan)
    }

    /// Carries out a run to its end, whatever happens. Never fails: the run says how it ended.
    pub async fn run(&self, begun: Begun, progress: &impl Progress, cancel: &CancellationToken) -> Run {
        running::carry_out(self.shell(), &*self.entitlement, begun, progress, cancel).await
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
        }
    }

    pub(crate) async fn give_back(&self, lease: Lease) {
        if let Err(error) = self.journal.release_lease(lease).await {
            tracing::warn!(%error, connection = %lease.connection_id, "a lease could not be given back; it expires");
        }
    }
}

/// Says why there is no plan.
pub(crate) fn unplanned(error: CallError, brake: Brake) -> EngineError {
    match (error, brake.into_reason()) {
        (CallError::Fault(fault), _) | (CallError::Stopped, Some(Stop::Remote(fault))) => fault.into(),
        (CallError::Stopped, Some(Stop::Journal(error))) => error.into(),
        (CallError::Stopped, Some(Stop::LeaseLost | Stop::LeaseRanOut) | None) => JournalError::LeaseLost.into(),
    }
}
