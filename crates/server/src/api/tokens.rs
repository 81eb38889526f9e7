//! API tokens, for programs.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_store::{InstanceRole, NewToken, Scope, TokenInfo, TokenKind};

use super::{
    list::{ListView, PageQuery, listed},
    users::checked_name,
};
use crate::{
    app::App,
    caller::Caller,
    moment,
    problem::{Kind, Problem},
    request::{Body, Id, Parameters},
};

/// The longest that a token may hold: ten years, in seconds.
const EXPIRES_IN_SECONDS_MAX: u64 = 10 * 366 * 24 * 3_600;

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
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<TokenView>>, Problem> {
    app.need_scope(&caller, Scope::Admin).await?;
    Ok(listed(app.store.tokens(Some(caller.user.id), &query.page()?).await?, TokenView::of))
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
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<TokenCreate>,
) -> Result<(StatusCode, Json<IssuedView>), Problem> {
    app.need_scope(&caller, Scope::Admin).await?;
    let name = checked_name(&body.name)?;
    let scopes = scopes(&body.scopes)?;
    if let Some(more) = scopes.iter().find(|scope| !caller.token.scopes.contains(scope)) {
        let why = format!("the scope `{}` is more than the token that asks may do", more.as_str());
        return Err(Problem::new(Kind::Forbidden, why));
    }
    let expires_us = match body.expires_in_seconds {
        None => None,
        Some(seconds @ 1..=EXPIRES_IN_SECONDS_MAX) => {
            Some(app.now_us() + i64::try_from(seconds).unwrap_or(i64::MAX / 1_000_000) * 1_000_000)
        }
        Some(_) => {
            return Err(Problem::field("expires_in_seconds", format!("is 1 to {EXPIRES_IN_SECONDS_MAX}")));
        }
    };
    let new = NewToken { user_id: caller.user.id, kind: TokenKind::Api, name, scopes, expires_us };
    let (info, token) = app.store.issue_token(&caller.context(&app), new).await?;
    let view = IssuedView { id: info.id, token: token.expose().to_owned(), expires_at: expires_us.map(moment::of_us) };
    Ok((StatusCode::CREATED, Json(view)))
}

fn scopes(names: &[String]) -> Result<Vec<Scope>, Problem> {
    let known = || Scope::NAMES.join(", ");
    if names.is_empty() {
        return Err(Problem::field("scopes", format!("name at least one of {}", known())));
    }
    let find = |(at, name): (usize, &String)| {
        name.parse().map_err(|_| Problem::field(format!("scopes[{at}]"), format!("expected one of {}", known())))
    };
    let mut scopes = names.iter().enumerate().map(find).collect::<Result<Vec<_>, _>>()?;
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// Revokes a token: one's own, or as an admin anybody's.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn revoke(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    app.need_scope(&caller, Scope::Admin).await?;
    let token = app.store.token(id).await?;
    let visible = |token: &TokenInfo| token.user_id == caller.user.id || caller.user.role >= InstanceRole::Admin;
    if !token.as_ref().is_some_and(visible) {
        return Err(Problem::not_found("token"));
    }
    app.store.revoke_token(&caller.context(&app), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
