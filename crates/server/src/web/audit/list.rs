//! `/audit`: what happened, newest first, with the filters that the address names; the state of the log, its check and
//! its export.

use askama::Template;
use axum::{
    body::Body,
    extract::{Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use jiff::civil::Date;
use serde::Deserialize;
use vaultterm_contract::shell::word;
use vaultterm_ledger::AuditAction;
use vaultterm_operations::{
    Part, Refusal,
    audit::{self, Search},
};
use vaultterm_store::{AuditEvent, AuditVerdict};

use super::words;
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link::Query as Address,
        page::show,
        parts::{self, State as Word},
        refused::{Refused, sentence},
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// Rows of a page.
const ROWS: u32 = 100;

/// What is asked for, in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    action: String,
    actor: String,
    object: String,
    /// The first day, in UTC.
    from: String,
    /// The last day, in UTC.
    to: String,
    cursor: String,
}

impl Asked {
    fn of(pairs: &Pairs) -> Self {
        let text = |name| pairs.text(name).to_owned();
        let (action, actor, object) = (text("action"), text("actor"), text("object"));
        Self { action, actor, object, from: text("from"), to: text("to"), cursor: String::new() }
    }

    /// Lists what narrows the list, by the names in the address.
    fn pairs(&self) -> [(&'static str, &str); 5] {
        [
            ("action", &self.action),
            ("actor", &self.actor),
            ("object", &self.object),
            ("from", &self.from),
            ("to", &self.to),
        ]
    }

    fn address(&self) -> Address {
        self.pairs().into_iter().fold(Address::default(), |address, (name, value)| address.with(name, value))
    }

    fn narrowed(&self) -> bool {
        !self.address().on("").is_empty()
    }

    /// Reads what is asked for. A day covers all of its hours, in UTC.
    fn search(&self) -> Result<Search, Refusal> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(Search {
            after: None,
            action: given(&self.action),
            actor: self.actor.parse().ok(),
            object: self.object.parse().ok(),
            from: day("from", &self.from)?.map(midnight),
            to: day("to", &self.to)?.and_then(|day| day.tomorrow().ok()).map(midnight),
            order: Some("newest".to_owned()),
            part: Part { limit: Some(ROWS), cursor: given(&self.cursor) },
        })
    }

    fn command(&self) -> String {
        let mut command = "vaultterm audit ls".to_owned();
        for (name, value) in self.pairs().into_iter().filter(|(_, value)| !value.is_empty()) {
            command.push_str(&format!(" --{name} {}", word(value)));
        }
        command
    }
}

fn day(field: &str, text: &str) -> Result<Option<Date>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Refusal::field(field, "expected a day such as 2026-01-31"))
}

fn midnight(day: Date) -> String {
    format!("{day}T00:00:00Z")
}

/// An action to narrow the list by.
#[derive(Debug)]
pub(crate) struct Choice {
    name: &'static str,
    words: String,
    chosen: bool,
}

/// A row of the list.
#[derive(Debug)]
pub(crate) struct Row {
    seq: u64,
    when: Moment,
    who: String,
    /// The list of what the same one did.
    who_href: String,
    did: &'static str,
    object: String,
    object_href: Option<String>,
    facts: String,
    outcome: Word,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "audit/list.html")]
pub(crate) struct ListPage {
    frame: Frame,
    told: String,
    /// What a check of the log found.
    verdict: Option<Verdict>,
    entries: String,
    checkpoint: Option<(u64, Moment)>,
    key: String,
    asked: Asked,
    choices: Vec<Choice>,
    narrowed: bool,
    rows: Vec<Row>,
    next: Option<String>,
    command: String,
}

/// What a check of the log found.
#[derive(Debug)]
pub(crate) struct Verdict {
    good: bool,
    words: String,
}

/// `GET /audit`
pub(crate) async fn list(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    Ok(show(&page(&app, &visitor, asked).await?))
}

/// `POST /audit/verify`: checks the whole log, and shows what was found above the list.
pub(crate) async fn verify(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let found = audit::verify(&app, &visitor.caller).await?;
    let mut page = page(&app, &visitor, Asked::of(&pairs)).await?;
    page.verdict = Some(verdict(&found));
    Ok(show(&page))
}

/// `POST /audit/export`: hands out the log, or what the list is narrowed to, as a file.
pub(crate) async fn export(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let lines = audit::export(&app, &visitor.caller, Asked::of(&pairs).search()?).await?;
    let mut response = Body::from_stream(lines).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/jsonl"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

async fn page(app: &ServerState, visitor: &Visitor, asked: Asked) -> Result<ListPage, Refused> {
    let found = audit::events(app, &visitor.caller, asked.search()?).await?;
    let state = audit::state(app, &visitor.caller).await?;
    let now_us = app.now_us();
    let choice = |action: &AuditAction| {
        let name = action_name(*action);
        Choice {
            name,
            words: sentence(words::did(*action)).trim_end_matches('.').to_owned(),
            chosen: asked.action == name,
        }
    };
    let mut choices: Vec<Choice> = AuditAction::ALL.iter().map(choice).collect();
    choices.sort_by(|one, other| one.words.cmp(&other.words));
    Ok(ListPage {
        frame: Frame::around(app, visitor, Here::Audit).await?,
        told: told(found.items.len(), found.next_cursor.is_some()),
        verdict: None,
        entries: counted(state.entries, "entry", "entries"),
        checkpoint: state.newest.map(|newest| (newest.checkpoint.size, Moment::seen(newest.created_us, now_us))),
        key: state.key.map_or_else(String::new, |key| key.vkey.to_string()),
        choices,
        narrowed: asked.narrowed(),
        rows: found.items.iter().map(|event| row(event, &asked, now_us)).collect(),
        next: found.next_cursor.map(|cursor| asked.address().with("cursor", cursor).on("/audit")),
        command: asked.command(),
        asked,
    })
}

/// Returns the name of an action of this version.
fn action_name(action: AuditAction) -> &'static str {
    AuditAction::ALL.iter().find(|known| **known == action).map_or("", AuditAction::as_str)
}

fn row(event: &AuditEvent, asked: &Asked, now_us: i64) -> Row {
    let draft = &event.entry.draft;
    let first = draft.objects.first();
    let of_actor = Asked { actor: draft.actor.id.to_string(), cursor: String::new(), ..asked.clone() };
    Row {
        seq: event.seq,
        when: Moment::seen(draft.time_us, now_us),
        who: draft.actor.name.clone(),
        who_href: of_actor.address().on("/audit"),
        did: words::did(draft.action),
        object: first.map_or_else(String::new, words::name),
        object_href: first.and_then(words::href),
        facts: words::facts(draft),
        outcome: words::outcome(draft.outcome),
    }
}

fn told(rows: usize, more: bool) -> String {
    match (rows, more) {
        (0, _) => String::new(),
        (rows, true) => format!("The newest {rows} entries, and more."),
        (1, false) => "One entry.".to_owned(),
        (rows, false) => format!("{rows} entries, the newest first."),
    }
}

fn verdict(found: &AuditVerdict) -> Verdict {
    let entries = counted(found.entries, "entry", "entries");
    match &found.broken {
        None => {
            let signed = counted(found.checkpoints, "signed checkpoint", "signed checkpoints");
            let words = format!("{entries} in an unbroken chain, and {signed} that say what the entries say.");
            Verdict { good: true, words }
        }
        Some(why) => Verdict { good: false, words: format!("{entries} are sound. The next one is not: {why}") },
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row = Row {
            seq: 7,
            when: Moment::seen(0, 1),
            who: "<b>ann".to_owned(),
            who_href: "/audit?actor=x".to_owned(),
            did: words::did(AuditAction::RecordRevealed),
            object: "<b>".to_owned(),
            object_href: Some("/records/x".to_owned()),
            facts: "reason: <b>".to_owned(),
            outcome: words::outcome(vaultterm_ledger::AuditOutcome::Denied),
        };
        let full = ListPage {
            told: told(1, true),
            verdict: Some(Verdict { good: false, words: "<b>".to_owned() }),
            entries: "7 entries".to_owned(),
            checkpoint: Some((6, Moment::seen(0, 1))),
            key: "vaultterm+<b>".to_owned(),
            asked: Asked { from: "<b>".to_owned(), ..Asked::default() },
            choices: vec![Choice { name: "RECORD_REVEALED", words: "Looked at values of".to_owned(), chosen: true }],
            narrowed: true,
            rows: vec![row],
            next: Some("/audit?cursor=x".to_owned()),
            command: "vaultterm audit ls".to_owned(),
            ..ListPage::default()
        };
        vec![("audit", full.render().unwrap()), ("audit of nothing", ListPage::default().render().unwrap())]
    }

    #[test]
    fn a_day_covers_all_of_its_hours_and_another_text_is_refused() {
        let asked = Asked { from: "2026-11-28".to_owned(), to: "2026-11-30".to_owned(), ..Asked::default() };
        let search = asked.search().unwrap();
        assert_eq!(search.from.as_deref(), Some("2026-11-28T00:00:00Z"));
        assert_eq!(search.to.as_deref(), Some("2026-12-01T00:00:00Z"));
        assert_eq!(asked.command(), "vaultterm audit ls --from 2026-11-28 --to 2026-11-30");
        assert!(Asked { from: "soon".to_owned(), ..Asked::default() }.search().is_err());
    }

    #[test]
    fn every_action_can_be_chosen_and_reads_as_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for action in AuditAction::ALL {
            assert!(seen.insert(words::did(*action)), "{action:?} reads as another one");
            assert!(!action_name(*action).is_empty());
        }
    }
}
