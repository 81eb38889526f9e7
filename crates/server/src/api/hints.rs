//! Hints: where a secret changed in Vault.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{HintScopeView, Hints, HintsView, ListView};
use vaultterm_operations::{Caller, Services, hints};

use super::list::{PageQuery, listed};
use crate::{
    problem::Problem,
    request::{Body, Id, Parameters},
};

/// Takes hints about what changed in Vault. They wait until a run has looked there, and are never believed further than that.
/// Several hints for one path are one. More than 10,000 paths become a look at everything. Hints are not in the audit log.
#[utoipa::path(post, path = "/connections/{id}/hints", tag = "sync", request_body = Hints, params(("id" = Uuid, Path)),
    responses((status = 202, body = HintsView), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn add(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Hints>,
) -> Result<(StatusCode, Json<HintsView>), Problem> {
    let Hints { paths, writer, changes, everything } = body;
    let changes = changes.into_iter().map(|change| hints::Change {
        path: change.path,
        writer: change.writer,
        version: change.version,
        at: change.at,
    });
    let told = hints::Told { paths, writer, changes: changes.collect(), everything };
    let hints::Accepted { accepted, now } = hints::add(&services, &caller, id, told).await?;
    let view = HintsView { accepted, waiting: now.waiting, everything: now.everything };
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// Lists the connections for which the caller may send hints, with their places in Vault, by name.
#[utoipa::path(get, path = "/hints/scopes", tag = "sync", params(PageQuery),
    responses((status = 200, body = ListView<HintScopeView>)))]
pub(crate) async fn scopes(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<HintScopeView>>, Problem> {
    Ok(listed(hints::scopes(&services, &caller, query.part()).await?, |connection| HintScopeView {
        connection_id: connection.id.0,
        name: connection.name.clone(),
        address: connection.address.clone(),
        namespace: connection.namespace.clone(),
        mount: connection.mount.clone(),
        path: connection.path.clone(),
    }))
}
