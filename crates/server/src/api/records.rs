//! Records: credentials with all their revisions. Values leave only through `reveal` and `otp`.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use totp_rs::{Builder, Secret, Totp};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vaultterm_reconcile::{RecordType, Revision, SecretPath, UnknownName};
use vaultterm_sealing::SecretFields;
use vaultterm_store::{CollectionRole, NewRecord, Record, RecordFilter, RecordPatch, RecordState, RevisionInfo, Scope};

use super::{
    collections::etag,
    list::{ListView, PageQuery, listed, page},
    plans::Nothing,
};
use crate::{
    app::App,
    caller::Caller,
    idempotency::Shown,
    moment,
    problem::{Kind, Problem},
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
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<RecordQuery>,
) -> Result<Json<ListView<RecordView>>, Problem> {
    app.need_scope(&caller, Scope::RecordsRead).await?;
    let collection = app.collection_for(&caller, id, CollectionRole::Viewer).await?;
    let state = query.state.as_deref().map_or(Ok(RecordState::Live), str::parse);
    let state = state.map_err(|error| Problem::field("state", error.either()))?;
    let record_type = query.r#type.as_deref().map(record_type).transpose()?;
    let filter = RecordFilter { prefix: query.prefix, query: query.q, record_type, tag: query.tag, state };
    let page = page(query.limit, query.cursor)?;
    Ok(listed(app.store.records(collection.id, &filter, &page).await?, RecordView::of))
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
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<RecordCreate>,
) -> Result<(StatusCode, HeaderMap, Json<RecordView>), Problem> {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let collection = app.collection_for(&caller, id, CollectionRole::Editor).await?;
    let new = NewRecord {
        path: path(body.path)?,
        record_type: body.r#type.as_deref().map(record_type).transpose()?.unwrap_or(RecordType::KeyValue),
        fields: SecretFields::parse(body.fields.get().as_bytes())?,
        tags: body.tags,
        inject_only: body.inject_only,
    };
    let record = app.store.create_record(&caller.context(&app), collection.id, new).await?;
    let (headers, body) = answer(&record);
    Ok((StatusCode::CREATED, headers, body))
}

/// Shows a record, without its values.
#[utoipa::path(get, path = "/records/{id}", tag = "records", params(("id" = Uuid, Path)),
    responses((status = 200, body = RecordView), (status = 404, body = Problem)))]
pub(crate) async fn show(State(app): State<App>, caller: Caller, Id(id): Id) -> Answer {
    app.need_scope(&caller, Scope::RecordsRead).await?;
    let record = app.record_for(&caller, id, CollectionRole::Viewer).await?;
    Ok(answer(&record))
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
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    Body(body): Body<RecordUpdate>,
) -> Answer {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let record = app.record_for(&caller, id, CollectionRole::Editor).await?;
    let revision = if_match.required()?;
    let patch = RecordPatch {
        path: body.path.map(path).transpose()?,
        record_type: body.r#type.as_deref().map(record_type).transpose()?,
        fields: body.fields.map(|fields| SecretFields::parse_patch(fields.get().as_bytes())).transpose()?,
        remove_fields: body.remove_fields,
        tags: body.tags,
        inject_only: body.inject_only,
    };
    let updated = app.store.update_record(&caller.context(&app), record.id, Revision(revision), patch).await?;
    Ok(answer(&updated))
}

/// Moves a record to the trash, with all its revisions.
#[utoipa::path(delete, path = "/records/{id}", tag = "records", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 412, body = Problem)))]
pub(crate) async fn trash(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let record = app.record_for(&caller, id, CollectionRole::Admin).await?;
    let expect = if_match.optional()?.map(Revision);
    app.store.trash_record(&caller.context(&app), record.id, expect).await?;
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
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Reveal>,
) -> Result<Shown<RevealedView>, Problem> {
    app.need_scope(&caller, Scope::RecordsReveal).await?;
    let record = app.record_for(&caller, id, CollectionRole::Viewer).await?;
    let revision = body.revision.map(Revision);
    let (context, reason) = (caller.context(&app), body.reason.as_deref());
    let taken = app.store.reveal_record(&context, record.id, revision, body.fields.as_deref(), reason).await;
    Ok(Shown(RevealedView { fields: app.shown(&caller, taken).await? }))
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
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Inject>,
) -> Result<Shown<RevealedView>, Problem> {
    app.need_scope(&caller, Scope::RecordsReveal).await?;
    let record = app.record_for(&caller, id, CollectionRole::Viewer).await?;
    let told = (body.into.as_deref(), body.reason.as_deref());
    let taken = app.store.inject_record(&caller.context(&app), record.id, body.fields.as_deref(), told).await?;
    Ok(Shown(RevealedView { fields: taken }))
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
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<RevisionView>>, Problem> {
    app.need_scope(&caller, Scope::RecordsRead).await?;
    let record = app.record_for(&caller, id, CollectionRole::Viewer).await?;
    Ok(listed(app.store.revisions(record.id, &query.page()?).await?, RevisionView::of))
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
pub(crate) async fn restore(State(app): State<App>, caller: Caller, Id(id): Id, Body(body): Body<Restore>) -> Answer {
    app.need_scope(&caller, Scope::RecordsWrite).await?;
    let record = app.record_for(&caller, id, CollectionRole::Editor).await?;
    let restored = app.store.restore_record(&caller.context(&app), record.id, body.revision.map(Revision)).await?;
    Ok(answer(&restored))
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
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Shown<OtpView>, Problem> {
    app.need_scope(&caller, Scope::RecordsReveal).await?;
    let record = app.record_for(&caller, id, CollectionRole::Viewer).await?;
    let name =
        ["otpauth_url", "totp_secret"].into_iter().find(|name| record.field_names.iter().any(|held| held == name));
    let Some(name) = name else {
        return Err(Problem::new(Kind::Invalid, "the record has no field `otpauth_url` or `totp_secret`"));
    };
    let names = [name.to_owned()];
    let (context, reason) = (caller.context(&app), Some("one-time code"));
    let taken = app.store.reveal_record(&context, record.id, None, Some(&names), reason).await;
    let shown = app.shown(&caller, taken).await?;
    let text = shown.expose().get(name).and_then(Value::as_str).unwrap_or_default();
    let totp = totp(name, text).ok_or_else(|| {
        Problem::field(name, "is no TOTP secret (an otpauth://totp/ URL, or base32)").hint("save it again")
    })?;
    let now = u64::try_from(app.now_us() / 1_000_000).unwrap_or(0);
    let code = totp.generate(now).to_string();
    Ok(Shown(OtpView { code, expires_in_seconds: totp.next_step(now) - now }))
}

/// Reads a TOTP secret. Many issuers use shorter ones than RFC 4226 asks for, so only what the
/// computation needs is checked.
fn totp(name: &str, text: &str) -> Option<Totp> {
    let totp = if name == "otpauth_url" {
        Totp::from_url_unchecked(text).ok()?
    } else {
        let spaceless: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        let secret = Secret::try_from_base32(spaceless.to_uppercase()).ok()?;
        Builder::new().with_secret(secret).build_noncompliant()
    };
    ((6..=8).contains(&totp.digits()) && totp.step() > 0).then_some(totp)
}

fn record_type(name: &str) -> Result<RecordType, Problem> {
    name.parse().map_err(|error: UnknownName| Problem::field("type", error.to_string()))
}

fn path(text: String) -> Result<SecretPath, Problem> {
    SecretPath::new(text).map_err(|error| Problem::field("path", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: SHA-1, secret "12345678901234567890", 8 digits at 59 s.
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let url = format!("otpauth://totp/x?secret={secret}&digits=8");
        let code = totp("otpauth_url", &url).expect("a secret").generate(59).to_string();
        assert_eq!(code, "94287082");
        let code = totp("totp_secret", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq").expect("a secret").generate(59);
        assert_eq!(code.to_string(), "287082");
    }

    #[test]
    fn what_is_no_secret_gives_no_code() {
        for (name, text) in [
            ("totp_secret", "not base32 !"),
            ("otpauth_url", "https://example.com"),
            ("otpauth_url", "otpauth://totp/x?secret=GEZDGNBV&digits=200"),
            ("otpauth_url", "otpauth://totp/x?secret=GEZDGNBV&period=0"),
        ] {
            assert!(totp(name, text).is_none(), "{text}");
        }
    }
}
