//! The engine.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Expect, HaltKind};

use crate::{
    Clock, ConflictId, ConnectionId, Connector, Journal, JournalError, PlanId, Progress, RemoteFault, Resolution, Run,
    RunId, StoredConflict, StoredPlan, Trigger,
};

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

/// The engine over one database and one way to reach Vaults.
pub struct Engine<J, C, K> {
    journal: J,
    connector: C,
    clock: K,
}

impl<J: Journal, C: Connector, K: Clock> Engine<J, C, K> {
    /// Puts an engine together.
    pub fn new(journal: J, connector: C, clock: K) -> Self {
        Self { journal, connector, clock }
    }

    /// Makes a plan and stores it. Nothing else is written on either side.
    ///
    /// # Errors
    /// [`EngineError::Remote`] when Vault could not be observed.
    #[allow(clippy::unused_async)]
    pub async fn plan(&self, connection_id: ConnectionId) -> Result<StoredPlan, EngineError> {
        let _ = (connection_id, &self.journal, &self.connector, &self.clock);
        todo!()
    }

    /// Takes the lease and records that a run began. The answer is to be given to
    /// [`Self::run`] at once.
    ///
    /// # Errors
    /// [`EngineError::RunInProgress`], [`EngineError::PlanNotApplicable`].
    #[allow(clippy::unused_async)]
    pub async fn begin(&self, connection_id: ConnectionId, request: RunRequest) -> Result<Begun, EngineError> {
        let _ = (connection_id, request);
        todo!()
    }

    /// Carries out a run to its end, whatever happens. Never fails: the run says how it ended.
    #[allow(clippy::unused_async)]
    pub async fn run(&self, begun: Begun, progress: &impl Progress, cancel: &CancellationToken) -> Run {
        let _ = (begun, progress, cancel);
        todo!()
    }

    /// Carries out a person's decision on a conflict at once.
    ///
    /// # Errors
    /// [`EngineError::Stale`] when either side moved since the states in `expect`.
    #[allow(clippy::unused_async)]
    pub async fn resolve(
        &self,
        conflict_id: ConflictId,
        resolution: Resolution,
        expect: Option<Expect>,
        by: &ResolvedBy,
    ) -> Result<StoredConflict, EngineError> {
        let _ = (conflict_id, resolution, expect, by);
        todo!()
    }
}

/// A run that holds its lease.
#[derive(Debug)]
pub struct Begun {
    /// The run as it was recorded.
    pub run: Run,
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
