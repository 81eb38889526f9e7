//! API tokens, for programs.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_operations::{Caller, Services, tokens};
use vaultterm_store::TokenInfo;

use super::list::{ListView, PageQuery, listed};
use crate::{
    moment,
    problem::Problem,
    request::{Body, Id, Parameters},
};

/// A token, without itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    id: Uuid,
    user_id: Uuid,
    /// `login` or `api`.
    kind: &'static str,
    name: String,
    scopes: Vec<&'static str>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

impl TokenView {
    pub(crate) fn of(token: &TokenInfo) -> Self {
        Self {
            id: token.id,
            user_id: token.user_id,
            kind: token.kind.as_str(),
            name: token.name.clone(),
            scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
            created_at: moment::of_us(token.created_us),
            expires_at: token.expires_us.map(moment::of_us),
            last_used_at: token.last_used_us.map(moment::of_us),
        }
    }
}

/// Lists one's own logins and tokens.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(PageQuery),
    responses((status = 200, body = ListView<TokenView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<TokenView>>, Problem> {
    Ok(listed(tokens::list(&services, &caller, query.part()).await?, TokenView::of))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenCreate {
    name: String,
    /// For example `records:read`.
    scopes: Vec<String>,
    expires_in_seconds: Option<u64>,
}

/// A new token, shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuedView {
    id: Uuid,
    token: String,
    expires_at: Option<String>,
}

/// Creates a token that may do what its scopes say, and never more than its person.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = TokenCreate,
    responses((status = 201, body = IssuedView), (status = 403, body = Problem)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<TokenCreate>,
) -> Result<(StatusCode, Json<IssuedView>), Problem> {
    let TokenCreate { name, scopes, expires_in_seconds } = body;
    let new = tokens::New { name, scopes, expires_in_seconds };
    let (info, token) = tokens::create(&services, &caller, new).await?;
    let expires_at = info.expires_us.map(moment::of_us);
    Ok((StatusCode::CREATED, Json(IssuedView { id: info.id, token: token.expose().to_owned(), expires_at })))
}

/// Revokes a token: one's own, or as an admin anybody's.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn revoke(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    tokens::revoke(&services, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
