//! Conflicts: shown masked, revealed on request, decided by a person.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vaultterm_operations::{
    Caller, Part, Services,
    conflicts::{self, Decided, Revealed, local_revision, remote_version, shown_fields},
};
use vaultterm_reconcile::Content;
use vaultterm_sealing::{SecretFields, short};
use vaultterm_sync::StoredConflict;

use super::{
    list::{ListView, listed},
    plans::Nothing,
};
use crate::{
    idempotency::Shown,
    moment,
    problem::Problem,
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
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<ConflictQuery>,
) -> Result<Json<ListView<ConflictView>>, Problem> {
    let ConflictQuery { connection_id, status, limit, cursor } = query;
    let part = Part { limit, cursor };
    let found = conflicts::list(&services, &caller, connection_id, status.as_deref(), part).await?;
    Ok(listed(found, ConflictView::of))
}

/// Shows a conflict, masked.
#[utoipa::path(get, path = "/conflicts/{id}", tag = "conflicts", params(("id" = Uuid, Path)),
    responses((status = 200, body = ConflictView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ConflictView>, Problem> {
    Ok(Json(ConflictView::of(&conflicts::show(&services, &caller, id).await?)))
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
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Shown<RevealedConflictView>, Problem> {
    let Revealed { conflict, base, local, remote } = conflicts::reveal(&services, &caller, id).await?;
    let value = |fields: &Option<SecretFields>, name: &str| fields.as_ref()?.expose().get(name).cloned();
    let fields = shown_fields(&conflict).into_iter().map(|name| RevealedFieldView {
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
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Resolve>,
) -> Result<Json<ConflictView>, Problem> {
    let Resolve { resolution, fields, reason, expect: Expected { local_revision, remote_version } } = body;
    let decision = |FieldDecision { take, value }| conflicts::FieldDecision { take, value };
    let fields = fields.into_iter().map(|(name, chosen)| (name, decision(chosen))).collect();
    let decided = Decided { resolution, fields, reason, local_revision, remote_version };
    Ok(Json(ConflictView::of(&conflicts::resolve(&services, &caller, id, decided).await?)))
}
