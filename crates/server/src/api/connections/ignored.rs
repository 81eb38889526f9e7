//! Secrets that can never be taken over under their names, and that somebody accepted to be left out.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vaultterm_operations::{Caller, Services, connections::ignored};
use vaultterm_store::IgnoredPath;

use crate::{
    moment,
    problem::Problem,
    request::{Body, Id, Parameters},
};

/// A name in Vault that is left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IgnoredView {
    /// The name below the connection's path, exactly as Vault lists it.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    accepted_by: String,
    accepted_at: String,
}

impl IgnoredView {
    fn of(ignored: IgnoredPath) -> Self {
        let IgnoredPath { path, reason, accepted_by, accepted_us } = ignored;
        Self { path, reason, accepted_by, accepted_at: moment::of_us(accepted_us) }
    }
}

/// What a connection leaves out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IgnoredList {
    items: Vec<IgnoredView>,
}

/// A name to leave out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ignore {
    /// The name below the connection's path, exactly as the plan shows it.
    path: String,
    /// Why, for whoever looks later.
    reason: Option<String>,
}

/// Which name.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// The name below the connection's path, exactly as it was accepted. Needed.
    path: Option<String>,
}

/// Lists the names in Vault that somebody accepted to be left out.
#[utoipa::path(get, path = "/connections/{id}/ignored", tag = "connections", params(("id" = Uuid, Path)),
    responses((status = 200, body = IgnoredList), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<IgnoredList>, Problem> {
    let found = ignored::list(&services, &caller, id).await?;
    Ok(Json(IgnoredList { items: found.into_iter().map(IgnoredView::of).collect() }))
}

/// Accepts that a secret is left out because it can never be taken over under its name. Runs then end
/// as if it were not there; plans go on showing it.
#[utoipa::path(put, path = "/connections/{id}/ignored", tag = "connections", request_body = Ignore,
    params(("id" = Uuid, Path)), responses((status = 200, body = IgnoredView), (status = 422, body = Problem)))]
pub(crate) async fn accept(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Ignore>,
) -> Result<Json<IgnoredView>, Problem> {
    let Ignore { path, reason } = body;
    Ok(Json(IgnoredView::of(ignored::accept(&services, &caller, id, &path, reason.as_deref()).await?)))
}

/// Takes back that a secret is left out: runs end as `partial` again for as long as it cannot be taken over.
#[utoipa::path(delete, path = "/connections/{id}/ignored", tag = "connections",
    params(("id" = Uuid, Path), Which), responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn take_back(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(which): Parameters<Which>,
) -> Result<StatusCode, Problem> {
    ignored::take_back(&services, &caller, id, which.path.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
