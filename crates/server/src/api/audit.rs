//! The audit log: listed, exported, verified.

use axum::{
    Json,
    body::Body as HttpBody,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vaultterm_operations::{
    Caller, Part, Services,
    audit::{self, Search},
};
use vaultterm_store::AuditEvent;

use super::{
    list::{ListView, listed},
    plans::Nothing,
};
use crate::{
    moment,
    problem::Problem,
    request::{Body, Parameters},
};

/// One entry of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Place in the log, from 1, without gaps.
    seq: u64,
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
    hash: String,
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
    fn of(event: &AuditEvent) -> Self {
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

/// Writes an entry as the JSON document of [`EventView`].
pub(crate) fn entry_json(event: &AuditEvent) -> String {
    serde_json::to_string(&EventView::of(event)).expect("an entry has only text keys")
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
    fn search(self) -> Search {
        let Self { after, action, actor, object, from, to, limit, cursor } = self;
        Search { after, action, actor, object, from, to, part: Part { limit, cursor } }
    }
}

/// Lists entries, the oldest first.
#[utoipa::path(get, path = "/audit/events", tag = "audit", params(AuditQuery),
    responses((status = 200, body = ListView<EventView>)))]
pub(crate) async fn events(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Json<ListView<EventView>>, Problem> {
    Ok(listed(audit::events(&services, &caller, query.search()).await?, EventView::of))
}

/// Writes the log as JSON lines that `vaultterm audit verify` checks; audited. By time, the whole stretch
/// from the first entry to the last one of that time; by anything else a selection, of which only
/// each entry by itself can be checked.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "JSON lines", content_type = "application/jsonl", body = String)))]
pub(crate) async fn export(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Response, Problem> {
    let lines = audit::export(&services, &caller, query.search()).await?;
    let mut response = HttpBody::from_stream(lines).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    Ok(response)
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
    State(services): State<Services>,
    caller: Caller,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<VerdictView>, Problem> {
    let verdict = audit::verify(&services, &caller).await?;
    Ok(Json(VerdictView {
        ok: verdict.broken.is_none(),
        pruned: verdict.pruned,
        entries: verdict.entries,
        checkpoints: verdict.checkpoints,
        head: hex(&verdict.head),
        broken: verdict.broken,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uuid::Uuid;
    use vaultterm_ledger::{
        Action, Actor, ActorKind, Draft, Entry, ObjectKind, ObjectRef, Outcome, RemoteRef, entry_line,
    };
    use vaultterm_store::AuditEvent;

    use super::EventView;

    #[test]
    fn an_entry_reads_the_same_in_an_export_and_in_a_list() {
        let actor = Actor { kind: ActorKind::Token, id: Uuid::from_u128(2), name: "ci".to_owned() };
        let object = |name: Option<&str>| ObjectRef {
            kind: ObjectKind::Record,
            id: Uuid::from_u128(3),
            name: name.map(str::to_owned),
        };
        let remote = RemoteRef { cluster: None, path: "kv/a".to_owned(), version: Some(1), request_id: None };
        let cases = [
            (vec![object(Some("a/b")), object(None)], Some(remote), Outcome::Success),
            (vec![object(None)], None, Outcome::Denied),
            (vec![], None, Outcome::Failure),
        ];
        for (seq, (objects, remote, outcome)) in (1..).zip(cases) {
            let draft = Draft {
                time_us: 1_700_000_000_250_000,
                actor: actor.clone(),
                source_ip: None,
                request_id: Some("r".to_owned()),
                action: Action::RecordCreated,
                objects,
                outcome,
                remote,
                detail: [("revision".to_owned(), "1".to_owned())].into(),
            };
            let entry = Entry { log_id: Uuid::from_u128(1), seq, previous: [0; 32], draft };
            let sealed = entry.encode();
            let mut line = Vec::new();
            entry_line(&sealed.bytes, &mut line).unwrap();
            let mut exported: Value = serde_json::from_slice(&line).unwrap();
            exported.as_object_mut().unwrap().remove("bytes");
            let event = AuditEvent { seq, entry, hash: sealed.hash, bytes: sealed.bytes };
            assert_eq!(exported, serde_json::to_value(EventView::of(&event)).unwrap());
        }
    }
}
