//! The passkeys of the person, on the page of their second factor.

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde_json::json;
use uuid::Uuid;
use vaultterm_operations::{Refusal, passkeys};
use vaultterm_store::StoredPasskey;

use crate::{
    state::ServerState,
    web::{
        form::Pairs,
        page::go_to,
        passkey::{asked, site},
        refused::Refused,
        visitor::Visitor,
        words::Moment,
    },
};

/// A passkey in the list.
#[derive(Clone, Debug)]
pub(super) struct PasskeyRow {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) host: String,
    pub(super) made: Moment,
    pub(super) used: Option<Moment>,
}

/// Makes the row of a passkey.
pub(super) fn row(passkey: StoredPasskey, now_us: i64) -> PasskeyRow {
    PasskeyRow {
        id: passkey.id,
        name: passkey.name,
        host: passkey.host,
        made: Moment::seen(passkey.made_us, now_us),
        used: passkey.used_us.map(|us| Moment::seen(us, now_us)),
    }
}

/// `POST /me/passkeys/ask`: asks for a new passkey.
pub(crate) async fn ask(
    State(app): State<ServerState>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    Ok(asked(passkeys::begin(&app, &visitor.caller, &site(&headers)?).await?))
}

/// `POST /me/passkeys`: stores the passkey that the authenticator made.
pub(crate) async fn make(
    State(app): State<ServerState>,
    visitor: Visitor,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let question = pairs.text("question").parse().unwrap_or_default();
    let (site, answer, name) = (site(&headers)?, pairs.text("answer"), pairs.text("name"));
    passkeys::finish(&app, &visitor.caller, &site, question, answer, name).await?;
    Ok(Json(json!({ "next": "/me/factors?passkey=1" })).into_response())
}

/// `POST /me/passkeys/remove`
pub(crate) async fn remove(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let id = pairs.text("id").parse().map_err(|_| Refused(Refusal::not_found("passkey")))?;
    passkeys::remove(&app, &visitor.caller, id).await?;
    Ok(go_to("/me/factors"))
}
