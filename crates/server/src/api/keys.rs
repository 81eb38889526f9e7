//! The keys: how they are, and their rotation.

use axum::{Json, extract::State};
use vaultterm_contract::{KeyView, KeysView, Rotate, SealedView, moment};
use vaultterm_hcv::{Binding, TransitCiphertext};
use vaultterm_operations::{
    Caller, Services,
    keys::{self, Keys},
};
use vaultterm_store::KeyringStatus;

use crate::{problem::Problem, request::Body};

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
        purpose: key.purpose,
        generation: key.generation,
        state: key.state,
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
