//! Differences between a record and its secret that people accepted.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use vaultterm_contract::AcceptedDifferenceList;
use vaultterm_operations::{Caller, Services, connections::accepted};

use crate::{
    problem::Problem,
    request::{Id, Parameters},
    view,
};

/// Which path.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reopened {
    /// The path below the connection's own. Needed.
    path: Option<String>,
}

/// Lists the paths at which record and secret differ, and a person accepted the difference.
#[utoipa::path(get, path = "/connections/{id}/accepted", tag = "connections", params(("id" = Uuid, Path)),
    responses((status = 200, body = AcceptedDifferenceList), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<AcceptedDifferenceList>, Problem> {
    let found = accepted::list(&services, &caller, id).await?;
    Ok(Json(AcceptedDifferenceList { items: found.into_iter().map(view::accepted).collect() }))
}

/// Opens an accepted difference again: the next run makes a conflict of it and changes neither side.
#[utoipa::path(delete, path = "/connections/{id}/accepted", tag = "connections",
    params(("id" = Uuid, Path), Reopened), responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn reopen(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(which): Parameters<Reopened>,
) -> Result<StatusCode, Problem> {
    accepted::reopen(&services, &caller, id, which.path.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
