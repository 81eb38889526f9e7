//! The audit log: listed, exported, verified.

use axum::{
    Json,
    body::Body as HttpBody,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use vaultterm_contract::{EventView, ListView, Nothing, VerdictView};
use vaultterm_operations::{
    Caller, Part, Services,
    audit::{self, Search},
};

use super::list::listed;
use crate::{
    problem::Problem,
    request::{Body, Parameters, Seq},
    view,
};

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
    /// `oldest` first (unless told), or `newest` first. An export always begins with the oldest.
    order: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl AuditQuery {
    fn search(self) -> Search {
        let Self { after, action, actor, object, from, to, order, limit, cursor } = self;
        Search { after, action, actor, object, from, to, order, part: Part { limit, cursor } }
    }
}

/// Lists entries, the oldest first unless told.
#[utoipa::path(get, path = "/audit/events", tag = "audit", params(AuditQuery),
    responses((status = 200, body = ListView<EventView>)))]
pub(crate) async fn events(
    State(services): State<Services>,
    caller: Caller,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Json<ListView<EventView>>, Problem> {
    Ok(listed(audit::events(&services, &caller, query.search()).await?, view::event))
}

/// Shows one entry by its place.
#[utoipa::path(get, path = "/audit/events/{seq}", tag = "audit", params(("seq" = u64, Path)),
    responses((status = 200, body = EventView), (status = 404, body = Problem)))]
pub(crate) async fn event(
    State(services): State<Services>,
    caller: Caller,
    Seq(seq): Seq,
) -> Result<Json<EventView>, Problem> {
    Ok(Json(view::event(&audit::entry(&services, &caller, seq).await?)))
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
        head: hex::encode(verdict.head),
        broken: verdict.broken,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uuid::Uuid;
    use vaultterm_ledger::{
        Actor, ActorKind, AuditAction, AuditOutcome, Draft, Entry, ObjectKind, ObjectRef, RemoteRef, entry_line,
    };
    use vaultterm_store::AuditEvent;

    use crate::view;

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
            (vec![object(Some("a/b")), object(None)], Some(remote), AuditOutcome::Success),
            (vec![object(None)], None, AuditOutcome::Denied),
            (vec![], None, AuditOutcome::Failure),
        ];
        for (seq, (objects, remote, outcome)) in (1..).zip(cases) {
            let draft = Draft {
                time_us: 1_700_000_000_250_000,
                actor: actor.clone(),
                source_ip: None,
                request_id: Some("r".to_owned()),
                action: AuditAction::RecordCreated,
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
            assert_eq!(exported, serde_json::to_value(view::event(&event)).unwrap());
        }
    }
}
