//! Collections of records.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{CollectionName, CollectionView, ListView};
use vaultterm_operations::{Caller, Services, collections};

use super::{
    list::{PageQuery, listed},
    revised::Revised,
};
use crate::{
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
    view,
};

/// Lists the collections that the caller has a role on.
#[utoipa::path(get, path = "/collections", tag = "collections", params(PageQuery),
    responses((status = 200, body = ListView<CollectionView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<CollectionView>>, Problem> {
    Ok(listed(collections::list(&services, &caller, query.part()).await?, view::collection))
}

/// Creates a collection; its creator is its owner.
#[utoipa::path(post, path = "/collections", tag = "collections", request_body = CollectionName,
    responses((status = 201, body = CollectionView), (status = 409, body = Problem)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<CollectionName>,
) -> Result<(StatusCode, Revised<CollectionView>), Problem> {
    let made = collections::create(&services, &caller, &body.name).await?;
    Ok((StatusCode::CREATED, Revised::at(made.revision, view::collection(&made))))
}

/// Shows a collection.
#[utoipa::path(get, path = "/collections/{id}", tag = "collections", params(("id" = Uuid, Path)),
    responses((status = 200, body = CollectionView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Revised<CollectionView>, Problem> {
    let found = collections::show(&services, &caller, id).await?;
    Ok(Revised::at(found.revision, view::collection(&found)))
}

/// Renames a collection.
#[utoipa::path(patch, path = "/collections/{id}", tag = "collections", request_body = CollectionName,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = CollectionView), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn update(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
    Body(body): Body<CollectionName>,
) -> Result<Revised<CollectionView>, Problem> {
    let renamed = collections::rename(&services, &caller, id, read_at, &body.name).await?;
    Ok(Revised::at(renamed.revision, view::collection(&renamed)))
}

/// Deletes a collection.
#[utoipa::path(delete, path = "/collections/{id}", tag = "collections", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 409, body = Problem)))]
pub(crate) async fn delete(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
) -> Result<StatusCode, Problem> {
    collections::delete(&services, &caller, id, read_at).await?;
    Ok(StatusCode::NO_CONTENT)
}
