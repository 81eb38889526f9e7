//! Conflicts: shown masked, revealed on request, decided by a person.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vaultterm_reconcile::{Content, Side, UnknownName};
use vaultterm_sealing::{SecretFields, short};
use vaultterm_store::{CollectionRole, ConflictFilter, LocalValues, Scope};
use vaultterm_sync::{ConnectionId, FieldChoice, Resolution, ResolutionName, ResolvedBy, StoredConflict};

use super::{
    list::{ListView, listed, page},
    members::collections_of,
    plans::{Nothing, local_revision, remote_version},
};
use crate::{
    app::App,
    caller::Caller,
    idempotency::Shown,
    moment,
    problem::{Kind, Problem},
    request::{Body, Id, Parameters},
};

/// A conflict, its values masked.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConflictView {
    id: Uuid,
    connection_id: Uuid,
    record_id: Option<Uuid>,
    path: String,
    /// `both_changed`, `local_deleted`, `remote_deleted`, `no_base`, `drift`, `rewound`,
    /// `foreign_owner` or `type_changed`.
    kind: &'static str,
    /// `open`, `resolved` or `converged`.
    status: &'static str,
    fields: Vec<ConflictFieldView>,
    local_revision: Option<u64>,
    remote_version: Option<u64>,
    first_seen_at: String,
    last_seen_at: String,
}

/// A field in the three states; null where it is absent.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConflictFieldView {
    name: String,
    base: Option<MaskedView>,
    local: Option<MaskedView>,
    remote: Option<MaskedView>,
}

/// A value that is not shown: equal digests are equal values.
#[derive(Serialize, ToSchema)]
pub(crate) struct MaskedView {
    /// Eight hexadecimal digits of a keyed digest.
    digest: String,
    /// Bytes of the JSON value.
    length: u64,
}

impl ConflictView {
    fn of(stored: &StoredConflict) -> Self {
        let conflict = &stored.conflict;
        let masked = |content: &Option<Content>, name: &str| {
            let field = content.as_ref()?.get(name)?;
            Some(MaskedView { digest: short(&field.digest), length: field.length })
        };
        let fields = shown_fields(stored).into_iter().map(|name| ConflictFieldView {
            base: masked(&conflict.base, &name),
            local: masked(&conflict.local, &name),
            remote: masked(&conflict.remote, &name),
            name,
        });
        Self {
            id: stored.id.0,
            connection_id: stored.connection_id.0,
            record_id: conflict.record_id.map(|id| id.0),
            path: conflict.path.as_str().to_owned(),
            kind: conflict.kind.as_str(),
            status: stored.status.as_str(),
            fields: fields.collect(),
            local_revision: local_revision(&conflict.expect),
            remote_version: remote_version(&conflict.expect),
            first_seen_at: moment::of(stored.first_seen),
            last_seen_at: moment::of(stored.last_seen),
        }
    }
}

/// The fields a person has to look at: those that diverged, else all.
fn shown_fields(stored: &StoredConflict) -> Vec<String> {
    let conflict = &stored.conflict;
    if !conflict.diverged.is_empty() {
        return conflict.diverged.clone();
    }
    let contents = [&conflict.base, &conflict.local, &conflict.remote];
    let names: BTreeSet<&String> = contents.into_iter().flatten().flat_map(|content| content.keys()).collect();
    names.into_iter().cloned().collect()
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConflictQuery {
    connection_id: Option<Uuid>,
    /// `open`, `resolved` or `converged`; all unless told.
    status: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists conflicts by path.
#[utoipa::path(get, path = "/conflicts", tag = "conflicts", params(ConflictQuery),
    responses((status = 200, body = ListView<ConflictView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ConflictQuery>,
) -> Result<Json<ListView<ConflictView>>, Problem> {
    app.need_any_scope(&caller, &[Scope::RecordsRead, Scope::ConflictsResolve]).await?;
    let status = query.status.as_deref().map(str::parse).transpose();
    let status = status.map_err(|error: UnknownName| Problem::field("status", error.either()))?;
    let filter = ConflictFilter {
        connection_id: query.connection_id.map(ConnectionId),
        collections: Some(collections_of(&app, caller.user.id).await?),
        status,
    };
    Ok(listed(app.store.conflicts(&filter, &page(query.limit, query.cursor)?).await?, ConflictView::of))
}

/// Shows a conflict, masked.
#[utoipa::path(get, path = "/conflicts/{id}", tag = "conflicts", params(("id" = Uuid, Path)),
    responses((status = 200, body = ConflictView), (status = 404, body = Problem)))]
pub(crate) async fn show(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Json<ConflictView>, Problem> {
    app.need_any_scope(&caller, &[Scope::RecordsRead, Scope::ConflictsResolve]).await?;
    let found = app.conflict_for(&caller, id, CollectionRole::Viewer).await?;
    Ok(Json(ConflictView::of(&found)))
}

/// A conflict with its values.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevealedConflictView {
    fields: Vec<RevealedFieldView>,
}

/// A field in the three states; absent where it does not exist.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevealedFieldView {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<Value>,
}

/// Shows the values of the three states; audited before the answer. The remote one is read from
/// Vault now, in the version the conflict is about. Any `inject_only` record among those it shows answers 403.
#[utoipa::path(post, path = "/conflicts/{id}/reveal", tag = "conflicts", request_body = Nothing,
    params(("id" = Uuid, Path)), responses((status = 200, body = RevealedConflictView), (status = 403, body = Problem),
    (status = 409, body = Problem)))]
pub(crate) async fn reveal(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Shown<RevealedConflictView>, Problem> {
    app.need_scope(&caller, Scope::RecordsReveal).await?;
    let found = app.conflict_for(&caller, id, CollectionRole::Viewer).await?;
    let taken = app.store.reveal_conflict(&caller.context(&app), found.id).await;
    let LocalValues { base, local } = app.shown(&caller, taken).await?;
    let remote = app.engine.remote_of(found.id).await?;
    let value = |fields: &Option<SecretFields>, name: &str| fields.as_ref()?.expose().get(name).cloned();
    let fields = shown_fields(&found).into_iter().map(|name| RevealedFieldView {
        base: value(&base, &name),
        local: value(&local, &name),
        remote: value(&remote, &name),
        name,
    });
    Ok(Shown(RevealedConflictView { fields: fields.collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolve {
    /// `keep_local`, `keep_remote`, `keep_both` or `merge`.
    resolution: String,
    /// For `merge`: a choice for each field that differs and may be a part of a credential. Descriptive
    /// fields that only one side changed, and fields that are equal, may be left out.
    #[serde(default)]
    fields: BTreeMap<String, FieldDecision>,
    /// Why, for the audit log.
    reason: Option<String>,
    /// The states the decision was taken on, as the conflict showed them.
    #[serde(default)]
    expect: Expected,
}

/// A side, or a new value: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldDecision {
    /// `local` or `remote`.
    take: Option<String>,
    /// Any JSON value.
    #[schema(value_type = Option<Value>)]
    value: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    local_revision: Option<u64>,
    remote_version: Option<u64>,
}

/// Carries out a person's decision at once. Refused as `stale` when a side moved since.
#[utoipa::path(post, path = "/conflicts/{id}/resolve", tag = "conflicts", request_body = Resolve,
    params(("id" = Uuid, Path)), responses((status = 200, body = ConflictView), (status = 409, body = Problem)))]
pub(crate) async fn resolve(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Resolve>,
) -> Result<Json<ConflictView>, Problem> {
    app.need_scope(&caller, Scope::ConflictsResolve).await?;
    let found = app.conflict_for(&caller, id, CollectionRole::Editor).await?;
    let expect = found.conflict.expect;
    let moved = |named: Option<u64>, is: Option<u64>| named.is_some() && named != is;
    if moved(body.expect.local_revision, local_revision(&expect))
        || moved(body.expect.remote_version, remote_version(&expect))
    {
        return Err(Problem::new(Kind::Stale, "the conflict is about other states than the decision")
            .hint("look at the conflict again, then decide on what it shows now"));
    }
    let resolution = resolution(&body.resolution, body.fields)?;
    let by = ResolvedBy {
        actor: caller.actor(),
        reason: body.reason,
        request_id: Some(caller.origin.request_id.clone()),
        source_ip: caller.origin.source_ip.map(|ip| ip.to_string()),
    };
    let closed = app.engine.resolve(found.id, resolution, Some(expect), &by).await?;
    Ok(Json(ConflictView::of(&closed)))
}

fn resolution(name: &str, fields: BTreeMap<String, FieldDecision>) -> Result<Resolution, Problem> {
    let name = name.parse().map_err(|error: UnknownName| Problem::field("resolution", error.either()))?;
    let chosen = match name {
        ResolutionName::KeepLocal => Resolution::KeepLocal,
        ResolutionName::KeepRemote => Resolution::KeepRemote,
        ResolutionName::KeepBoth => Resolution::KeepBoth,
        ResolutionName::Merge => {
            let choices = fields.into_iter().map(|(name, decision)| Ok((name.clone(), choice(&name, decision)?)));
            return choices.collect::<Result<_, Problem>>().map(Resolution::Merge);
        }
    };
    if fields.is_empty() {
        return Ok(chosen);
    }
    Err(Problem::field("fields", "is for the resolution `merge` only"))
}

fn choice(name: &str, decision: FieldDecision) -> Result<FieldChoice, Problem> {
    match (decision.take.as_deref().map(str::parse), decision.value) {
        (Some(Ok(side @ (Side::Local | Side::Remote))), None) => Ok(FieldChoice::Take(side)),
        (None, Some(raw)) => {
            // Judged as any field is: a number that would change on its way is refused.
            let quoted = serde_json::to_string(name).map_err(|error| Problem::internal(&error))?;
            let parsed = SecretFields::parse_patch(format!("{{{quoted}:{}}}", raw.get()).as_bytes())?;
            Ok(FieldChoice::Value(parsed.expose().get(name).cloned().unwrap_or_default()))
        }
        _ => Err(Problem::field(format!("fields.{name}"), "expected either `take` (`local` or `remote`) or `value`")),
    }
}
