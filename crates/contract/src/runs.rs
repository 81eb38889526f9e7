//! Runs: how they are started, and how they stand.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_sync::{ProblemClass, Run, RunProblem, RunState, Trigger};

use crate::{CountsView, HaltView, advice, moment, schema::name_schema};

/// One execution.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    pub id: Uuid,
    pub connection_id: Uuid,
    pub plan_id: Option<Uuid>,
    /// `running`, `succeeded`, `partial`, `halted`, `failed` or `cancelled`.
    #[schema(value_type = RunStateView)]
    pub state: RunState,
    /// `manual`, `interval`, `change`, `hint`, `resolution` or `takeover`.
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
    /// The only paths at which it did something, if it looked at some paths only, or applied a plan for some paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

/// Why a path (or the whole run, with an empty path) was not done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemView {
    pub path: String,
    #[schema(value_type = String)]
    pub class: ProblemClassView,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The class of a problem. A reader decides nothing by it, so the name that a newer server sends is shown as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProblemClassView {
    /// A class that this version knows.
    Known(ProblemClass),
    /// The name of a class that only a newer version knows.
    Other(String),
}

impl fmt::Display for ProblemClassView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(class) => class.fmt(f),
            Self::Other(name) => f.pad(name),
        }
    }
}

#[derive(Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunStart {
    /// A stored plan to apply exactly as shown; a new one is made without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<Uuid>,
    /// The only paths to look at, without a stored plan. Vault is asked about these paths and no others, in a handful of
    /// requests however large the scope is, and nothing is concluded about other paths. All guards hold as in a run of the
    /// whole connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
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
            class: ProblemClassView::Known(problem.class),
            detail: problem.detail.clone(),
            hint: problem.hint.as_ref().map(advice::worded),
        }
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_sync::FaultClass;

    use super::*;

    #[test]
    fn the_class_of_a_problem_that_only_a_newer_server_knows_is_shown_by_its_name_and_is_no_known_one() {
        let read = |class: &str| {
            let problem = format!(r#"{{"path":"a","class":"{class}","detail":"so it was"}}"#);
            serde_json::from_str::<ProblemView>(&problem).expect("it is read").class
        };
        assert_eq!(read("denied"), ProblemClassView::Known(FaultClass::Denied.into()));
        let newer = read("tired");
        assert_eq!((newer.to_string().as_str(), &newer), ("tired", &ProblemClassView::Other("tired".to_owned())));
    }
}
