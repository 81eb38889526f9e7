//! Secrets that can never be taken over under their names, and that somebody accepted to be left out.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use vaultterm_contract::{Ignore, IgnoredList, IgnoredView};
use vaultterm_operations::{Caller, Services, connections::ignored};

use crate::{
    problem::Problem,
    request::{Body, Id, Parameters},
    view,
};

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
    Ok(Json(IgnoredList { items: found.into_iter().map(view::ignored).collect() }))
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
    Ok(Json(view::ignored(ignored::accept(&services, &caller, id, &path, reason.as_deref()).await?)))
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
