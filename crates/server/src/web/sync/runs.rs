//! `/runs`: the runs of all connections, the newest first, with the filters that the address names.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::{
    Part, outline,
    runs::{self, Search},
};
use vaultterm_store::ConnectionSummary;
use vaultterm_sync::{RunState, Trigger};

use super::{
    connection::{RunRow, row},
    words,
};
use crate::{
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        link::Query as Address,
        page::show as shown,
        parts::{self, Choice, Filter},
        refused::Refused,
        visitor::Visitor,
    },
};

const DAY_US: i64 = 24 * 3_600 * 1_000_000;
/// How far back the list goes: the name in the address, the words, and the days.
const SPANS: [(&str, &str, i64); 3] =
    [("1d", "the last day", 1), ("7d", "the last 7 days", 7), ("30d", "the last 30 days", 30)];

/// What is asked for, in the address. A parameter that does not fit is left out: an old link still shows a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    connection: String,
    state: String,
    trigger: String,
    /// `me` for the runs of the visitor.
    by: String,
    since: String,
    cursor: String,
}

impl Asked {
    fn address(&self) -> Address {
        Address::default()
            .with("connection", &self.connection)
            .with("state", &self.state)
            .with("trigger", &self.trigger)
            .with("by", &self.by)
            .with("since", &self.since)
    }

    fn search(&self, visitor: Uuid, now_us: i64) -> Search {
        let known = |text: &str, is_known: bool| Some(text.to_owned()).filter(|_| is_known);
        let span = SPANS.iter().find(|(name, ..)| *name == self.since);
        Search {
            connection: self.connection.parse().ok(),
            state: known(&self.state, self.state.parse::<RunState>().is_ok()),
            trigger: known(&self.trigger, self.trigger.parse::<Trigger>().is_ok()),
            actor: (self.by == "me").then_some(visitor),
            since: span.map(|(.., days)| vaultterm_contract::moment::of_us(now_us - days * DAY_US)),
            part: Part { limit: Some(100), cursor: Some(self.cursor.clone()).filter(|cursor| !cursor.is_empty()) },
        }
    }

    /// Returns the address of the same list with one parameter set otherwise, from its first page on.
    fn but(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut other = Self { cursor: String::new(), ..self.clone() };
        change(&mut other);
        other.address().on("/runs")
    }

    fn narrowed(&self) -> bool {
        !self.address().on("").is_empty()
    }

    fn filters(&self, connections: &[ConnectionSummary]) -> Vec<Filter> {
        let choice = |words: &str, href: String, chosen| Choice { words: words.to_owned(), href, chosen };
        let any = |href, chosen| choice("any", href, chosen);
        let states = RunState::ALL.iter().map(|state| {
            let href = self.but(|other| state.as_str().clone_into(&mut other.state));
            choice(words::run_state(*state).words, href, self.state == state.as_str())
        });
        let triggers = Trigger::ALL.iter().map(|trigger| {
            let href = self.but(|other| trigger.as_str().clone_into(&mut other.trigger));
            choice(words::trigger(*trigger), href, self.trigger == trigger.as_str())
        });
        let mine = choice("yours", self.but(|other| "me".clone_into(&mut other.by)), self.by == "me");
        let spans = SPANS.iter().map(|(name, told, _)| {
            choice(told, self.but(|other| (*name).clone_into(&mut other.since)), self.since == *name)
        });
        let named = connections.iter().map(|found| {
            let id = found.connection.id.to_string();
            let chosen = self.connection == id;
            choice(&found.connection.name, self.but(|other| other.connection = id), chosen)
        });
        let filter = |name, first, rest: Vec<Choice>| Filter { name, choices: [vec![first], rest].concat() };
        let mut filters = Vec::new();
        if connections.len() > 1 || !self.connection.is_empty() {
            let first = any(self.but(|other| other.connection.clear()), self.connection.is_empty());
            filters.push(filter("Connection", first, named.collect()));
        }
        let first = any(self.but(|other| other.state.clear()), self.state.is_empty());
        filters.push(filter("State", first, states.collect()));
        let first = any(self.but(|other| other.trigger.clear()), self.trigger.is_empty());
        filters.push(filter("Why", first, triggers.collect()));
        filters.push(filter("Whose", any(self.but(|other| other.by.clear()), self.by.is_empty()), vec![mine]));
        let first = choice("all", self.but(|other| other.since.clear()), self.since.is_empty());
        filters.push(filter("Since", first, spans.collect()));
        filters
    }

    fn command(&self, connections: &[ConnectionSummary], email: &str) -> String {
        let mut command = "vaultterm sync runs".to_owned();
        let named = connections.iter().find(|found| found.connection.id.to_string() == self.connection);
        if let Some(found) = named {
            command.push_str(&format!(" {}", word(&found.connection.name)));
        }
        let by = if self.by == "me" { email } else { "" };
        for (option, value) in [("state", &*self.state), ("trigger", &self.trigger), ("by", by), ("since", &self.since)]
        {
            if !value.is_empty() {
                command.push_str(&format!(" --{option} {}", word(value)));
            }
        }
        command
    }
}

/// A run with the name of its connection.
#[derive(Debug)]
pub(crate) struct Line {
    connection: String,
    run: RunRow,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "sync/runs.html")]
pub(crate) struct RunsPage {
    frame: Frame,
    filters: Vec<Filter>,
    narrowed: bool,
    lines: Vec<Line>,
    next: Option<String>,
    command: String,
}

/// `GET /runs`
pub(crate) async fn list(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let now_us = app.now_us();
    let found = runs::recent(&app, &visitor.caller, asked.search(visitor.visit.person(), now_us)).await?;
    let connections = outline::connections(&app, &visitor.caller).await?;
    let line = |run: &vaultterm_sync::Run| Line {
        connection: connections
            .iter()
            .find(|known| known.connection.id == run.connection_id)
            .map_or_else(String::new, |found| found.connection.name.clone()),
        run: row(run, now_us),
    };
    Ok(shown(&RunsPage {
        lines: found.items.iter().map(line).collect(),
        filters: asked.filters(&connections),
        narrowed: asked.narrowed(),
        next: found.next_cursor.map(|cursor| asked.address().with("cursor", cursor).on("/runs")),
        command: asked.command(&connections, &visitor.caller.user.email),
        frame: Frame::around(&app, &visitor, Here::Runs).await?,
    }))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::web::sync::picture;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let run = row(&picture::samples::run(RunState::Partial, 3), 1);
        let page = RunsPage {
            lines: vec![Line { connection: "<b>".to_owned(), run }],
            filters: Asked::default().filters(&[]),
            ..RunsPage::default()
        };
        let none = RunsPage { narrowed: true, ..RunsPage::default() };
        vec![
            ("runs", page.render().unwrap()),
            ("no runs", RunsPage::default().render().unwrap()),
            ("no such runs", none.render().unwrap()),
        ]
    }

    #[test]
    fn a_choice_keeps_the_others_and_begins_at_the_first_page() {
        let asked = Asked { state: "halted".to_owned(), cursor: "x".to_owned(), ..Asked::default() };
        let filters = asked.filters(&[]);
        assert_eq!(filters.iter().map(|filter| filter.name).collect::<Vec<_>>(), ["State", "Why", "Whose", "Since"]);
        assert_eq!(filters[1].choices[1].href, "/runs?state=halted&trigger=manual");
        assert_eq!(filters[3].choices[2].href, "/runs?state=halted&since=7d");
        assert!(filters[0].choices.iter().any(|choice| choice.chosen && choice.href == "/runs?state=halted"));
        assert_eq!(asked.command(&[], "ann@example.com"), "vaultterm sync runs --state halted");
    }

    #[test]
    fn an_address_that_does_not_fit_still_shows_a_list() {
        let odd = || "nonsense".to_owned();
        let asked =
            Asked { connection: odd(), state: odd(), trigger: odd(), by: odd(), since: odd(), ..Asked::default() };
        let search = asked.search(Uuid::nil(), 0);
        assert!(search.state.is_none() && search.trigger.is_none() && search.since.is_none() && search.actor.is_none());
    }
}
