//! Records of all collections of the caller.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use vaultterm_contract::{FoundRecordView, ListView};
use vaultterm_operations::{
    Caller, Part, Services,
    records::{self, Everywhere},
};

use super::list::listed;
use crate::{problem::Problem, request::Parameters, view};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EverywhereQuery {
    /// Words that must be in the path. Upper and lower case count as the same. The best matches come first.
    q: Option<String>,
    /// Only this collection, by id.
    collection: Option<Uuid>,
    /// Only paths that begin with this.
    prefix: Option<String>,
    /// Only this type.
    r#type: Option<String>,
    /// Only with this tag.
    tag: Option<String>,
    /// How it stands with Vault: `in_step`, `differs`, `needs_decision` or `here_only`.
    standing: Option<String>,
    /// `live` (unless told) or `trash`.
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Finds records in all collections of the caller, the best matches first, then by path.
#[utoipa::path(get, path = "/records", tag = "records", params(EverywhereQuery),
    responses((status = 200, body = ListView<FoundRecordView>)))]
pub(crate) async fn everywhere(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<EverywhereQuery>,
) -> Result<Json<ListView<FoundRecordView>>, Problem> {
    let EverywhereQuery { q, collection, prefix, r#type, tag, standing, state, limit, cursor } = query;
    let part = Part { limit, cursor };
    let asked = Everywhere { query: q, collection, prefix, record_type: r#type, tag, standing, state, part };
    Ok(listed(records::everywhere(&services, &caller, asked).await?, view::found))
}
