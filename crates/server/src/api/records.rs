//! Records: credentials with all their revisions. Values leave only through `reveal` and `otp`.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;
use vaultterm_contract::{
    Inject, ListView, Nothing, OtpView, RecordCreate, RecordUpdate, RecordView, Restore, Reveal, RevealedView,
    RevisionView,
};
use vaultterm_operations::{
    Caller, Part, Services,
    records::{self, OneTimeCode, Search, TakeOut},
};
use vaultterm_store::Record;

use super::{
    list::{PageQuery, listed},
    revised::Revised,
};
use crate::{
    idempotency::Shown,
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
    view,
};

type Answer = Result<Revised<RecordView>, Problem>;

fn answer(record: &Record) -> Revised<RecordView> {
    Revised::at(record.revision.0, view::record(record))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordQuery {
    /// Only paths that begin with this.
    prefix: Option<String>,
    /// Only paths that contain this text. Upper and lower case count as the same.
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
    Ok(listed(records::list(&services, &caller, id, search).await?, view::record))
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
) -> Result<(StatusCode, Revised<RecordView>), Problem> {
    let RecordCreate { path, r#type, fields, tags, inject_only, ask_again } = body;
    let new = records::New { path, record_type: r#type, fields: fields.get(), tags, inject_only, ask_again };
    Ok((StatusCode::CREATED, answer(&records::create(&services, &caller, id, new).await?)))
}

/// Shows a record, without its values.
#[utoipa::path(get, path = "/records/{id}", tag = "records", params(("id" = Uuid, Path)),
    responses((status = 200, body = RecordView), (status = 404, body = Problem)))]
pub(crate) async fn show(State(services): State<Services>, caller: Caller, Id(id): Id) -> Answer {
    Ok(answer(&records::show(&services, &caller, id).await?))
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
    let RecordUpdate { path, r#type, fields, remove_fields, tags, inject_only, ask_again } = body;
    let fields = fields.as_deref().map(RawValue::get);
    let change = records::Change { path, record_type: r#type, fields, remove_fields, tags, inject_only, ask_again };
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

/// Lists all revisions, the newest first.
#[utoipa::path(get, path = "/records/{id}/revisions", tag = "records", params(("id" = Uuid, Path), PageQuery),
    responses((status = 200, body = ListView<RevisionView>)))]
pub(crate) async fn revisions(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<RevisionView>>, Problem> {
    Ok(listed(records::revisions(&services, &caller, id, query.part()).await?, view::revision))
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
