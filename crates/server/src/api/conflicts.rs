//! Conflicts: shown masked, revealed on request, decided by a person.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use vaultterm_contract::{
    ConflictView, Expected, FieldDecision, ListView, Nothing, PlanView, Resolve, ResolveAlike, RevealedConflictView,
    RevealedFieldView, shown_fields,
};
use vaultterm_operations::{
    Caller, Part, Services,
    conflicts::{self, Decided, Revealed},
};
use vaultterm_sealing::SecretFields;

use super::list::listed;
use crate::{
    idempotency::Shown,
    problem::Problem,
    request::{Body, Id, Parameters},
    view,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConflictQuery {
    connection_id: Option<Uuid>,
    /// `open`, `resolved` or `converged`; all unless told.
    status: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists conflicts by path.
#[utoipa::path(get, path = "/conflicts", tag = "conflicts", params(ConflictQuery),
    responses((status = 200, body = ListView<ConflictView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<ConflictQuery>,
) -> Result<Json<ListView<ConflictView>>, Problem> {
    let ConflictQuery { connection_id, status, limit, cursor } = query;
    let part = Part { limit, cursor };
    let found = conflicts::list(&services, &caller, connection_id, status.as_deref(), part).await?;
    Ok(listed(found, view::conflict))
}

/// Shows a conflict, masked.
#[utoipa::path(get, path = "/conflicts/{id}", tag = "conflicts", params(("id" = Uuid, Path)),
    responses((status = 200, body = ConflictView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ConflictView>, Problem> {
    Ok(Json(view::conflict(&conflicts::show(&services, &caller, id).await?)))
}

/// Shows the values of the three states; audited before the answer. The remote one is read from
/// Vault now, in the version the conflict is about. Any `inject_only` record among those it shows answers 403.
#[utoipa::path(post, path = "/conflicts/{id}/reveal", tag = "conflicts", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = RevealedConflictView), (status = 403, body = Problem),
    (status = 409, body = Problem)))]
pub(crate) async fn reveal(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Shown<RevealedConflictView>, Problem> {
    let Revealed { conflict, base, local, remote } = conflicts::reveal(&services, &caller, id).await?;
    let value = |fields: &Option<SecretFields>, name: &str| fields.as_ref()?.expose().get(name).cloned();
    let fields = shown_fields(&conflict.conflict).into_iter().map(|name| RevealedFieldView {
        base: value(&base, &name),
        local: value(&local, &name),
        remote: value(&remote, &name),
        name,
    });
    Ok(Shown(RevealedConflictView { fields: fields.collect() }))
}

/// Carries out a person's decision at once. Refused as `stale` when a side moved since; the conflict then shows what
/// both sides hold now.
#[utoipa::path(post, path = "/conflicts/{id}/resolve", tag = "conflicts", request_body = Resolve,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConflictView), (status = 409, body = Problem)))]
pub(crate) async fn resolve(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Resolve>,
) -> Result<Json<ConflictView>, Problem> {
    let Resolve { resolution, fields, reason, expect: Expected { local_revision, remote_version } } = body;
    let decision = |FieldDecision { take, value }| conflicts::FieldDecision { take, value };
    let fields = fields.into_iter().map(|(name, chosen)| (name, decision(chosen))).collect();
    let decided = Decided { resolution, fields, reason, local_revision, remote_version };
    Ok(Json(view::conflict(&conflicts::resolve(&services, &caller, id, decided).await?)))
}

/// Makes a plan that decides every open conflict of the same connection and kind with the same answer. Nothing is
/// decided before the plan is applied.
#[utoipa::path(post, path = "/conflicts/{id}/plans", tag = "conflicts", request_body = ResolveAlike,
    params(("id" = Uuid, Path)), responses((status = 201, body = PlanView), (status = 409, body = Problem)))]
pub(crate) async fn plan_alike(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<ResolveAlike>,
) -> Result<(StatusCode, Json<PlanView>), Problem> {
    let ResolveAlike { resolution, reason } = body;
    let planned = conflicts::plan_alike(&services, &caller, id, &resolution, reason).await?;
    Ok((StatusCode::CREATED, Json(PlanView::of(&planned.plan, planned.license.as_ref()))))
}
