//! Records: credentials with all their revisions. Values leave only through `reveal` and `otp`.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vaultterm_operations::{
    Caller, Part, Services,
    records::{self, OneTimeCode, Search, TakeOut},
};
use vaultterm_sealing::SecretFields;
use vaultterm_store::{Record, RevisionInfo};

use super::{
    collections::etag,
    list::{ListView, PageQuery, listed},
    plans::Nothing,
};
use crate::{
    idempotency::Shown,
    moment,
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
};

/// A record, without its values.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordView {
    id: Uuid,
    collection_id: Uuid,
    path: String,
    #[serde(rename = "type")]
    record_type: &'static str,
    field_names: Vec<String>,
    tags: Vec<String>,
    revision: u64,
    created_at: String,
    updated_at: String,
    deleted_at: Option<String>,
    /// Programs may get it, nobody may see it.
    inject_only: bool,
    sync: Vec<RecordSyncView>,
}

/// How a record stands with one connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordSyncView {
    connection_id: Uuid,
    /// `in_step`, `accepted`, `changed`, `new`, `unlinked` or `conflict`.
    state: &'static str,
    remote_version: Option<u64>,
    /// Who accepted that the record and the secret differ, in the state `accepted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<String>,
}

impl RecordView {
    fn of(record: &Record) -> Self {
        let sync = |sync: &vaultterm_store::RecordSync| RecordSyncView {
            connection_id: sync.connection_id.0,
            state: sync.state.as_str(),
            remote_version: sync.remote_version,
            accepted_by: sync.accepted.as_ref().map(|accepted| accepted.by.clone()),
            accepted_at: sync.accepted.as_ref().map(|accepted| moment::of_us(accepted.at_us)),
        };
        Self {
            id: record.id.0,
            collection_id: record.collection_id.0,
            path: record.path.as_str().to_owned(),
            record_type: record.record_type.as_str(),
            field_names: record.field_names.clone(),
            tags: record.tags.clone(),
            revision: record.revision.0,
            created_at: moment::of_us(record.created_us),
            updated_at: moment::of_us(record.updated_us),
            deleted_at: record.deleted_us.map(moment::of_us),
            inject_only: record.inject_only,
            sync: record.sync.iter().map(sync).collect(),
        }
    }
}

type Answer = Result<(HeaderMap, Json<RecordView>), Problem>;

fn answer(record: &Record) -> (HeaderMap, Json<RecordView>) {
    (etag(record.revision.0), Json(RecordView::of(record)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordQuery {
    /// Only paths that begin with this.
    prefix: Option<String>,
    /// Only paths that hold this, whatever its case.
    q: Option<String>,
    /// Only this type.
    r#type: Option<String>,
    /// Only with this tag.
    tag: Option<String>,
    /// `live` (unless told) or `trash`.
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists the records of a collection by path.
#[utoipa::path(get, path = "/collections/{id}/records", tag = "records", params(("id" = Uuid, Path), RecordQuery),
    responses((status = 200, body = ListView<RecordView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<RecordQuery>,
) -> Result<Json<ListView<RecordView>>, Problem> {
    let RecordQuery { prefix, q, r#type, tag, state, limit, cursor } = query;
    let search = Search { prefix, query: q, record_type: r#type, tag, state, part: Part { limit, cursor } };
    Ok(listed(records::list(&services, &caller, id, search).await?, RecordView::of))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordCreate {
    /// The same as the secret's path below a connection's prefix.
    path: String,
    /// `PASSWORD`, `API_KEY`, `SSH_KEY`, `ENV_VAR`, `SECURE_NOTE`, `TOTP`, `PAYMENT_CARD`, `IDENTITY`, `PASSKEY` or
    /// `KEY_VALUE` (unless told).
    r#type: Option<String>,
    /// Name to any JSON value.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    fields: Box<RawValue>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    inject_only: bool,
}

/// Creates a record.
#[utoipa::path(post, path = "/collections/{id}/records", tag = "records", request_body = RecordCreate,
    params(("id" = Uuid, Path)),
    responses((status = 201, body = RecordView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<RecordCreate>,
) -> Result<(StatusCode, HeaderMap, Json<RecordView>), Problem> {
    let RecordCreate { path, r#type, fields, tags, inject_only } = body;
    let new = records::New { path, record_type: r#type, fields: fields.get(), tags, inject_only };
    let (headers, body) = answer(&records::create(&services, &caller, id, new).await?);
    Ok((StatusCode::CREATED, headers, body))
}

/// Shows a record, without its values.
#[utoipa::path(get, path = "/records/{id}", tag = "records", params(("id" = Uuid, Path)),
    responses((status = 200, body = RecordView), (status = 404, body = Problem)))]
pub(crate) async fn show(State(services): State<Services>, caller: Caller, Id(id): Id) -> Answer {
    Ok(answer(&records::show(&services, &caller, id).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordUpdate {
    /// A new path: the record is renamed.
    path: Option<String>,
    r#type: Option<String>,
    /// Fields to add or replace; the others stay.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    fields: Option<Box<RawValue>>,
    #[serde(default)]
    remove_fields: Vec<String>,
    /// Replaces all tags.
    tags: Option<Vec<String>>,
    inject_only: Option<bool>,
}

/// Changes a record: one new revision, or none when nothing changes.
#[utoipa::path(patch, path = "/records/{id}", tag = "records", request_body = RecordUpdate,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = RecordView), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn update(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
    Body(body): Body<RecordUpdate>,
) -> Answer {
    let RecordUpdate { path, r#type, fields, remove_fields, tags, inject_only } = body;
    let fields = fields.as_deref().map(RawValue::get);
    let change = records::Change { path, record_type: r#type, fields, remove_fields, tags, inject_only };
    Ok(answer(&records::update(&services, &caller, id, read_at, change).await?))
}

/// Moves a record to the trash, with all its revisions.
#[utoipa::path(delete, path = "/records/{id}", tag = "records", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 412, body = Problem)))]
pub(crate) async fn trash(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
) -> Result<StatusCode, Problem> {
    records::trash(&services, &caller, id, read_at).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reveal {
    /// Which fields; all unless told.
    fields: Option<Vec<String>>,
    /// Which revision; the newest unless told.
    revision: Option<u64>,
    /// Why, for the audit log.
    reason: Option<String>,
}

/// Values. Never kept by anything in between, and wiped when they are sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevealedView {
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    #[serde(serialize_with = "exposed")]
    fields: SecretFields,
}

fn exposed<S: Serializer>(fields: &SecretFields, serializer: S) -> Result<S::Ok, S::Error> {
    fields.expose().serialize(serializer)
}

/// Shows values; audited before the answer.
#[utoipa::path(post, path = "/records/{id}/reveal", tag = "records", request_body = Reveal,
    params(("id" = Uuid, Path)),
    responses((status = 200, body = RevealedView), (status = 403, body = Problem)))]
pub(crate) async fn reveal(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Reveal>,
) -> Result<Shown<RevealedView>, Problem> {
    let Reveal { fields, revision, reason } = body;
    let what = TakeOut { fields: fields.as_deref(), revision, reason: reason.as_deref(), into: None };
    Ok(Shown(RevealedView { fields: records::reveal(&services, &caller, id, what).await? }))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inject {
    /// Which fields; all unless told.
    fields: Option<Vec<String>>,
    /// Which program or file gets them, for the audit log.
    into: Option<String>,
    /// Why, for the audit log.
    reason: Option<String>,
}

/// Hands values of the newest revision to a program, those of an `inject_only` record too; audited before the answer.
#[utoipa::path(post, path = "/records/{id}/inject", tag = "records", request_body = Inject,
    params(("id" = Uuid, Path)),
    responses((status = 200, body = RevealedView), (status = 404, body = Problem)))]
pub(crate) async fn inject(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Inject>,
) -> Result<Shown<RevealedView>, Problem> {
    let Inject { fields, into, reason } = body;
    let what = TakeOut { fields: fields.as_deref(), revision: None, reason: reason.as_deref(), into: into.as_deref() };
    Ok(Shown(RevealedView { fields: records::inject(&services, &caller, id, what).await? }))
}

/// One revision, without its values.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionView {
    revision: u64,
    path: String,
    #[serde(rename = "type")]
    record_type: &'static str,
    field_names: Vec<String>,
    /// `person`, `remote`, `merge` or `archive`.
    origin: &'static str,
    connection_id: Option<Uuid>,
    actor: String,
    created_at: String,
}

impl RevisionView {
    fn of(info: &RevisionInfo) -> Self {
        Self {
            revision: info.revision.0,
            path: info.path.as_str().to_owned(),
            record_type: info.record_type.as_str(),
            field_names: info.field_names.clone(),
            origin: info.origin.as_str(),
            connection_id: info.connection_id.map(|id| id.0),
            actor: info.actor.clone(),
            created_at: moment::of_us(info.created_us),
        }
    }
}

/// Lists all revisions, the newest first.
#[utoipa::path(get, path = "/records/{id}/revisions", tag = "records", params(("id" = Uuid, Path), PageQuery),
    responses((status = 200, body = ListView<RevisionView>)))]
pub(crate) async fn revisions(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<RevisionView>>, Problem> {
    Ok(listed(records::revisions(&services, &caller, id, query.part()).await?, RevisionView::of))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restore {
    /// Whose values become the next revision; the newest unless told.
    revision: Option<u64>,
}

/// Makes old values the next revision, out of the trash if need be.
#[utoipa::path(post, path = "/records/{id}/restore", tag = "records", request_body = Restore,
    params(("id" = Uuid, Path)),
    responses((status = 200, body = RecordView), (status = 409, body = Problem)))]
pub(crate) async fn restore(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Restore>,
) -> Answer {
    Ok(answer(&records::restore(&services, &caller, id, body.revision).await?))
}

/// A one-time code.
#[derive(Serialize, ToSchema)]
pub(crate) struct OtpView {
    code: String,
    expires_in_seconds: u64,
}

/// Computes the one-time code of a TOTP record (RFC 6238). It is a reveal, so it is a `POST`, and audited as one.
#[utoipa::path(post, path = "/records/{id}/otp", tag = "records", request_body = Nothing, params(("id" = Uuid, Path)),
    responses((status = 200, body = OtpView), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn otp(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Shown<OtpView>, Problem> {
    let OneTimeCode { code, expires_in_seconds } = records::otp(&services, &caller, id).await?;
    Ok(Shown(OtpView { code, expires_in_seconds }))
}
