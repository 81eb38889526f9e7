//! `/records/{id}/reveal` and `/records/{id}/otp`: a value or a code, because a person asked for it. Audited before it
//! leaves. A script gets the value alone; without script the page comes again with the value in its place.

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use uuid::Uuid;
use vaultterm_operations::{
    Refusal,
    records::{self, TakeOut},
};
use zeroize::Zeroizing;

use super::show;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        form::Pairs,
        page::{asks_json, show as shown},
        refused::Refused,
        visitor::Visitor,
    },
};

/// `POST /records/{id}/reveal`
pub(crate) async fn reveal(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    headers: HeaderMap,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let name = pairs.text("field").to_owned();
    let value = value(&app, &visitor, id, &name).await?;
    if asks_json(&headers) {
        return Ok(Json(json!({ "value": value.as_str() })).into_response());
    }
    let mut page = show::page(&app, &visitor, id).await?;
    if let Some(field) = page.fields.iter_mut().find(|field| field.name == name) {
        field.value = Some(value);
        page.told = format!("{} is shown. Leave the page to mask it.", field.label);
    }
    Ok(shown(&page))
}

async fn value(app: &ServerState, visitor: &Visitor, id: Uuid, name: &str) -> Result<Zeroizing<String>, Refused> {
    let names = [name.to_owned()];
    let what = TakeOut { fields: Some(&names), ..TakeOut::default() };
    let taken = records::reveal(app, &visitor.caller, id, what).await?;
    match taken.expose().get(name) {
        Some(Value::String(text)) => Ok(Zeroizing::new(text.clone())),
        Some(other) => Ok(Zeroizing::new(serde_json::to_string(other).unwrap_or_default())),
        None => Err(Refused(Refusal::not_found("field"))),
    }
}

/// `POST /records/{id}/otp`
pub(crate) async fn otp(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let found = records::otp(&app, &visitor.caller, id).await?;
    if asks_json(&headers) {
        let answer = json!({ "code": found.code, "expires_in_seconds": found.expires_in_seconds });
        return Ok(Json(answer).into_response());
    }
    let mut page = show::page(&app, &visitor, id).await?;
    page.told = format!("The code holds for {} s.", found.expires_in_seconds);
    page.code = Some(found.code);
    Ok(shown(&page))
}
