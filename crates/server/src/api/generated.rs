//! Values that the caller had generated.

use axum::{Json, extract::State};
use vaultterm_contract::{Generate, GeneratedValueView, GeneratedView, ListView, Nothing, moment};
use vaultterm_operations::{Caller, Services, generator};
use vaultterm_sealing::PasswordRules;
use vaultterm_store::GeneratedValue;

use crate::{
    idempotency::Shown,
    problem::Problem,
    request::{Body, Id},
};

fn view(kept: &GeneratedValue) -> GeneratedView {
    GeneratedView { id: kept.id, created_at: moment::of_us(kept.created_us), value: None }
}

/// Generates a password. It is kept for its person, sealed, for a day.
#[utoipa::path(post, path = "/generated", tag = "records", request_body = Generate,
    responses((status = 200, body = GeneratedView), (status = 422, body = Problem)))]
pub(crate) async fn generate(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<Generate>,
) -> Result<Shown<GeneratedView>, Problem> {
    let usual = PasswordRules::default();
    let length = body.length.unwrap_or(usual.length);
    let rules = PasswordRules { length, symbols: !body.no_symbols, ambiguous: !body.no_ambiguous };
    let made = generator::generate(&services, &caller, rules).await?;
    Ok(Shown(GeneratedView { value: Some(made.value), ..view(&made.kept) }))
}

/// Lists the values that the caller had generated within a day, the newest first, without the values.
#[utoipa::path(get, path = "/generated", tag = "records", responses((status = 200, body = ListView<GeneratedView>)))]
pub(crate) async fn recent(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Json<ListView<GeneratedView>>, Problem> {
    let kept = generator::recent(&services, &caller).await?;
    Ok(Json(ListView { items: kept.iter().map(view).collect(), next_cursor: None }))
}

/// Shows a value that the caller had generated within a day.
#[utoipa::path(post, path = "/generated/{id}/reveal", tag = "records", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = GeneratedValueView), (status = 404, body = Problem)))]
pub(crate) async fn reveal(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Shown<GeneratedValueView>, Problem> {
    Ok(Shown(GeneratedValueView { value: generator::reveal(&services, &caller, id).await? }))
}
