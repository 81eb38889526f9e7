//! Who may use a collection.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::UnknownName;
use vaultterm_store::{CollectionRole, JudgedRoles, Member, Page, Scope, StoreError};
use vaultterm_sync::CollectionId;

use super::list::{ListView, PageQuery, listed};
use crate::{
    app::App,
    caller::Caller,
    problem::{Kind, Problem},
    request::{Body, Id, IdPair, Parameters},
};

/// A person and their role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    user_id: Uuid,
    email: String,
    /// `viewer`, `editor`, `admin` or `owner`.
    role: &'static str,
}

impl MemberView {
    fn of(member: &Member) -> Self {
        Self { user_id: member.user_id, email: member.email.clone(), role: member.role.as_str() }
    }
}

/// Lists members.
#[utoipa::path(get, path = "/collections/{id}/members", tag = "collections",
    params(("id" = Uuid, Path), PageQuery), responses((status = 200, body = ListView<MemberView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<MemberView>>, Problem> {
    app.need_scope(&caller, Scope::RecordsRead).await?;
    let collection = app.collection_for(&caller, id, CollectionRole::Viewer).await?;
    Ok(listed(app.store.members(collection.id, &query.page()?).await?, MemberView::of))
}

/// Shows a member.
#[utoipa::path(get, path = "/collections/{id}/members/{user}", tag = "collections",
    params(("id" = Uuid, Path), ("user" = Uuid, Path)),
    responses((status = 200, body = MemberView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    IdPair(id, user): IdPair,
) -> Result<Json<MemberView>, Problem> {
    app.need_scope(&caller, Scope::RecordsRead).await?;
    let collection = app.collection_for(&caller, id, CollectionRole::Viewer).await?;
    let member = member(&app, collection.id, user).await?;
    Ok(Json(MemberView::of(&member.ok_or_else(no_member)?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// `viewer`, `editor`, `admin` or `owner`.
    role: String,
}

/// Gives somebody a role. Nobody gives, or takes, more than they have.
#[utoipa::path(put, path = "/collections/{id}/members/{user}", tag = "collections", request_body = Grant,
    params(("id" = Uuid, Path), ("user" = Uuid, Path)),
    responses((status = 200, body = MemberView), (status = 403, body = Problem)))]
pub(crate) async fn grant(
    State(app): State<App>,
    caller: Caller,
    IdPair(id, user): IdPair,
    Body(body): Body<Grant>,
) -> Result<Json<MemberView>, Problem> {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let collection = app.collection_for(&caller, id, CollectionRole::Admin).await?;
    let role = body.role.parse().map_err(|error: UnknownName| Problem::field("role", error.one_of()))?;
    if app.store.user(user).await?.is_none() {
        return Err(Problem::not_found("user"));
    }
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        let judged = may_change(&app, &caller, collection.id, user, Some(role)).await?;
        match app.store.grant(&caller.context(&app), collection.id, user, role, &judged).await {
            Err(StoreError::RolesMoved) if left > 0 => {}
            granted => return Ok(Json(MemberView::of(&granted?))),
        }
    }
}

/// Takes a role away. Anybody may leave.
#[utoipa::path(delete, path = "/collections/{id}/members/{user}", tag = "collections",
    params(("id" = Uuid, Path), ("user" = Uuid, Path)),
    responses((status = 204), (status = 409, body = Problem)))]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    IdPair(id, user): IdPair,
) -> Result<StatusCode, Problem> {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let own = user == caller.user.id;
    let least = if own { CollectionRole::Viewer } else { CollectionRole::Admin };
    let collection = app.collection_for(&caller, id, least).await?;
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        let judged = may_change(&app, &caller, collection.id, user, None).await?;
        match app.store.revoke(&caller.context(&app), collection.id, user, &judged).await {
            Err(StoreError::RolesMoved) if left > 0 => {}
            revoked => return revoked.map(|()| StatusCode::NO_CONTENT).map_err(Problem::from),
        }
    }
}

/// How often a change is judged again because a role moved while it was judged.
const ATTEMPTS: u32 = 3;

/// Judges whether the caller may give a person a role, or take it away: nobody gives or takes more than they
/// have, and anybody may leave. Returns the roles that this holds for.
async fn may_change(
    app: &App,
    caller: &Caller,
    id: CollectionId,
    user: Uuid,
    to: Option<CollectionRole>,
) -> Result<JudgedRoles, Problem> {
    let by = caller.user.id;
    let by_role = app.store.collection_role(id, by).await?;
    let member_role = app.store.collection_role(id, user).await?;
    let judged = JudgedRoles { by, by_role, member_role };
    let needed = match (to, member_role) {
        (None, None) => return Err(no_member()),
        (None, Some(_)) if user == by => return Ok(judged),
        (to, held) => to.max(held).unwrap_or(CollectionRole::Admin).max(CollectionRole::Admin),
    };
    if by_role.is_none_or(|held| held < needed) {
        // Says what is missing, and audits it.
        app.collection_for(caller, id.0, needed).await?;
    }
    Ok(judged)
}

fn no_member() -> Problem {
    Problem::new(Kind::NotFound, "the collection has no such member")
}

/// Finds a member.
async fn member(app: &App, id: CollectionId, user: Uuid) -> Result<Option<Member>, Problem> {
    let Some(role) = app.store.collection_role(id, user).await? else { return Ok(None) };
    let email = app.store.user(user).await?.map(|user| user.email).unwrap_or_default();
    Ok(Some(Member { user_id: user, email, role }))
}

/// The collections that a person has a role on.
pub(crate) async fn collections_of(app: &App, user: Uuid) -> Result<Vec<CollectionId>, Problem> {
    let mut ids = Vec::new();
    let mut page = Page { limit: 500, cursor: None };
    loop {
        let found = app.store.collections(Some(user), &page).await?;
        ids.extend(found.items.iter().map(|collection| collection.id));
        match found.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(ids),
        }
    }
}
