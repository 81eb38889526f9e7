//! What a person does with a plan: ticks, applies, discards.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use uuid::Uuid;
use vaultterm_operations::{
    plans::{self, Chosen},
    runs,
};

use super::sum::{Sum, sum, unticked};
use crate::{
    request::Id,
    state::ServerState,
    web::{
        form::Pairs,
        page::{asks_json, go_to},
        refused::Refused,
        visitor::Visitor,
    },
};

/// The word that a person types before more is deleted than the budget of the connection allows.
const WORD: &str = "delete";

/// Reads the ticks of a form.
async fn ticks(app: &ServerState, visitor: &Visitor, id: Uuid, pairs: &Pairs) -> Result<Ticks, Refused> {
    let whole = plans::show(app, &visitor.caller, id).await?;
    let skip = unticked(&whole.plan.plan, pairs);
    let list: Vec<String> = skip.iter().cloned().collect();
    let chosen = plans::without(app, &visitor.caller, id, &list).await?;
    Ok(Ticks { sum: sum(id, &chosen, &skip), chosen, skip })
}

struct Ticks {
    chosen: Chosen,
    skip: BTreeSet<String>,
    sum: Sum,
}

/// `POST /plans/{id}/ticks`: counts what is left with these ticks. Nothing is stored.
pub(crate) async fn count(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let Ticks { sum, .. } = ticks(&app, &visitor, id, &pairs).await?;
    if !asks_json(&headers) {
        return Ok(go_to(&sum.address));
    }
    let texts = json!({ "foot": sum.foot, "button": sum.button, "deletions": sum.deletions.unwrap_or(0).to_string() });
    let needs_word = sum.deletions.is_some();
    let answer = json!({
        "texts": texts, "address": sum.address, "counted": sum.counted, "word": needs_word, "nothing": sum.steps == 0,
    });
    Ok(Json(answer).into_response())
}

/// `POST /plans/{id}/apply`: starts the run that carries the ticked steps out, if they are the ones that were counted.
pub(crate) async fn apply(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let Ticks { chosen, skip, sum } = ticks(&app, &visitor, id, &pairs).await?;
    if pairs.text("counted") != sum.counted {
        return Ok(go_to(&sum.told("ticks")));
    }
    let mut acknowledge: Vec<String> = pairs.all("acknowledge").map(str::to_owned).collect();
    if sum.deletions.is_some() {
        if !pairs.text("word").trim().eq_ignore_ascii_case(WORD) {
            return Ok(go_to(&sum.told("word")));
        }
        acknowledge.push("mass_deletion".to_owned());
    }
    let start =
        runs::Start { plan_id: Some(id), skip: skip.into_iter().collect(), acknowledge, ..runs::Start::default() };
    let run = runs::start(&app, &visitor.caller, chosen.whole.plan.connection_id.0, start).await?;
    Ok(go_to(&format!("/runs/{}", run.id.0)))
}

/// `POST /plans/{id}/discard`: from now on nobody can apply the plan.
pub(crate) async fn discard(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let discarded = plans::discard(&app, &visitor.caller, id).await?;
    Ok(go_to(&format!("/connections/{}", discarded.plan.connection_id.0)))
}

impl Sum {
    /// Returns the address of the page that says why nothing was applied.
    fn told(&self, what: &str) -> String {
        let before = if self.address.contains('?') { '&' } else { '?' };
        format!("{}{before}told={what}", self.address)
    }
}
