//! The keys: how they are, and their rotation.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_hcv::{Binding, TransitCiphertext};
use vaultterm_operations::{
    Caller, Services,
    keys::{self, Keys},
};
use vaultterm_store::KeyringStatus;

use crate::{moment, problem::Problem, request::Body};

/// How the keys are. Never a key.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeysView {
    /// `local` or `hcv-transit`.
    provider: &'static str,
    /// Where the root key is kept: a file, or a Transit key.
    kept_at: String,
    /// The root key in use.
    root_key_id: Option<Uuid>,
    /// What Transit sealed of it, the newest first.
    sealed: Vec<SealedView>,
    /// The keys below the root key.
    keys: Vec<KeyView>,
    /// Values that a rotation of the record key has still to move.
    rewrap_pending: u64,
}

/// A sealed root key.
#[derive(Serialize, ToSchema)]
pub(crate) struct SealedView {
    root_key_id: Uuid,
    /// `context` (a derived key) or `associated_data`.
    binding: String,
    /// The version of the Transit key it is sealed under.
    #[serde(skip_serializing_if = "Option::is_none")]
    transit_key_version: Option<u32>,
    created_at: String,
}

/// A key of the keyring.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyView {
    id: Uuid,
    /// `record`, `digest`, `audit` or `token`.
    purpose: &'static str,
    generation: u32,
    /// `active` or `decrypt_only`.
    state: &'static str,
}

/// What to rotate.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotate {
    /// `root`, `record`, `audit`, or `transit` (seals the root key anew under the newest version).
    key: String,
}

/// Shows how the keys are.
#[utoipa::path(get, path = "/keys", tag = "keys", responses((status = 200, body = KeysView)))]
pub(crate) async fn show(State(services): State<Services>, caller: Caller) -> Result<Json<KeysView>, Problem> {
    Ok(Json(view(keys::show(&services, &caller).await?)))
}

/// Rotates a key. The record key's values are moved afterwards: `rewrap_pending` counts down.
#[utoipa::path(post, path = "/keys/rotate", tag = "keys", request_body = Rotate,
    responses((status = 200, body = KeysView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn rotate(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<Rotate>,
) -> Result<Json<KeysView>, Problem> {
    Ok(Json(view(keys::rotate(&services, &caller, &body.key).await?)))
}

fn view(found: Keys) -> KeysView {
    let Keys { provider, kept_at, keyring } = found;
    let KeyringStatus { root_id, keys, rewrap_pending, sealed } = keyring;
    let sealed = sealed.into_iter().map(|sealed| {
        let transit_key_version =
            TransitCiphertext { text: sealed.ciphertext, binding: Binding::Context }.key_version();
        SealedView {
            root_key_id: sealed.root_id.0,
            binding: sealed.binding,
            transit_key_version,
            created_at: moment::of_us(sealed.created_us),
        }
    });
    let keys = keys.into_iter().map(|key| KeyView {
        id: key.id,
        purpose: key.purpose.as_str(),
        generation: key.generation,
        state: key.state.as_str(),
    });
    KeysView {
        provider,
        kept_at,
        root_key_id: root_id.map(|id| id.0),
        sealed: sealed.collect(),
        keys: keys.collect(),
        rewrap_pending,
    }
}
