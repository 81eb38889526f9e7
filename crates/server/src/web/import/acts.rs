//! What a person does with a preview: imports what they saw, or throws it away.

use std::time::Duration;

use axum::{extract::State, response::Response};
use vaultterm_exchange::{Duplicates, ImportState};
use vaultterm_operations::{RefusalKind, imports};

use super::show::{address, again};
use crate::{
    request::Id,
    state::ServerState,
    web::{form::Pairs, link::Query as Address, page::go_to, refused::Refused, visitor::Visitor},
};

/// How long a browser waits for an import. One that takes longer goes on, and its page tells how far it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// `POST /imports/{id}`: imports what the person saw, or shows what would happen now. The same form sent twice imports once.
pub(crate) async fn commit(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let duplicates = pairs.text("duplicates").parse().unwrap_or(Duplicates::Skip);
    let plan = pairs.text("plan");
    let committed = imports::commit_within(&app, &visitor.caller, id, duplicates, plan, PATIENCE).await;
    let Err(refusal) = committed else { return Ok(go_to(&address(id))) };
    if !matches!(refusal.kind, RefusalKind::Stale | RefusalKind::Refused) {
        return Err(Refused(refusal));
    }
    if imports::progress(&app, id).is_some() {
        return Ok(go_to(&address(id)));
    }
    let review = imports::review(&app, &visitor.caller, id, duplicates).await?;
    if review.import.state != ImportState::Reviewed {
        return Ok(go_to(&address(id)));
    }
    again(&app, &visitor, id, duplicates, &refusal).await
}

/// `POST /imports/{id}/discard`
pub(crate) async fn discard(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    imports::discard(&app, &visitor.caller, id).await?;
    Ok(go_to(&Address::default().with("discarded", 1).on("/import")))
}
