//! Secrets that can never be taken over under their names, and that somebody accepted to be left out.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vaultterm_store::{CollectionRole, IgnoredPath, Scope};

use super::LOOK;
use crate::{
    app::App,
    caller::Caller,
    moment,
    problem::Problem,
    request::{Body, Id, Parameters},
};

/// Bytes of a name, and characters of a reason, at most.
const PATH_BYTES_MAX: usize = 4_096;
const REASON_CHARS_MAX: usize = 1_000;

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
pub(crate) async fn list(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Json<IgnoredList>, Problem> {
    app.need_any_scope(&caller, &LOOK).await?;
    let found = app.connection_for(&caller, id, CollectionRole::Viewer).await?;
    let ignored = app.store.ignored_paths(found.connection.id).await?;
    Ok(Json(IgnoredList { items: ignored.into_iter().map(IgnoredView::of).collect() }))
}

/// Accepts that a secret is left out because it can never be taken over under its name. Runs then end
/// as if it were not there; plans go on showing it.
#[utoipa::path(put, path = "/connections/{id}/ignored", tag = "connections", request_body = Ignore,
    params(("id" = Uuid, Path)), responses((status = 200, body = IgnoredView), (status = 422, body = Problem)))]
pub(crate) async fn accept(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Ignore>,
) -> Result<Json<IgnoredView>, Problem> {
    app.need_scope(&caller, Scope::ConnectionsWrite).await?;
    let found = app.connection_for(&caller, id, CollectionRole::Admin).await?;
    let Ignore { path, reason } = body;
    if path.is_empty() || path.len() > PATH_BYTES_MAX || path.chars().any(char::is_control) {
        return Err(Problem::field("path", "expected the name of a secret, as the plan shows it"));
    }
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX || reason.contains('\0')) {
        return Err(Problem::field("reason", format!("expected at most {REASON_CHARS_MAX} characters")));
    }
    let context = caller.context(&app);
    let ignored = app.store.ignore_path(&context, found.connection.id, &path, reason.as_deref()).await?;
    Ok(Json(IgnoredView::of(ignored)))
}

/// Takes back that a secret is left out: runs end as `partial` again for as long as it cannot be taken over.
#[utoipa::path(delete, path = "/connections/{id}/ignored", tag = "connections",
    params(("id" = Uuid, Path), Which), responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn take_back(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(which): Parameters<Which>,
) -> Result<StatusCode, Problem> {
    app.need_scope(&caller, Scope::ConnectionsWrite).await?;
    let found = app.connection_for(&caller, id, CollectionRole::Admin).await?;
    let path = which.path.ok_or_else(|| Problem::field("path", "is missing: name what was accepted"))?;
    app.store.stop_ignoring(&caller.context(&app), found.connection.id, &path).await?;
    Ok(StatusCode::NO_CONTENT)
}
