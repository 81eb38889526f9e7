//! API tokens, for programs.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{IssuedView, ListView, TokenCreate, TokenView, moment};
use vaultterm_operations::{Caller, Services, tokens};

use super::list::{PageQuery, listed};
use crate::{
    problem::Problem,
    request::{Body, Id, Parameters},
    view,
};

/// Lists one's own logins and tokens.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(PageQuery),
    responses((status = 200, body = ListView<TokenView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<TokenView>>, Problem> {
    Ok(listed(tokens::list(&services, &caller, query.part()).await?, view::token))
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
    Ok((StatusCode::CREATED, Json(IssuedView { id: info.id, token: token.expose().to_owned().into(), expires_at })))
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
