//! The audit log: listed, exported, verified.

pub(crate) mod export;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vaultterm_ledger::Action;
use vaultterm_store::{AuditEvent, AuditFilter, InstanceRole, Page, Scope};

use super::{
    list::{ListView, listed, page},
    plans::Nothing,
};
use crate::{
    app::App,
    caller::Caller,
    moment,
    problem::Problem,
    request::{Body, Parameters},
};

/// One entry of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Place in the log, from 1, without gaps.
    pub(crate) seq: u64,
    time: String,
    /// Who, in words.
    actor: String,
    actor_id: Uuid,
    /// `user`, `token`, `system` or `anonymous`.
    actor_kind: &'static str,
    source_ip: Option<String>,
    request_id: Option<String>,
    action: String,
    /// The first object, in words.
    object: Option<String>,
    objects: Vec<ObjectView>,
    /// `success`, `denied` or `failure`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<RemoteView>,
    /// Facts about it. Never a value.
    detail: BTreeMap<String, String>,
    /// Hash of the entry's bytes, hexadecimal.
    pub(crate) hash: String,
}

/// What something was done to.
#[derive(Serialize, ToSchema)]
pub(crate) struct ObjectView {
    kind: String,
    id: Uuid,
    name: Option<String>,
}

/// Where in Vault.
#[derive(Serialize, ToSchema)]
pub(crate) struct RemoteView {
    cluster: Option<String>,
    path: String,
    version: Option<u64>,
    /// Vault's request id: the same as in Vault's own audit log.
    request_id: Option<String>,
}

impl EventView {
    pub(crate) fn of(event: &AuditEvent) -> Self {
        let draft = &event.entry.draft;
        let objects = draft.objects.iter();
        let first = draft.objects.first();
        Self {
            seq: event.seq,
            time: moment::of_us(draft.time_us),
            actor: draft.actor.name.clone(),
            actor_id: draft.actor.id,
            actor_kind: draft.actor.kind.as_str(),
            source_ip: draft.source_ip.clone(),
            request_id: draft.request_id.clone(),
            action: draft.action.as_str().to_owned(),
            object: first.map(|object| object.name.clone().unwrap_or_else(|| object.id.to_string())),
            objects: objects
                .map(|object| ObjectView {
                    kind: object.kind.as_str().to_owned(),
                    id: object.id,
                    name: object.name.clone(),
                })
                .collect(),
            outcome: draft.outcome.as_str(),
            remote: draft.remote.as_ref().map(|remote| RemoteView {
                cluster: remote.cluster.clone(),
                path: remote.path.clone(),
                version: remote.version,
                request_id: remote.request_id.clone(),
            }),
            detail: draft.detail.clone(),
            hash: hex(&event.hash),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only after this place.
    after: Option<u64>,
    /// Only this action, for example `RECORD_REVEALED`.
    action: Option<String>,
    /// Only by this person, by id.
    actor: Option<Uuid>,
    /// Only about this object, by id.
    object: Option<Uuid>,
    /// From this moment on, RFC 3339.
    from: Option<String>,
    /// Before this moment, RFC 3339.
    to: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl AuditQuery {
    fn parts(self) -> Result<(AuditFilter, Page), Problem> {
        let moment = |field: &'static str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => moment::parse_us(&text)
                .map(Some)
                .ok_or_else(|| Problem::field(field, "expected a time such as 2026-01-31T12:00:00Z")),
        };
        let action = match self.action.as_deref() {
            None => None,
            Some(name) => {
                let found = Action::from_name(name);
                Some(found.ok_or_else(|| Problem::field("action", "there is no such action"))?)
            }
        };
        let filter = AuditFilter {
            after: self.after,
            action,
            actor: self.actor,
            object: self.object,
            from_us: moment("from", self.from)?,
            to_us: moment("to", self.to)?,
        };
        Ok((filter, page(self.limit, self.cursor)?))
    }
}

pub(super) async fn may_read(app: &App, caller: &Caller) -> Result<(), Problem> {
    app.need_scope(caller, Scope::AuditRead).await?;
    app.need_instance(caller, InstanceRole::Admin).await
}

/// Lists entries, the oldest first.
#[utoipa::path(get, path = "/audit/events", tag = "audit", params(AuditQuery),
    responses((status = 200, body = ListView<EventView>)))]
pub(crate) async fn events(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Json<ListView<EventView>>, Problem> {
    may_read(&app, &caller).await?;
    let (filter, page) = query.parts()?;
    Ok(listed(app.store.audit_events(&filter, &page).await?, EventView::of))
}

/// What a check of the whole log found.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerdictView {
    ok: bool,
    /// Entries that were removed from the beginning (`audit prune`).
    pruned: u64,
    /// Entries in an unbroken chain, the removed ones included.
    entries: u64,
    /// Checkpoints on the way that are signed by a key of this log and say what the entries say.
    checkpoints: u64,
    /// Hash of the last of them, hexadecimal.
    head: String,
    /// What is wrong with the next one.
    broken: Option<String>,
}

/// Checks every entry, every link and every checkpoint of the log.
#[utoipa::path(post, path = "/audit/verify", tag = "audit", request_body = Nothing,
    responses((status = 200, body = VerdictView)))]
pub(crate) async fn verify(
    State(app): State<App>,
    caller: Caller,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<VerdictView>, Problem> {
    may_read(&app, &caller).await?;
    let verdict = app.store.verify_audit().await?;
    Ok(Json(VerdictView {
        ok: verdict.broken.is_none(),
        pruned: verdict.pruned,
        entries: verdict.entries,
        checkpoints: verdict.checkpoints,
        head: hex(&verdict.head),
        broken: verdict.broken,
    }))
}
