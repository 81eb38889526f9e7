//! `/audit/{seq}`: everything that the log says of one event.

use askama::Template;
use axum::{extract::State, response::Response};
use vaultterm_operations::audit;
use vaultterm_store::AuditEvent;

use super::words;
use crate::{
    request::Seq,
    state::ServerState,
    view,
    web::{
        assets,
        frame::{Frame, Here},
        link::Query as Address,
        page::show as shown,
        parts::{self, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::Moment,
    },
};

/// An object on which an action was done.
#[derive(Debug)]
pub(crate) struct Object {
    kind: String,
    name: String,
    href: Option<String>,
    /// The list of what happened to it.
    entries: String,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "audit/entry.html")]
pub(crate) struct EntryPage {
    frame: Frame,
    seq: u64,
    previous: Option<u64>,
    next: u64,
    did: &'static str,
    who: String,
    who_kind: &'static str,
    who_href: String,
    name: String,
    when: Option<Moment>,
    outcome: Option<Word>,
    source_ip: Option<String>,
    request_id: Option<String>,
    action: String,
    objects: Vec<Object>,
    remote: Option<String>,
    detail: Vec<(String, String)>,
    json: String,
    command: String,
}

/// `GET /audit/{seq}`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Seq(seq): Seq) -> Result<Response, Refused> {
    let event = audit::entry(&app, &visitor.caller, seq).await?;
    let frame = Frame::around(&app, &visitor, Here::Audit).await?;
    Ok(shown(&of(&event, frame, app.now_us())))
}

fn of(event: &AuditEvent, frame: Frame, now_us: i64) -> EntryPage {
    let draft = &event.entry.draft;
    let object = |object: &vaultterm_ledger::ObjectRef| Object {
        kind: object.kind.as_str().to_owned(),
        name: words::name(object),
        href: words::href(object),
        entries: Address::default().with("object", object.id).on("/audit"),
    };
    let remote = draft.remote.as_ref().map(|remote| {
        let version = remote.version.map_or_else(String::new, |version| format!(" version {version}"));
        let request =
            remote.request_id.as_ref().map_or_else(String::new, |id| format!(", request {id} in Vault’s own log"));
        format!("{}{version}{request}", remote.path)
    });
    EntryPage {
        frame,
        seq: event.seq,
        previous: event.seq.checked_sub(1).filter(|seq| *seq > 0),
        next: event.seq + 1,
        did: words::did(draft.action),
        who: draft.actor.name.clone(),
        who_kind: draft.actor.kind.as_str(),
        who_href: Address::default().with("actor", draft.actor.id).on("/audit"),
        name: draft.objects.first().map_or_else(String::new, words::name),
        when: Some(Moment::seen(draft.time_us, now_us)),
        outcome: Some(words::outcome(draft.outcome)),
        source_ip: draft.source_ip.clone(),
        request_id: draft.request_id.clone(),
        action: draft.action.as_str().to_owned(),
        objects: draft.objects.iter().filter(|object| !object.id.is_nil()).map(object).collect(),
        remote,
        detail: draft.detail.clone().into_iter().collect(),
        json: serde_json::to_string_pretty(&view::event(event)).unwrap_or_default(),
        command: format!("vaultterm audit show {}", event.seq),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = EntryPage {
            seq: 7,
            previous: Some(6),
            next: 8,
            did: "looked at values of",
            who: "<b>ann".to_owned(),
            who_kind: "user",
            who_href: "/audit?actor=x".to_owned(),
            name: "<b>".to_owned(),
            when: Some(Moment::seen(0, 1)),
            outcome: Some(Word { tone: "good", words: "done" }),
            source_ip: Some("<b>".to_owned()),
            objects: vec![Object {
                kind: "record".to_owned(),
                name: "<b>".to_owned(),
                href: Some("/records/x".to_owned()),
                entries: "/audit?object=x".to_owned(),
            }],
            remote: Some("<b> version 3".to_owned()),
            detail: vec![("reason".to_owned(), "<b>".to_owned())],
            json: "{\"reason\": \"<b>\"}".to_owned(),
            command: "vaultterm audit show 7".to_owned(),
            ..EntryPage::default()
        };
        vec![("audit entry", page.render().unwrap())]
    }
}
