//! The audit log as a whole: its checkpoints, its public keys, and removing its beginning.

use axum::{Json, extract::State};
use vaultterm_contract::{AuditKeysView, CheckpointView, ListView, Prune, PrunedView};
use vaultterm_operations::{Caller, Services, audit};

use super::list::{PageQuery, listed};
use crate::{
    problem::Problem,
    request::{Body, Parameters},
    view,
};

/// Lists the checkpoints that are kept, the smallest first.
#[utoipa::path(get, path = "/audit/checkpoints", tag = "audit", params(PageQuery),
    responses((status = 200, body = ListView<CheckpointView>)))]
pub(crate) async fn checkpoints(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<CheckpointView>>, Problem> {
    Ok(listed(audit::checkpoints(&services, &caller, query.part()).await?, view::checkpoint))
}

/// Shows the public keys that checkpoints are verified with. Keep one outside of this server.
#[utoipa::path(get, path = "/audit/keys", tag = "audit", responses((status = 200, body = AuditKeysView)))]
pub(crate) async fn keys(State(services): State<Services>, caller: Caller) -> Result<Json<AuditKeysView>, Problem> {
    let keys = audit::keys(&services, &caller).await?;
    Ok(Json(AuditKeysView { keys: keys.iter().map(view::audit_key).collect() }))
}

/// Removes the beginning of the log, up to the newest checkpoint that covers only what is older;
/// audited. What is left still verifies.
#[utoipa::path(post, path = "/audit/prune", tag = "audit", request_body = Prune,
    responses((status = 200, body = PrunedView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn prune(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<Prune>,
) -> Result<Json<PrunedView>, Problem> {
    let pruned = audit::prune(&services, &caller, &body.before).await?;
    Ok(Json(PrunedView {
        pruned: pruned.map_or(0, |pruned| pruned.entries),
        size: pruned.map(|pruned| pruned.size),
        root: pruned.map(|pruned| hex::encode(pruned.root)),
    }))
}
