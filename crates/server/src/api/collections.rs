//! Collections of records.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_store::{Collection, CollectionRole, Scope};

use super::{
    list::{ListView, PageQuery, listed},
    users::NAME_CHARS_MAX,
};
use crate::{
    app::App,
    caller::Caller,
    moment,
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
};

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionView {
    id: Uuid,
    name: String,
    revision: u64,
    /// Live records.
    records: u64,
    created_at: String,
    updated_at: String,
}

impl CollectionView {
    fn of(collection: &Collection) -> Self {
        Self {
            id: collection.id.0,
            name: collection.name.clone(),
            revision: collection.revision,
            records: collection.records,
            created_at: moment::of_us(collection.created_us),
            updated_at: moment::of_us(collection.updated_us),
        }
    }
}

/// The header that an update sends back.
pub(crate) fn etag(revision: u64) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("\"{revision}\"")).expect("digits and quotes are visible ASCII");
    HeaderMap::from_iter([(header::ETAG, value)])
}

/// Lists the collections that the caller has a role on.
#[utoipa::path(get, path = "/collections", tag = "collections", params(PageQuery),
    responses((status = 200, body = ListView<CollectionView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<CollectionView>>, Problem> {
    app.need_any_scope(&caller, &[Scope::RecordsRead, Scope::ConnectionsWrite]).await?;
    Ok(listed(app.store.collections(Some(caller.user.id), &query.page()?).await?, CollectionView::of))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectionName {
    /// Unique; no `/`, because records are named COLLECTION/PATH.
    name: String,
}

/// Creates a collection; its creator is its owner.
#[utoipa::path(post, path = "/collections", tag = "collections", request_body = CollectionName,
    responses((status = 201, body = CollectionView), (status = 409, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<CollectionName>,
) -> Result<(StatusCode, HeaderMap, Json<CollectionView>), Problem> {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let name = checked(&body.name)?;
    let made = app.store.create_collection(&caller.context(&app), name, caller.user.id).await?;
    Ok((StatusCode::CREATED, etag(made.revision), Json(CollectionView::of(&made))))
}

/// Shows a collection.
#[utoipa::path(get, path = "/collections/{id}", tag = "collections", params(("id" = Uuid, Path)),
    responses((status = 200, body = CollectionView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<(HeaderMap, Json<CollectionView>), Problem> {
    app.need_any_scope(&caller, &[Scope::RecordsRead, Scope::ConnectionsWrite]).await?;
    let found = app.collection_for(&caller, id, CollectionRole::Viewer).await?;
    Ok((etag(found.revision), Json(CollectionView::of(&found))))
}

/// Renames a collection.
#[utoipa::path(patch, path = "/collections/{id}", tag = "collections", request_body = CollectionName,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = CollectionView), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    Body(body): Body<CollectionName>,
) -> Result<(HeaderMap, Json<CollectionView>), Problem> {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let found = app.collection_for(&caller, id, CollectionRole::Admin).await?;
    let revision = if_match.required()?;
    let name = checked(&body.name)?;
    let renamed = app.store.rename_collection(&caller.context(&app), found.id, revision, name).await?;
    Ok((etag(renamed.revision), Json(CollectionView::of(&renamed))))
}

/// Deletes a collection.
#[utoipa::path(delete, path = "/collections/{id}", tag = "collections", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 409, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let found = app.collection_for(&caller, id, CollectionRole::Owner).await?;
    app.store.delete_collection(&caller.context(&app), found.id, if_match.optional()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn checked(name: &str) -> Result<&str, Problem> {
    let name = name.trim();
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX;
    if fits && !name.contains('/') && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(Problem::field("name", format!("has 1 to {NAME_CHARS_MAX} printable characters and no `/`")))
}
