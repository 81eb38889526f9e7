//! Differences between a record and its secret that people accepted.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vaultterm_operations::{Caller, Services, connections::accepted};
use vaultterm_store::AcceptedDifference;

use crate::{
    moment,
    problem::Problem,
    request::{Id, Parameters},
};

/// A path whose two sides differ because a person accepted that.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedDifferenceView {
    /// The path below the connection's own.
    path: String,
    accepted_by: String,
    accepted_at: String,
}

impl AcceptedDifferenceView {
    fn of(difference: AcceptedDifference) -> Self {
        let AcceptedDifference { path, accepted_by, accepted_us } = difference;
        Self { path, accepted_by, accepted_at: moment::of_us(accepted_us) }
    }
}

/// The accepted differences of a connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedDifferenceList {
    items: Vec<AcceptedDifferenceView>,
}

/// Which path.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reopened {
    /// The path below the connection's own. Needed.
    path: Option<String>,
}

/// Lists the paths whose record and secret differ because a person accepted that.
#[utoipa::path(get, path = "/connections/{id}/accepted", tag = "connections", params(("id" = Uuid, Path)),
    responses((status = 200, body = AcceptedDifferenceList), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<AcceptedDifferenceList>, Problem> {
    let found = accepted::list(&services, &caller, id).await?;
    Ok(Json(AcceptedDifferenceList { items: found.into_iter().map(AcceptedDifferenceView::of).collect() }))
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
