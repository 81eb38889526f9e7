//! Records: credentials with all their revisions. Values leave only through [`reveal`], [`inject`] and [`otp`].

mod everywhere;
mod many;
mod relocate;
mod totp;
mod who;

use serde_json::Value;
use uuid::Uuid;
use vaultterm_reconcile::{RecordId, RecordType, Revision, SecretPath, UnknownName};
use vaultterm_sealing::SecretFields;
use vaultterm_store::{
    CollectionRole, NewRecord, Paged, Record, RecordFilter, RecordPatch, RecordState, RevisionInfo, Scope,
};

pub use everywhere::{Everywhere, everywhere};
pub use many::{
    MANY_MAX, Many, REVEAL_MAX, ReadOne, Shown, change as change_many, reveal as reveal_many, review as review_many,
};
pub use relocate::{Relocation, RoleChange, relocate, relocation};
pub use who::{Seer, Seers, who};

use crate::{
    access,
    caller::Caller,
    fresh::{Act, fresh, proving, shown},
    part::Part,
    read_at::ReadAt,
    refusal::{Refusal, RefusalKind},
    services::Services,
};

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only paths that begin with this.
    pub prefix: Option<String>,
    /// Only paths that contain this text. Upper and lower case count as the same.
    pub query: Option<String>,
    /// Only this type, by name.
    pub record_type: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// `live` (unless told) or `trash`.
    pub state: Option<String>,
    /// Which part of the list.
    pub part: Part,
}

/// Lists the records of a collection by path.
///
/// # Errors
/// [`Refusal`].
pub async fn list(
    services: &Services,
    caller: &Caller,
    collection: Uuid,
    search: Search,
) -> Result<Paged<Record>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let collection = access::collection(services, caller, collection, CollectionRole::Viewer).await?;
    let state = search.state.as_deref().map_or(Ok(RecordState::Live), str::parse);
    let state = state.map_err(|unknown: UnknownName| Refusal::field("state", unknown.either()))?;
    let record_type = search.record_type.as_deref().map(record_type).transpose()?;
    let filter = RecordFilter { prefix: search.prefix, query: search.query, record_type, tag: search.tag, state };
    Ok(services.store.records(collection, &filter, &search.part.page()?).await?)
}

/// A record to create.
pub struct New<'a> {
    /// Its path: the same as the secret's path below a connection's prefix.
    pub path: String,
    /// Its type, by name; `KEY_VALUE` unless told.
    pub record_type: Option<String>,
    /// Its values: a JSON object.
    pub fields: &'a str,
    /// Its tags.
    pub tags: Vec<String>,
    /// Programs may get it, nobody may see it.
    pub inject_only: bool,
    /// People need a fresh proof before each look at its values.
    pub ask_again: bool,
}

/// Creates a record.
///
/// # Errors
/// [`Refusal`].
pub async fn create(services: &Services, caller: &Caller, collection: Uuid, new: New<'_>) -> Result<Record, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let collection = access::collection(services, caller, collection, CollectionRole::Editor).await?;
    let new = NewRecord {
        path: path(new.path)?,
        record_type: new.record_type.as_deref().map(record_type).transpose()?.unwrap_or(RecordType::KeyValue),
        fields: SecretFields::parse(new.fields.as_bytes())?,
        tags: new.tags,
        inject_only: new.inject_only,
        ask_again: new.ask_again,
    };
    Ok(services.store.create_record(&caller.context(services), collection, new).await?)
}

/// Finds a record, without its values.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<Record, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let id = access::record(services, caller, id, CollectionRole::Viewer).await?;
    found(services, id).await
}

/// What to change of a record. A part that is `None` stays as it is.
#[derive(Default)]
pub struct Change<'a> {
    /// A new path: the record is renamed.
    pub path: Option<String>,
    /// A new type, by name.
    pub record_type: Option<String>,
    /// Fields to add or replace: a JSON object.
    pub fields: Option<&'a str>,
    /// Fields to remove.
    pub remove_fields: Vec<String>,
    /// Replaces all tags.
    pub tags: Option<Vec<String>>,
    /// Whether programs alone may get it.
    pub inject_only: Option<bool>,
    /// Whether people need a fresh proof before each look at its values.
    pub ask_again: Option<bool>,
}

/// Changes a record: one new revision, or none when nothing changes.
///
/// # Errors
/// [`Refusal`]; `Changed` when the record is at another revision than the caller read; `StepUp` to let a record stop asking
/// again, because whoever finds an open session could else look at it after all.
pub async fn update(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    read_at: ReadAt,
    change: Change<'_>,
) -> Result<Record, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let id = access::record(services, caller, id, CollectionRole::Editor).await?;
    if change.ask_again == Some(false) && found(services, id).await?.ask_again {
        fresh(services, caller, Act::StopAsking).await?;
    }
    let revision = Revision(read_at.needed()?);
    let patch = RecordPatch {
        path: change.path.map(path).transpose()?,
        record_type: change.record_type.as_deref().map(record_type).transpose()?,
        fields: change.fields.map(|fields| SecretFields::parse_patch(fields.as_bytes())).transpose()?,
        remove_fields: change.remove_fields,
        tags: change.tags,
        inject_only: change.inject_only,
        ask_again: change.ask_again,
    };
    Ok(services.store.update_record(&caller.context(services), id, revision, patch).await?)
}

/// Moves a record to the trash, with all its revisions.
///
/// # Errors
/// [`Refusal`].
pub async fn trash(services: &Services, caller: &Caller, id: Uuid, read_at: ReadAt) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let id = access::record(services, caller, id, CollectionRole::Admin).await?;
    let expect = read_at.if_told()?.map(Revision);
    services.store.trash_record(&caller.context(services), id, expect).await?;
    Ok(())
}

/// Which values to take out, and what for.
#[derive(Clone, Copy, Debug, Default)]
pub struct TakeOut<'a> {
    /// Which fields; all unless told.
    pub fields: Option<&'a [String]>,
    /// Which revision; the newest unless told. [`inject`] takes the newest only.
    pub revision: Option<u64>,
    /// Which program or file gets them, for the audit log. For [`inject`] only.
    pub into: Option<&'a str>,
    /// Why, for the audit log.
    pub reason: Option<&'a str>,
}

/// Requires the right to take values out of a record.
async fn may_take_out(services: &Services, caller: &Caller, id: Uuid) -> Result<RecordId, Refusal> {
    access::scope(services, caller, Scope::RecordsReveal).await?;
    access::record(services, caller, id, CollectionRole::Viewer).await
}

/// Takes out values to be shown. The audit entry is committed before they are returned.
///
/// # Errors
/// [`Refusal`]; `Forbidden` for a record that programs alone may get; `StepUp` for a record that asks again.
pub async fn reveal(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    what: TakeOut<'_>,
) -> Result<SecretFields, Refusal> {
    let id = may_take_out(services, caller, id).await?;
    let revision = what.revision.map(Revision);
    let (context, proving) = (caller.context(services), proving(services, caller));
    let taken = services.store.reveal_record(&context, id, revision, what.fields, what.reason, proving).await;
    shown(services, caller, taken).await
}

/// Takes out values of the newest revision for a program, those of an `inject_only` record too. The audit
/// entry is committed before they are returned.
///
/// # Errors
/// [`Refusal`].
pub async fn inject(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    what: TakeOut<'_>,
) -> Result<SecretFields, Refusal> {
    let id = may_take_out(services, caller, id).await?;
    let TakeOut { fields, into, reason, .. } = what;
    Ok(services.store.inject_record(&caller.context(services), id, fields, into, reason).await?)
}

/// Lists all revisions of a record, the newest first.
///
/// # Errors
/// [`Refusal`].
pub async fn revisions(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    part: Part,
) -> Result<Paged<RevisionInfo>, Refusal> {
    access::scope(services, caller, Scope::RecordsRead).await?;
    let id = access::record(services, caller, id, CollectionRole::Viewer).await?;
    Ok(services.store.revisions(id, &part.page()?).await?)
}

/// Makes old values the next revision, out of the trash if need be; the newest values unless told.
///
/// # Errors
/// [`Refusal`].
pub async fn restore(services: &Services, caller: &Caller, id: Uuid, revision: Option<u64>) -> Result<Record, Refusal> {
    access::scope(services, caller, Scope::RecordsWrite).await?;
    let id = access::record(services, caller, id, CollectionRole::Editor).await?;
    Ok(services.store.restore_record(&caller.context(services), id, revision.map(Revision)).await?)
}

/// A one-time code.
#[derive(Clone, Debug)]
pub struct OneTimeCode {
    /// The digits.
    pub code: String,
    /// How long it holds.
    pub expires_in_seconds: u64,
}

/// Computes the one-time code of a record (RFC 6238). It is a reveal, and audited as one.
///
/// # Errors
/// [`Refusal`]; `Invalid` for a record without a TOTP secret.
pub async fn otp(services: &Services, caller: &Caller, id: Uuid) -> Result<OneTimeCode, Refusal> {
    let id = may_take_out(services, caller, id).await?;
    let record = found(services, id).await?;
    let name = totp::FIELDS.into_iter().find(|name| record.field_names.iter().any(|held| held == name));
    let none = || Refusal::new(RefusalKind::Invalid, "the record has no field `otpauth_url` or `totp_secret`");
    let name = name.ok_or_else(none)?;
    let names = [name.to_owned()];
    let (context, reason, proving) = (caller.context(services), Some("one-time code"), proving(services, caller));
    let taken = services.store.reveal_record(&context, id, None, Some(&names), reason, proving).await;
    let values = shown(services, caller, taken).await?;
    let text = values.expose().get(name).and_then(Value::as_str).unwrap_or_default();
    let totp = totp::read(name, text).ok_or_else(|| {
        Refusal::field(name, "is no TOTP secret (an otpauth://totp/ URL, or base32)").hint("save it again")
    })?;
    let now = u64::try_from(services.now_us() / 1_000_000).unwrap_or(0);
    Ok(OneTimeCode { code: totp.generate(now).to_string(), expires_in_seconds: totp.next_step(now) - now })
}

pub(crate) async fn found(services: &Services, id: RecordId) -> Result<Record, Refusal> {
    services.store.record(id).await?.ok_or_else(|| Refusal::not_found("record"))
}

pub(crate) fn record_type(name: &str) -> Result<RecordType, Refusal> {
    name.parse().map_err(|unknown: UnknownName| Refusal::field("type", unknown.to_string()))
}

pub(crate) fn path(text: String) -> Result<SecretPath, Refusal> {
    SecretPath::new(text).map_err(|error| Refusal::field("path", error.to_string()))
}
