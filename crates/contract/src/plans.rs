//! Plans: what a run would do. No values.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::{
    AcceptedDifference, Action, ActionName, Change, Conflict, ConflictKind, Counts, Expect, Halt, HaltKind, Plan,
    Restricted, Skip, SkipKind, Step, Version,
};
use vaultterm_sync::{PlannedDecision, ResolutionName, StoredPlan, ToDo};

use crate::{advice, moment};

/// A stored plan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    pub id: Uuid,
    pub connection_id: Uuid,
    pub counts: CountsView,
    pub steps: Vec<StepView>,
    pub conflicts: Vec<PlannedConflictView>,
    pub skips: Vec<SkipView>,
    /// Paths whose two sides differ, and a person accepted the difference. A run changes nothing at these paths.
    pub accepted: Vec<AcceptedView>,
    pub halts: Vec<HaltView>,
    /// Warnings about the risks of the connection's options. A warning stops nothing.
    pub warnings: Vec<String>,
    pub created_at: String,
    /// The end of the time in which the plan can be applied.
    pub expires_at: String,
    /// What the plan does not contain, if it is for some paths only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<RestrictedView>,
    /// The decisions on conflicts that the plan carries out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<PlannedDecisionView>,
}

/// A decision on a conflict that a plan carries out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PlannedDecisionView {
    pub path: String,
    pub conflict_id: Uuid,
    /// `keep_local` or `keep_remote`.
    #[schema(value_type = String)]
    pub resolution: ResolutionName,
}

/// The body of a request for a plan.
#[derive(Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// The paths that the plan is for. If the list is empty, the plan is for the whole connection. In either case the
    /// server looks at every path of both sides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// What a plan for some paths does not contain.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RestrictedView {
    /// The paths that the plan is for.
    pub paths: Vec<String>,
    /// What a run of the whole connection would do at other paths.
    pub elsewhere: CountsView,
    /// The halts of a run of the whole connection that do not concern this plan.
    pub held_elsewhere: Vec<HaltView>,
}

/// The number of paths with each result, in a plan or in a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CountsView {
    pub created_remote: u64,
    pub updated_remote: u64,
    pub deleted_remote: u64,
    pub created_local: u64,
    pub updated_local: u64,
    pub deleted_local: u64,
    pub adopted: u64,
    pub unchanged: u64,
    /// Paths whose two sides differ, and a person accepted the difference.
    pub accepted: u64,
    pub conflicts: u64,
    pub skipped: u64,
    pub failed: u64,
    pub stale: u64,
}

/// One thing to do at one path.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    pub path: String,
    /// `create_remote`, `update_remote`, `delete_remote`, `move_remote`, `create_local`, …
    #[schema(value_type = String)]
    pub action: ActionName,
    /// The reason for the step, in one sentence.
    pub reason: String,
    /// The old path, if the step is a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub fields: Vec<FieldChangeView>,
    pub expect: ExpectView,
    /// Versions that Vault erases because of this write. VaultTerm first keeps each of them as a revision of the
    /// record, unless a revision already holds the same content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions_kept_first: Vec<u64>,
    /// Who wrote, or deleted, the secret that the step takes over, if the server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_writer: Option<String>,
}

/// A field that a step changes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldChangeView {
    pub name: String,
    /// `added`, `changed` or `removed`.
    #[schema(value_type = String)]
    pub change: Change,
}

/// The states of both sides on which a step or a decision is based.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExpectView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_version: Option<u64>,
}

/// A path that a person has to decide on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PlannedConflictView {
    pub path: String,
    #[schema(value_type = String)]
    pub kind: ConflictKind,
    pub fields: Vec<String>,
}

/// A path that is left alone, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SkipView {
    pub path: String,
    pub reason: String,
    /// `passing`: a later run may go on by itself. `left_out`: the secret can never be taken over under
    /// its name. `waits`: a person has to make room in Vault first. `unticked`: a person left it out of this run.
    #[schema(value_type = String)]
    pub kind: SkipKind,
    /// The person who accepted that the path is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
}

/// A path whose two sides differ, and a person accepted the difference.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AcceptedView {
    pub path: String,
    /// Who accepted it.
    pub by: String,
    pub at: String,
}

/// A reason for which a run writes nothing until a person acknowledges it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct HaltView {
    /// `mass_deletion`, `side_emptied`, `rewound`, `remote_replaced`, `scope_changed` or `license`; the
    /// last one cannot be acknowledged.
    #[schema(value_type = String)]
    pub kind: HaltKind,
    pub detail: String,
}

impl PlanView {
    /// Shows a stored plan. `license` is the halt for a missing license. The caller judges it now, because a license
    /// may have been installed or have expired since the plan was made.
    #[must_use]
    pub fn of(stored: &StoredPlan, license: Option<&Halt>) -> Self {
        let plan = &stored.plan;
        Self {
            id: stored.id.0,
            connection_id: stored.connection_id.0,
            counts: CountsView::from(&plan.counts()),
            steps: plan.steps.iter().map(|step| StepView::planned(step, plan)).collect(),
            conflicts: plan.conflicts.iter().map(PlannedConflictView::from).collect(),
            skips: plan.skips.iter().map(SkipView::from).collect(),
            accepted: plan.accepted.iter().map(AcceptedView::from).collect(),
            halts: plan.halts.iter().chain(license).map(HaltView::from).collect(),
            warnings: plan.warnings.clone(),
            created_at: moment::of(stored.created),
            expires_at: moment::of(stored.expires),
            restricted: plan.restricted.as_ref().map(RestrictedView::from),
            decisions: stored.decisions.iter().map(PlannedDecisionView::from).collect(),
        }
    }
}

impl From<&Counts> for CountsView {
    fn from(counts: &Counts) -> Self {
        let Counts {
            created_remote,
            updated_remote,
            deleted_remote,
            created_local,
            updated_local,
            deleted_local,
            adopted,
            accepted,
            unchanged,
            conflicts,
            skipped,
            failed,
            stale,
        } = *counts;
        Self {
            created_remote,
            updated_remote,
            deleted_remote,
            created_local,
            updated_local,
            deleted_local,
            adopted,
            accepted,
            unchanged,
            conflicts,
            skipped,
            failed,
            stale,
        }
    }
}

impl StepView {
    /// Shows a step of a plan, with what the plan knows beside it.
    fn planned(step: &Step, plan: &Plan) -> Self {
        let remote_writer = plan.writers.get(&step.path).cloned();
        Self { remote_writer, ..Self::of(step, plan.kept_first.get(&step.path)) }
    }

    /// Shows a step. `kept` are the versions that VaultTerm keeps as revisions before it carries the step out.
    #[must_use]
    pub fn of(step: &Step, kept: Option<&Vec<Version>>) -> Self {
        let from = match &step.action {
            Action::MoveRemote { from, .. } | Action::CopyLocal { from } => Some(from.as_str().to_owned()),
            _ => None,
        };
        let fields = step.fields.iter();
        Self {
            path: step.path.as_str().to_owned(),
            action: step.action.name(),
            reason: step.reason.sentence().to_owned(),
            from,
            fields: fields.map(|field| FieldChangeView { name: field.name.clone(), change: field.change }).collect(),
            expect: ExpectView::from(&step.expect),
            versions_kept_first: kept.into_iter().flatten().map(|version| version.0).collect(),
            remote_writer: None,
        }
    }
}

impl From<&Expect> for ExpectView {
    fn from(expect: &Expect) -> Self {
        Self { local_revision: expect.local_revision(), remote_version: expect.remote_version() }
    }
}

impl From<&Conflict> for PlannedConflictView {
    fn from(conflict: &Conflict) -> Self {
        Self { path: conflict.path.as_str().to_owned(), kind: conflict.kind, fields: conflict.diverged.clone() }
    }
}

impl From<&Skip> for SkipView {
    fn from(skip: &Skip) -> Self {
        let Skip { path, reason, kind, accepted_by } = skip;
        Self { path: path.clone(), reason: reason.clone(), kind: *kind, accepted_by: accepted_by.clone() }
    }
}

impl From<&Halt> for HaltView {
    fn from(halt: &Halt) -> Self {
        let detail = match halt.kind {
            HaltKind::License => format!("{}: {}", halt.detail, advice::worded(&ToDo::InstallLicense.into())),
            _ => halt.detail.clone(),
        };
        Self { kind: halt.kind, detail }
    }
}

impl From<&PlannedDecision> for PlannedDecisionView {
    fn from(planned: &PlannedDecision) -> Self {
        let PlannedDecision { path, conflict_id, resolution, reason: _ } = planned;
        Self { path: path.to_string(), conflict_id: conflict_id.0, resolution: *resolution }
    }
}

impl From<&Restricted> for RestrictedView {
    fn from(restricted: &Restricted) -> Self {
        Self {
            paths: restricted.paths.iter().map(ToString::to_string).collect(),
            elsewhere: CountsView::from(&restricted.elsewhere),
            held_elsewhere: restricted.held_elsewhere.iter().map(HaltView::from).collect(),
        }
    }
}

impl From<&AcceptedDifference> for AcceptedView {
    fn from(accepted: &AcceptedDifference) -> Self {
        Self { path: accepted.path.to_string(), by: accepted.by.clone(), at: moment::of(accepted.at) }
    }
}
