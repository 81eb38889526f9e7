//! One answer for all conflicts of a kind: a plan that a person looks at first.

use axum::{extract::State, response::Response};
use vaultterm_operations::conflicts;

use crate::{
    request::Id,
    state::ServerState,
    web::{form::Pairs, page::go_to, refused::Refused, visitor::Visitor},
};

/// `POST /conflicts/{id}/alike`
pub(crate) async fn plan(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let reason = Some(pairs.text("reason").trim().to_owned()).filter(|reason| !reason.is_empty());
    let planned = conflicts::plan_alike(&app, &visitor.caller, id, pairs.text("resolution"), reason).await?;
    Ok(go_to(&format!("/plans/{}", planned.plan.id.0)))
}
