//! The audit log as a whole: its checkpoints, its public keys, and removing its beginning.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_operations::{Caller, Services, audit};
use vaultterm_store::{AuditKey, StoredCheckpoint};

use super::{
    audit::hex,
    list::{ListView, PageQuery, listed},
};
use crate::{
    moment,
    problem::Problem,
    request::{Body, Parameters},
};

/// What the log was at one size, signed.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckpointView {
    /// How many entries it covers.
    size: u64,
    /// The root of the tree over them, hexadecimal.
    root: String,
    /// Counts restores of the installation, from 1.
    epoch: u64,
    /// The highest counter of a license that was seen.
    license_counter: u64,
    /// The key that signed it.
    key_id: Uuid,
    created_at: String,
    /// The signed note, verbatim.
    note: String,
}

impl CheckpointView {
    fn of(stored: &StoredCheckpoint) -> Self {
        let said = &stored.checkpoint;
        Self {
            size: said.size,
            root: hex(&said.root),
            epoch: said.epoch,
            license_counter: said.license_counter,
            key_id: stored.key_id,
            created_at: moment::of_us(stored.created_us),
            note: stored.note.clone(),
        }
    }
}

/// Lists the checkpoints that are kept, the smallest first.
#[utoipa::path(get, path = "/audit/checkpoints", tag = "audit", params(PageQuery),
    responses((status = 200, body = ListView<CheckpointView>)))]
pub(crate) async fn checkpoints(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<CheckpointView>>, Problem> {
    Ok(listed(audit::checkpoints(&services, &caller, query.part()).await?, CheckpointView::of))
}

/// The public keys of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditKeysView {
    /// The oldest first; the one in use last.
    keys: Vec<AuditKeyView>,
}

/// One of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditKeyView {
    /// The key in the text form of signed notes: name, id, key.
    vkey: String,
    key_id: Uuid,
    /// It signs; the others only did.
    active: bool,
    created_at: String,
}

impl From<AuditKey> for AuditKeyView {
    fn from(key: AuditKey) -> Self {
        let AuditKey { key_id, vkey, active, created_us } = key;
        Self { vkey: vkey.to_string(), key_id, active, created_at: moment::of_us(created_us) }
    }
}

/// Shows the public keys that checkpoints are verified with. Keep one outside of this server.
#[utoipa::path(get, path = "/audit/keys", tag = "audit", responses((status = 200, body = AuditKeysView)))]
pub(crate) async fn keys(State(services): State<Services>, caller: Caller) -> Result<Json<AuditKeysView>, Problem> {
    let keys = audit::keys(&services, &caller).await?;
    Ok(Json(AuditKeysView { keys: keys.into_iter().map(AuditKeyView::from).collect() }))
}

/// What to remove.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prune {
    /// Entries from before this moment, RFC 3339: not younger than `VAULTTERM_AUDIT_KEEP_DAYS`.
    before: String,
}

/// What was removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct PrunedView {
    /// How many entries went.
    pruned: u64,
    /// The size of the log up to which they are gone; null when none went.
    size: Option<u64>,
    /// The root of the tree over all that is gone, hexadecimal.
    root: Option<String>,
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
        root: pruned.map(|pruned| hex(&pruned.root)),
    }))
}
