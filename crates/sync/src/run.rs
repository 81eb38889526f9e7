//! Plans and runs as they are stored.

use serde::{Deserialize, Serialize};
use vaultterm_ledger::Actor;
use vaultterm_reconcile::{Counts, Halt, Plan, UnixNanos};

use crate::{ConnectionId, PlanId, RemoteIdentity, RunId};

/// A plan that can be applied later, exactly as shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredPlan {
    /// Its id.
    pub id: PlanId,
    /// For which connection.
    pub connection_id: ConnectionId,
    /// The connection's revision it was made for: an edited connection needs a new plan.
    pub connection_revision: u64,
    /// What answered when it was made.
    pub identity: RemoteIdentity,
    /// The plan.
    pub plan: Plan,
    /// The change number of the collection before the plan was made.
    #[serde(default)]
    pub change_number: u64,
    /// When it was made.
    pub created: UnixNanos,
    /// When it may no longer be applied.
    pub expires: UnixNanos,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it all")]
pub enum RunState {
    Running,
    Succeeded,
    Partial,
    Halted,
    Failed,
    Cancelled,
}

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person or program through the API.
    Manual,
    /// The interval.
    Interval,
    /// A local change.
    Change,
    /// A decision on a conflict.
    Resolution,
}

/// One execution.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its connection.
    pub connection_id: ConnectionId,
    /// The stored plan it applies, if it applies one.
    pub plan_id: Option<PlanId>,
    /// How it stands.
    pub state: RunState,
    /// What started it.
    pub trigger: Trigger,
    /// Who started it.
    pub actor: Actor,
    /// What it did.
    pub counts: Counts,
    /// Why it wrote nothing.
    pub halts: Vec<Halt>,
    /// What went wrong, per path; the first 1,000.
    pub problems: Vec<Problem>,
    /// When it began.
    pub started: UnixNanos,
    /// When it ended.
    pub finished: Option<UnixNanos>,
    /// HTTP requests made.
    pub requests: u64,
}

/// Why a path (or the whole run, with an empty path) was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The path; empty when it concerns the whole run.
    pub path: String,
    /// What kind.
    pub class: ProblemClass,
    /// What happened.
    pub detail: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

/// The kinds of problem: the remote fault classes, and our own. A closed list of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProblemClass(pub String);

impl ProblemClass {
    /// The class of a token that outlives its run. It does not say that the run was stopped.
    pub const TOKEN_NOT_REVOKED: &str = "token_not_revoked";
}
