//! `/`: the state of every connection, and what waits for a person.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_contract::{Standing, moment::lasting};
use vaultterm_operations::{Part, connections, runs};
use vaultterm_store::CollectionRole;
use vaultterm_sync::{CollectionId, schedule};

use super::{
    picture::{self, Bar, Fact},
    words,
};
use crate::{
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        page::show,
        parts::{self, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::Moment,
    },
};

/// Connections on the page.
const CARDS: u32 = 50;

/// A connection.
#[derive(Debug)]
pub(crate) struct Card {
    id: Uuid,
    name: String,
    glyph: &'static str,
    direction: &'static str,
    state: Word,
    why: String,
    scope: String,
    address: String,
    verified: Option<Moment>,
    next_run: Option<Moment>,
    /// How old what is shown of Vault may become.
    age: Option<String>,
    secret_id: Option<Moment>,
    bars: Vec<Bar>,
    facts: Vec<Fact>,
    may_plan: bool,
    /// The list of its conflicts, if a person must decide some.
    decide: Option<String>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "sync/overview.html")]
pub(crate) struct OverviewPage {
    frame: Frame,
    title: String,
    told: String,
    cards: Vec<Card>,
    more: bool,
    /// Whether the visitor may connect a Vault to a collection.
    may_connect: bool,
}

/// `GET /`
pub(crate) async fn overview(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    let part = Part { limit: Some(CARDS), cursor: None };
    let found = connections::list(&app, &visitor.caller, part).await?;
    let now_us = app.now_us();
    let mut cards = Vec::new();
    for seen in &found.items {
        let part = Part { limit: Some(30), cursor: None };
        let listed = runs::list(&app, &visitor.caller, seen.summary.connection.id.0, part).await?;
        cards.push((seen.summary.connection.collection_id, card(seen, &listed.items, now_us)));
    }
    let standings: Vec<Standing> = found.items.iter().map(|seen| seen.standing).collect();
    let frame = Frame::around(&app, &visitor, Here::Overview).await?;
    let may_plan = |(collection, card): (CollectionId, Card)| Card {
        may_plan: card.may_plan && frame.roles.on(collection.0, CollectionRole::Editor),
        ..card
    };
    Ok(show(&OverviewPage {
        title: title(&standings),
        told: told(&found.items, now_us),
        more: found.next_cursor.is_some(),
        may_connect: frame.roles.anywhere(CollectionRole::Admin),
        cards: cards.into_iter().map(may_plan).collect(),
        frame,
    }))
}

fn card(seen: &connections::Seen, runs: &[vaultterm_sync::Run], now_us: i64) -> Card {
    let summary = &seen.summary;
    let connection = &summary.connection;
    let (glyph, direction) = words::direction(connection.options.mode);
    Card {
        id: connection.id.0,
        name: connection.name.clone(),
        glyph,
        direction,
        state: words::standing(seen.standing),
        why: seen.why.clone().unwrap_or_default(),
        scope: words::scope(summary),
        address: connection.address.clone(),
        verified: summary.last_verified_us.map(|us| Moment::seen(us, now_us)),
        age: age(summary),
        next_run: next_run(summary).map(|us| Moment::seen(us, now_us)),
        secret_id: summary.secret_id_expires_us.map(|us| Moment::seen(us, now_us)),
        bars: picture::bars(runs),
        facts: picture::facts(runs, now_us),
        may_plan: !connection.paused && !summary.running,
        decide: (seen.standing == Standing::Conflicts).then(|| format!("/conflicts?connection={}", connection.id.0)),
    }
}

/// Tells when the interval starts the next run, in microseconds.
pub(crate) fn next_run(summary: &vaultterm_store::ConnectionSummary) -> Option<i64> {
    let connection = &summary.connection;
    let pause = schedule::pause(connection.schedule, summary.last_run.as_ref())?;
    let runs_by_itself = connection.started && !connection.paused && !summary.running;
    let finished = summary.last_run.as_ref().and_then(|run| run.finished)?;
    let pause_us = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
    runs_by_itself.then(|| finished.0.div_euclid(1_000).saturating_add(pause_us))
}

/// Says how old what is shown of Vault may become.
pub(crate) fn age(summary: &vaultterm_store::ConnectionSummary) -> Option<String> {
    let connection = &summary.connection;
    let age = schedule::age_max(connection.schedule, summary.last_run.as_ref())?;
    (connection.started && !connection.paused).then(|| lasting(age))
}

/// Says in one sentence how all connections stand.
fn title(standings: &[Standing]) -> String {
    let count = |of: fn(&Standing) -> bool| standings.iter().filter(|standing| of(standing)).count() as u64;
    let all = standings.len() as u64;
    let ready = count(|one| matches!(one, Standing::Ready | Standing::Running));
    let paused = count(|one| *one == Standing::Paused);
    let waits = count(|one| *one == Standing::Conflicts);
    let new = count(|one| *one == Standing::New);
    let partial = count(|one| *one == Standing::Partial);
    let stopped = all - ready - paused - waits - new - partial;
    match (all, ready) {
        (0, _) => return "No Vault is connected yet".to_owned(),
        (1, 1) => return "The connection is in step".to_owned(),
        (all, ready) if all == ready => return format!("All {all} connections are in step"),
        _ => {}
    }
    let mut parts = Vec::new();
    let mut add = |count: u64, one: &str, many: &str| {
        // Only the first part names what is counted.
        let noun = match (parts.is_empty(), count) {
            (false, _) => "",
            (true, 1) => " connection",
            (true, _) => " connections",
        };
        match count {
            0 => {}
            count => parts.push(format!("{count}{noun} {}", if count == 1 { one } else { many })),
        }
    };
    add(stopped, "is stopped", "are stopped");
    add(waits, "waits for your decision", "wait for your decision");
    add(new, "waits for its first plan", "wait for their first plan");
    add(partial, "left something undone", "left something undone");
    add(paused, "is paused", "are paused");
    add(ready, "is in step", "are in step");
    parts.join(", ")
}

fn told(seen: &[connections::Seen], now_us: i64) -> String {
    let verified = seen.iter().map(|seen| seen.summary.last_verified_us).min().flatten();
    match (seen.is_empty(), verified) {
        (true, _) => String::new(),
        (false, Some(us)) => format!("The one that was verified longest ago: {}.", Moment::seen(us, now_us).words),
        (false, None) => "Not every connection was verified yet.".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use vaultterm_sync::RunState;

    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let runs = [picture::samples::run(RunState::Halted, 3), picture::samples::run(RunState::Succeeded, 0)];
        let card = Card {
            id: Uuid::nil(),
            name: "<b>".to_owned(),
            glyph: "⇄",
            direction: "both ways",
            state: words::standing(Standing::Halted),
            why: "<b>".to_owned(),
            scope: "kv/<b>".to_owned(),
            address: "https://<b>".to_owned(),
            verified: Some(Moment::seen(0, 1)),
            next_run: Some(Moment::seen(2, 1)),
            age: Some("5 minutes".to_owned()),
            secret_id: None,
            bars: picture::bars(&runs),
            facts: picture::facts(&runs, 1),
            may_plan: true,
            decide: Some("/conflicts".to_owned()),
        };
        let page = OverviewPage { title: title(&[Standing::Halted]), cards: vec![card], ..OverviewPage::default() };
        let empty = OverviewPage { title: title(&[]), may_connect: true, ..OverviewPage::default() };
        vec![("overview", page.render().unwrap()), ("empty overview", empty.render().unwrap())]
    }

    #[test]
    fn one_sentence_says_how_all_connections_stand_and_never_more_than_is_so() {
        for (standings, said) in [
            (&[][..], "No Vault is connected yet"),
            (&[Standing::Ready], "The connection is in step"),
            (&[Standing::Ready, Standing::Ready], "All 2 connections are in step"),
            (&[Standing::Ready, Standing::Conflicts], "1 connection waits for your decision, 1 is in step"),
            (&[Standing::Halted, Standing::Paused], "1 connection is stopped, 1 is paused"),
            (&[Standing::Unreachable, Standing::Failed], "2 connections are stopped"),
            (&[Standing::Conflicts, Standing::Conflicts], "2 connections wait for your decision"),
            (&[Standing::New], "1 connection waits for its first plan"),
            (
                &[Standing::Partial, Standing::Ready, Standing::Ready],
                "1 connection left something undone, 2 are in step",
            ),
        ] {
            assert_eq!(title(standings), said);
        }
    }
}
