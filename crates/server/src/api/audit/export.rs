//! The export of the log, as JSON lines: one stretch that can be verified, or a selection.
//!
//! A stretch ends with a checkpoint that covers the entry which reports the export, unless it was
//! asked for up to a moment. A file without its last line was cut off.

use std::ops::RangeInclusive;

use axum::{
    body::{Body as HttpBody, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use vaultterm_ledger::{Frontier, Hash, Header, checkpoint_line, end_line, entry_line, header_line};
use vaultterm_store::{AuditEvent, AuditFilter, Page, StoreError};

use super::{AuditQuery, may_read};
use crate::{app::App, caller::Caller, problem::Problem, request::Parameters};

/// Entries that are read at once.
const AT_ONCE: u32 = 500;

/// Writes the log as JSON lines that `vaultterm audit verify` checks; audited. By time, the whole stretch
/// from the first entry to the last one of that time; by anything else a selection, of which only
/// each entry by itself can be checked.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(AuditQuery),
    responses((status = 200, description = "JSON lines", content_type = "application/jsonl", body = String)))]
pub(crate) async fn export(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Response, Problem> {
    may_read(&app, &caller).await?;
    let (filter, _) = query.parts()?;
    let export = Export::begin(app, &caller, filter).await?;
    let lines = stream::try_unfold(Some(export), |export| async move {
        match export {
            None => Ok(None),
            Some(export) => export.next().await.map(Some),
        }
    });
    let lines = lines.inspect_err(|error| tracing::error!(%error, "an export of the audit log broke off")).boxed();
    let mut response = HttpBody::from_stream(lines).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    Ok(response)
}

/// An export on its way.
struct Export {
    app: App,
    filter: AuditFilter,
    /// The entries of the stretch.
    places: RangeInclusive<u64>,
    selection: bool,
    /// Taken when it is written.
    header: Option<Header>,
    /// The last entry that was written.
    last: (u64, Hash),
}

impl Export {
    async fn begin(app: App, caller: &Caller, filter: AuditFilter) -> Result<Self, StoreError> {
        let AuditFilter { action, actor, object, .. } = filter;
        let selection = action.is_some() || actor.is_some() || object.is_some();
        let detail = [("selection", selection.to_string())];
        let newest = app.store.audit_exported(&caller.context(&app), detail).await?.checkpoint;
        let places = app.store.audit_stretch(&filter, newest.size).await?;
        let vkeys = app.store.audit_vkeys().await?.iter().map(|key| key.vkey.to_string()).collect();
        let (before, previous) =
            if selection { (Frontier::default(), [0; 32]) } else { app.store.audit_start(*places.start()).await? };
        let last = (before.size(), previous);
        let mut header = Header::new(newest.log_id, &before, previous, vkeys);
        (header.until, header.selection) = (filter.to_us.is_some(), selection);
        let after = Some(places.start() - 1);
        // A stretch is named by its places; a selection goes by times, too.
        let filter = if selection { filter } else { AuditFilter { from_us: None, to_us: None, ..filter } };
        let filter = AuditFilter { after, ..filter };
        Ok(Self { app, filter, places, selection, header: Some(header), last })
    }

    /// Writes the next lines; answers what is left to do.
    async fn next(mut self) -> Result<(Bytes, Option<Self>), StoreError> {
        let mut lines = Vec::new();
        if let Some(header) = self.header.take() {
            header_line(&header, &mut lines);
        }
        let page = Page { limit: AT_ONCE, cursor: None };
        let events = self.app.store.audit_events(&self.filter, &page).await?.items;
        let events: Vec<_> = events.into_iter().filter(|event| event.seq <= *self.places.end()).collect();
        let Some(newest) = events.last() else {
            let (seq, hash) = self.last;
            end_line(seq, hash, &mut lines);
            return Ok((lines.into(), None));
        };
        self.filter.after = Some(newest.seq);
        self.last = (newest.seq, newest.hash);
        let mut checkpoints = self.checkpoints(&events).await?.into_iter().peekable();
        for event in &events {
            entry_line(&event.bytes, &mut lines).map_err(|_| StoreError::Malformed("audit entry"))?;
            while let Some((_, note)) = checkpoints.next_if(|(size, _)| *size == event.seq) {
                checkpoint_line(&note, &mut lines);
            }
        }
        Ok((lines.into(), Some(self)))
    }

    /// The checkpoints that stand among some entries.
    async fn checkpoints(&self, events: &[AuditEvent]) -> Result<Vec<(u64, String)>, StoreError> {
        let (Some(first), Some(last), false) = (events.first(), events.last(), self.selection) else {
            return Ok(Vec::new());
        };
        // No more than there are entries, so one page holds them.
        let page = Page { limit: AT_ONCE, cursor: None };
        let found = self.app.store.checkpoints(first.seq..=last.seq, &page).await?.items;
        Ok(found.into_iter().map(|stored| (stored.checkpoint.size, stored.note)).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uuid::Uuid;
    use vaultterm_ledger::{
        Action, Actor, ActorKind, Draft, Entry, ObjectKind, ObjectRef, Outcome, RemoteRef, entry_line,
    };
    use vaultterm_store::AuditEvent;

    use super::super::EventView;

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
