//! Plans: what a run would do, stored so that it can be applied exactly as shown. No values.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_operations::{
    Caller, Services,
    conflicts::{local_revision, remote_version},
    plans::{self, Planned},
};
use vaultterm_reconcile::{AcceptedDifference, Action, Conflict, Counts, Halt, Skip, Step, Version};

use crate::{
    moment,
    problem::Problem,
    request::{Body, Id},
};

/// A stored plan.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanView {
    id: Uuid,
    connection_id: Uuid,
    counts: CountsView,
    steps: Vec<StepView>,
    conflicts: Vec<PlannedConflictView>,
    skips: Vec<SkipView>,
    /// Paths whose sides differ because a person accepted that. Nothing happens there.
    accepted: Vec<AcceptedView>,
    halts: Vec<HaltView>,
    /// What the connection's options risk. Nothing is stopped by it.
    warnings: Vec<String>,
    created_at: String,
    /// Until when it may be applied.
    expires_at: String,
}

/// A path whose sides differ because a person accepted that.
#[derive(Serialize, ToSchema)]
pub(crate) struct AcceptedView {
    path: String,
    /// Who accepted it.
    by: String,
    at: String,
}

impl AcceptedView {
    fn of(accepted: &AcceptedDifference) -> Self {
        Self { path: accepted.path.to_string(), by: accepted.by.clone(), at: moment::of(accepted.at) }
    }
}

/// How much of everything.
#[derive(Debug, Serialize, ToSchema)]
#[allow(missing_docs, reason = "the names say it all")]
pub(crate) struct CountsView {
    created_remote: u64,
    updated_remote: u64,
    deleted_remote: u64,
    created_local: u64,
    updated_local: u64,
    deleted_local: u64,
    adopted: u64,
    unchanged: u64,
    /// Paths whose sides differ because a person accepted that.
    accepted: u64,
    conflicts: u64,
    skipped: u64,
    failed: u64,
    stale: u64,
}

impl CountsView {
    pub(crate) fn of(counts: &Counts) -> Self {
        Self {
            created_remote: counts.created_remote,
            updated_remote: counts.updated_remote,
            deleted_remote: counts.deleted_remote,
            created_local: counts.created_local,
            updated_local: counts.updated_local,
            deleted_local: counts.deleted_local,
            adopted: counts.adopted,
            unchanged: counts.unchanged,
            accepted: counts.accepted,
            conflicts: counts.conflicts,
            skipped: counts.skipped,
            failed: counts.failed,
            stale: counts.stale,
        }
    }
}

/// One thing to do at one path.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepView {
    path: String,
    /// `create_remote`, `update_remote`, `delete_remote`, `move_remote`, `create_local`, …
    action: &'static str,
    /// Why, in a sentence.
    reason: &'static str,
    /// The path before, of a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    fields: Vec<FieldChangeView>,
    expect: ExpectView,
    /// Versions that the write makes Vault erase: they are kept as revisions of the record first,
    /// unless a revision holds the same already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    versions_kept_first: Vec<u64>,
}

/// A field that a step changes.
#[derive(Serialize, ToSchema)]
pub(crate) struct FieldChangeView {
    name: String,
    /// `added`, `changed` or `removed`.
    change: &'static str,
}

/// The states that a step or a decision holds for.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExpectView {
    #[serde(skip_serializing_if = "Option::is_none")]
    local_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_version: Option<u64>,
}

impl StepView {
    pub(crate) fn of(step: &Step, kept: Option<&Vec<Version>>) -> Self {
        let from = match &step.action {
            Action::MoveRemote { from, .. } | Action::CopyLocal { from } => Some(from.as_str().to_owned()),
            _ => None,
        };
        let fields = step.fields.iter();
        Self {
            path: step.path.as_str().to_owned(),
            action: step.action.as_str(),
            reason: step.reason.sentence(),
            from,
            fields: fields.map(|f| FieldChangeView { name: f.name.clone(), change: f.change.as_str() }).collect(),
            expect: ExpectView {
                local_revision: local_revision(&step.expect),
                remote_version: remote_version(&step.expect),
            },
            versions_kept_first: kept.into_iter().flatten().map(|version| version.0).collect(),
        }
    }
}

/// A path that a person has to decide on.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlannedConflictView {
    path: String,
    kind: &'static str,
    fields: Vec<String>,
}

/// A path that is left alone, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct SkipView {
    path: String,
    reason: String,
    /// `passing`: a later run may go on by itself. `left_out`: the secret can never be taken over under
    /// its name. `waits`: a person has to make room in Vault first.
    kind: &'static str,
    /// Who accepted that it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_by: Option<String>,
}

/// Why nothing is written until a person acknowledged it.
#[derive(Serialize, ToSchema)]
pub(crate) struct HaltView {
    /// `mass_deletion`, `side_emptied`, `rewound`, `remote_replaced`, `scope_changed` or `license`; the
    /// last one cannot be acknowledged.
    kind: &'static str,
    detail: String,
}

impl HaltView {
    pub(crate) fn of(halt: &Halt) -> Self {
        Self { kind: halt.kind.as_str(), detail: halt.detail.clone() }
    }
}

impl PlanView {
    fn of(planned: &Planned) -> Self {
        let Planned { plan: stored, license } = planned;
        let plan = &stored.plan;
        let conflict = |conflict: &Conflict| PlannedConflictView {
            path: conflict.path.as_str().to_owned(),
            kind: conflict.kind.as_str(),
            fields: conflict.diverged.clone(),
        };
        let skip = |skip: &Skip| SkipView {
            path: skip.path.clone(),
            reason: skip.reason.clone(),
            kind: skip.kind.as_str(),
            accepted_by: skip.accepted_by.clone(),
        };
        Self {
            id: stored.id.0,
            connection_id: stored.connection_id.0,
            counts: CountsView::of(&plan.counts()),
            steps: plan.steps.iter().map(|step| StepView::of(step, plan.kept_first.get(&step.path))).collect(),
            conflicts: plan.conflicts.iter().map(conflict).collect(),
            skips: plan.skips.iter().map(skip).collect(),
            accepted: plan.accepted.iter().map(AcceptedView::of).collect(),
            halts: plan.halts.iter().chain(license).map(HaltView::of).collect(),
            warnings: plan.warnings.clone(),
            created_at: moment::of(stored.created),
            expires_at: moment::of(stored.expires),
        }
    }
}

/// A body without fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Looks at both sides and stores what a run would do. Writes nothing on either side.
#[utoipa::path(post, path = "/connections/{id}/plans", tag = "sync", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 201, body = PlanView), (status = 502, body = Problem)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<(StatusCode, Json<PlanView>), Problem> {
    let planned = plans::create(&services, &caller, id).await?;
    Ok((StatusCode::CREATED, Json(PlanView::of(&planned))))
}

/// Shows a stored plan.
#[utoipa::path(get, path = "/plans/{id}", tag = "sync", params(("id" = Uuid, Path)),
    responses((status = 200, body = PlanView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<PlanView>, Problem> {
    Ok(Json(PlanView::of(&plans::show(&services, &caller, id).await?)))
}
