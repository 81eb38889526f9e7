//! Imports: files of other programs become records, after a person saw what they become.

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use utoipa::IntoParams;
use vaultterm_contract::{
    ImportCommit, ImportItemView, ImportSummaryView, ImportUpload, ImportView, ListView, Nothing, UndoneView,
};
use vaultterm_exchange::{Duplicates, is_notable};
use vaultterm_operations::{
    Caller, Refusal, Services,
    imports::{self, Undone, Upload},
};
use zeroize::Zeroizing;

use crate::{
    problem::Problem,
    request::{Body, Id, Parameters},
    view,
};

/// The items of a list that is asked for without a limit, and the most of any list.
const ITEMS: usize = 100;
const ITEMS_MAX: usize = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// What would be done with items that are here already with other values: `skip` (unless told), `update` or `both`.
    duplicates: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ItemQuery {
    /// What would be done with items that are here already with other values: `skip` (unless told), `update` or `both`.
    duplicates: Option<String>,
    /// Only items about which there is something to say: those that change or meet a record, also one outside the prefix of
    /// the import, get another name, go to the trash, lose something, or cannot come over.
    #[serde(default)]
    notable: bool,
    /// How many items at most; 100 unless told, 500 at most.
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<usize>,
}

fn duplicates(text: Option<&str>) -> Result<Duplicates, Problem> {
    let named = text.map_or(Ok(Duplicates::Skip), str::parse);
    named.map_err(|unknown: vaultterm_reconcile::UnknownName| Refusal::field("duplicates", unknown.either()).into())
}

/// Reads a file and keeps what it holds for a week. Nothing is imported yet.
#[utoipa::path(post, path = "/imports", tag = "imports", request_body = ImportUpload,
    responses((status = 201, body = ImportView), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn upload(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<ImportUpload>,
) -> Result<(StatusCode, Json<ImportView>), Problem> {
    let bytes = decoded("content", &body.content)?;
    let key_file = body.key_file.as_deref().map(|text| decoded("key_file", text)).transpose()?;
    let upload = Upload {
        collection: body.collection_id,
        prefix: body.prefix,
        format: body.format,
        file_name: body.file_name,
        bytes,
        password: body.password,
        key_file,
        decode_entities: body.decode_entities,
        keep_nested: body.keep_nested,
    };
    let review = imports::read(&services, &caller, upload).await?;
    Ok((StatusCode::CREATED, Json(view::imports::import(&services, &review))))
}

fn decoded(field: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, Problem> {
    STANDARD.decode(text).map(Zeroizing::new).map_err(|_| Refusal::field(field, "is not base64").into())
}

/// Lists the caller's imports of the last week, the newest first.
#[utoipa::path(get, path = "/imports", tag = "imports", responses((status = 200, body = ListView<ImportSummaryView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Json<ListView<ImportSummaryView>>, Problem> {
    let found = imports::list(&services, &caller).await?;
    Ok(Json(ListView {
        items: found.iter().map(|(import, head)| view::imports::summary(&services, import, head)).collect(),
        next_cursor: None,
    }))
}

/// Shows what would happen now, or what happened.
#[utoipa::path(get, path = "/imports/{id}", tag = "imports", params(("id" = Uuid, Path), ImportQuery),
    responses((status = 200, body = ImportView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<ImportQuery>,
) -> Result<Json<ImportView>, Problem> {
    let review = imports::review(&services, &caller, id, duplicates(query.duplicates.as_deref())?).await?;
    Ok(Json(view::imports::import(&services, &review)))
}

/// Lists the items of a file in its order, without their values.
#[utoipa::path(get, path = "/imports/{id}/items", tag = "imports", params(("id" = Uuid, Path), ItemQuery),
    responses((status = 200, body = ListView<ImportItemView>), (status = 404, body = Problem)))]
pub(crate) async fn items(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<ItemQuery>,
) -> Result<Json<ListView<ImportItemView>>, Problem> {
    let review = imports::review(&services, &caller, id, duplicates(query.duplicates.as_deref())?).await?;
    let (from, limit) = (query.cursor.unwrap_or(0), query.limit.unwrap_or(ITEMS).clamp(1, ITEMS_MAX));
    let all = review.items.iter().zip(&review.fates);
    let prefix = review.head.prefix.as_ref();
    let mut wanted = all.filter(|(item, fate)| !query.notable || is_notable(item, fate, prefix)).skip(from);
    let items = wanted.by_ref().take(limit).map(|(item, fate)| view::imports::item(item, fate, prefix)).collect();
    let next_cursor = wanted.next().map(|_| from.saturating_add(limit).to_string());
    Ok(Json(ListView { items, next_cursor }))
}

/// Imports what the caller saw, in one transaction, or nothing.
#[utoipa::path(post, path = "/imports/{id}/commit", tag = "imports", request_body = ImportCommit,
    params(("id" = Uuid, Path)), responses((status = 200, body = ImportView), (status = 409, body = Problem)))]
pub(crate) async fn commit(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<ImportCommit>,
) -> Result<Json<ImportView>, Problem> {
    let duplicates = duplicates(body.duplicates.as_deref())?;
    let review = imports::commit(&services, &caller, id, duplicates, &body.plan).await?;
    Ok(Json(view::imports::import(&services, &review)))
}

/// Takes an import back, for a day: what it made goes to the trash, and what it changed gets its earlier values as a new
/// revision, as far as nobody changed the records since.
#[utoipa::path(post, path = "/imports/{id}/undo", tag = "imports", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = UndoneView), (status = 409, body = Problem)))]
pub(crate) async fn undo(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<UndoneView>, Problem> {
    let Undone { trashed, restored, kept, in_trash } = imports::undo(&services, &caller, id).await?;
    Ok(Json(UndoneView { trashed, restored, kept, in_trash }))
}

/// Removes what is kept of a file. Records that it made stay.
#[utoipa::path(delete, path = "/imports/{id}", tag = "imports", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn discard(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    imports::discard(&services, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
