//! Plans: what a run would do, stored so that it can be applied exactly as shown. No values.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{Nothing, PlanBody, PlanView};
use vaultterm_operations::{
    Caller, Services,
    plans::{self, Planned},
};

use crate::{
    problem::Problem,
    request::{Body, Id},
};

fn shown(Planned { plan, license }: &Planned) -> PlanView {
    PlanView::of(plan, license.as_ref())
}

/// Looks at both sides and stores what a run would do, everywhere or at some paths only. Writes nothing on either side.
#[utoipa::path(post, path = "/connections/{id}/plans", tag = "sync", request_body = PlanBody,
    params(("id" = Uuid, Path)), responses((status = 201, body = PlanView), (status = 502, body = Problem)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(PlanBody { paths }): Body<PlanBody>,
) -> Result<(StatusCode, Json<PlanView>), Problem> {
    let planned = plans::create(&services, &caller, id, &paths).await?;
    Ok((StatusCode::CREATED, Json(shown(&planned))))
}

/// Shows a stored plan.
#[utoipa::path(get, path = "/plans/{id}", tag = "sync", params(("id" = Uuid, Path)),
    responses((status = 200, body = PlanView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<PlanView>, Problem> {
    Ok(Json(shown(&plans::show(&services, &caller, id).await?)))
}

/// Discards a stored plan: from now on nobody can apply it.
#[utoipa::path(post, path = "/plans/{id}/discard", tag = "sync", request_body = Nothing, params(("id" = Uuid, Path)),
    responses((status = 200, body = PlanView), (status = 404, body = Problem)))]
pub(crate) async fn discard(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<PlanView>, Problem> {
    Ok(Json(shown(&plans::discard(&services, &caller, id).await?)))
}
