//! Runs: how they are started, and how they stand.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_sync::{Run, RunProblem, RunState, Trigger};

use crate::{CountsView, HaltView, moment, schema::name_schema};

/// One execution.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    pub id: Uuid,
    pub connection_id: Uuid,
    pub plan_id: Option<Uuid>,
    /// `running`, `succeeded`, `partial`, `halted`, `failed` or `cancelled`.
    #[schema(value_type = RunStateView)]
    pub state: RunState,
    /// `manual`, `interval`, `change` or `resolution`.
    #[schema(value_type = TriggerView)]
    pub trigger: Trigger,
    /// Who started it.
    pub actor: String,
    pub counts: CountsView,
    pub halts: Vec<HaltView>,
    pub problems: Vec<ProblemView>,
    pub started_at: String,
    pub finished_at: Option<String>,
    /// HTTP requests made to Vault.
    pub requests: u64,
    /// The paths of its plan that a person left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The only paths at which it did something, if it applied a plan for some paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

/// Why a path (or the whole run, with an empty path) was not done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemView {
    pub path: String,
    pub class: String,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    /// A stored plan to apply exactly as shown; a new one is made without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<Uuid>,
    /// Paths of the plan that a person leaves out of this run. The next run plans them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// Halts that a person looked into and accepts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledge: Vec<String>,
}

name_schema!(
    /// How a run stands.
    RunStateView: RunState
);
name_schema!(
    /// What started a run.
    TriggerView: Trigger
);

impl From<&Run> for RunView {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id.0,
            connection_id: run.connection_id.0,
            plan_id: run.plan_id.map(|id| id.0),
            state: run.state,
            trigger: run.trigger,
            actor: run.actor.name.clone(),
            counts: CountsView::from(&run.counts),
            halts: run.halts.iter().map(HaltView::from).collect(),
            problems: run.problems.iter().map(ProblemView::from).collect(),
            started_at: moment::of(run.started),
            finished_at: run.finished.map(moment::of),
            requests: run.requests,
            left_out: run.part.left_out.iter().map(ToString::to_string).collect(),
            only: run.part.only.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&RunProblem> for ProblemView {
    fn from(problem: &RunProblem) -> Self {
        Self {
            path: problem.path.clone(),
            class: problem.class.0.clone(),
            detail: problem.detail.clone(),
            hint: problem.hint.clone(),
        }
    }
}
