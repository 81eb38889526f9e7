//! Plans and runs as they are stored.

use serde::{Deserialize, Serialize};
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Counts, Halt, Plan, SecretPath, UnixNanos, names};

use crate::{
    Advice, ConflictId, ConnectionId, EngineProblem, PlanId, ProblemClass, RemoteIdentity, ResolutionName, RunId,
};

/// A plan that can be applied later exactly as it was shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredPlan {
    /// The id.
    pub id: PlanId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The revision of the connection for which the plan was made. An edited connection needs a new plan.
    pub connection_revision: u64,
    /// The identity of the server at that time.
    pub identity: RemoteIdentity,
    /// The plan.
    pub plan: Plan,
    /// The decisions on conflicts that the plan carries out. Each has one step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<PlannedDecision>,
    /// The change number of the collection before the plan was made.
    #[serde(default)]
    pub change_number: u64,
    /// The time at which it was made.
    pub created: UnixNanos,
    /// The time from which it can no longer be applied.
    pub expires: UnixNanos,
}

/// A decision on a conflict that a plan carries out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDecision {
    /// The path of the conflict and of the step.
    pub path: SecretPath,
    /// The conflict.
    pub conflict_id: ConflictId,
    /// What was chosen.
    pub resolution: ResolutionName,
    /// The reason of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

names!(
    /// The state of a run.
    #[allow(missing_docs, reason = "the names say it all")]
    RunState, "run state" {
        Running = "running",
        Succeeded = "succeeded",
        Partial = "partial",
        Halted = "halted",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

names!(
    /// The event that started a run.
    Trigger, "trigger" {
        /// A person or program through the API.
        Manual = "manual",
        /// The interval.
        Interval = "interval",
        /// A local change.
        Change = "change",
        /// A program said where in Vault something may have changed.
        Hint = "hint",
        /// A decision on a conflict.
        Resolution = "resolution",
        /// The end of a run that was cut off, because its server stopped or lost its lease.
        Takeover = "takeover",
    }
);

/// A run of a connection.
#[derive(Clone, Debug)]
pub struct Run {
    /// The id.
    pub id: RunId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The stored plan that it applies, if there is one.
    pub plan_id: Option<PlanId>,
    /// The state.
    pub state: RunState,
    /// The event that started it.
    pub trigger: Trigger,
    /// The person or program that started it.
    pub actor: Actor,
    /// The counts of its changes.
    pub counts: Counts,
    /// The halts because of which its plan was not carried out.
    pub halts: Vec<Halt>,
    /// The problems, by path. Only the first 1,000 are kept.
    pub problems: Vec<RunProblem>,
    /// The time at which it began.
    pub started: UnixNanos,
    /// The time at which it ended.
    pub finished: Option<UnixNanos>,
    /// The number of HTTP requests.
    pub requests: u64,
    /// The part of a plan or of the scope that a person chose.
    pub part: RunPart,
}

impl Run {
    /// Returns whether the run was cut off: its server stopped, or lost its lease. Nobody decided to end it.
    #[must_use]
    pub fn was_cut_off(&self) -> bool {
        let cut_off = [EngineProblem::LeaseLost, EngineProblem::ServerStopped].map(ProblemClass::from);
        matches!(self.state, RunState::Failed | RunState::Partial | RunState::Cancelled)
            && self.problems.iter().any(|problem| problem.path.is_empty() && cut_off.contains(&problem.class))
    }
}

/// The part of a plan or of the scope that a person chose for a run. Both lists are empty for a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPart {
    /// The paths at which the plan had steps that the person left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<SecretPath>,
    /// The only paths at which the run did something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<SecretPath>,
}

/// Why a path, or the whole run, was not synchronized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProblem {
    /// The path. Empty if the problem concerns the whole run.
    pub path: String,
    /// The class.
    pub class: ProblemClass,
    /// What happened.
    pub detail: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<Advice>,
}
