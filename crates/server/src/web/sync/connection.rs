//! `/connections/{id}`: the state of a connection, what it does in sentences, its runs and conflicts.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_contract::{moment::lasting, shell::word};
use vaultterm_operations::{Part, connections, plans, runs};
use vaultterm_reconcile::{DeletionPolicy, DriftPolicy, ExpiryPolicy, InitialPolicy, MergePolicy, Mode, Options};
use vaultterm_store::CollectionRole;
use vaultterm_sync::{Run, Schedule};

use super::{
    overview::{age, next_run},
    picture,
    words::{self, CheckRow},
};
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        link::{self, Query as Address},
        page::{go_to, show as shown},
        parts::{self, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// A run in the list.
#[derive(Debug)]
pub(crate) struct RunRow {
    pub(crate) id: Uuid,
    pub(crate) when: Moment,
    pub(crate) took: String,
    pub(crate) state: Word,
    pub(crate) moved: String,
    pub(crate) by: String,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "sync/connection.html")]
pub(crate) struct ConnectionPage {
    frame: Frame,
    id: Uuid,
    name: String,
    glyph: &'static str,
    direction: &'static str,
    collection: Option<(String, String)>,
    state: Option<Word>,
    why: String,
    told: String,
    scope: String,
    address: String,
    namespace: Option<String>,
    verified: Option<Moment>,
    next_run: Option<Moment>,
    secret_id: Option<Moment>,
    schedule: String,
    /// How old what is shown of Vault may become.
    age: Option<String>,
    sentences: Vec<String>,
    risk: Option<&'static str>,
    open_conflicts: u64,
    paused: bool,
    running: bool,
    /// Whether the visitor may plan, run and pause it.
    may_run: bool,
    /// Whether the visitor may test and change it.
    may_manage: bool,
    checks: Vec<CheckRow>,
    runs: Vec<RunRow>,
    next: Option<String>,
    command: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    cursor: String,
}

/// `GET /connections/{id}`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    Ok(shown(&page(&app, &visitor, id, asked.cursor).await?))
}

async fn page(app: &ServerState, visitor: &Visitor, id: Uuid, cursor: String) -> Result<ConnectionPage, Refused> {
    let seen = connections::show(app, &visitor.caller, id).await?;
    let part = Part { limit: Some(30), cursor: Some(cursor).filter(|cursor| !cursor.is_empty()) };
    let listed = runs::list(app, &visitor.caller, id, part).await?;
    let frame = Frame::around(app, visitor, Here::Overview).await?;
    let now_us = app.now_us();
    let summary = &seen.summary;
    let connection = &summary.connection;
    let shelf = frame.collections.iter().find(|shelf| shelf.id == connection.collection_id.0);
    let (glyph, direction) = words::direction(connection.options.mode);
    Ok(ConnectionPage {
        id,
        glyph,
        direction,
        collection: shelf.map(|shelf| (shelf.name.clone(), shelf.href.clone())),
        state: Some(words::standing(seen.standing)),
        why: seen.why.clone().unwrap_or_default(),
        told: String::new(),
        scope: words::scope(summary),
        address: connection.address.clone(),
        namespace: connection.namespace.clone(),
        verified: summary.last_verified_us.map(|us| Moment::seen(us, now_us)),
        next_run: next_run(summary).map(|us| Moment::seen(us, now_us)),
        secret_id: summary.secret_id_expires_us.map(|us| Moment::seen(us, now_us)),
        age: age(summary),
        schedule: schedule(connection.schedule),
        sentences: sentences(&connection.options),
        risk: connection.options.risk(),
        open_conflicts: summary.open_conflicts,
        paused: connection.paused,
        running: summary.running,
        may_run: frame.roles.on(connection.collection_id.0, CollectionRole::Editor),
        may_manage: frame.roles.on(connection.collection_id.0, CollectionRole::Admin),
        checks: Vec::new(),
        runs: listed.items.iter().map(|run| row(run, now_us)).collect(),
        next: listed
            .next_cursor
            .map(|cursor| Address::default().with("cursor", cursor).on(&format!("/connections/{id}"))),
        command: format!("vaultterm connection show {}", word(&connection.name)),
        name: connection.name.clone(),
        frame,
    })
}

pub(crate) fn row(run: &Run, now_us: i64) -> RunRow {
    RunRow {
        id: run.id.0,
        when: Moment::seen(run.started.0.div_euclid(1_000), now_us),
        took: picture::took(run),
        state: words::run_state(run.state),
        moved: words::moved(run),
        by: words::started_by(run),
    }
}

fn schedule(schedule: Schedule) -> String {
    let every = match u64::from(schedule.interval_seconds) {
        0 => None,
        // An interval is not rounded.
        seconds if !seconds.is_multiple_of(60) => Some(format!("every {}", counted(seconds, "second", "seconds"))),
        seconds => Some(format!("every {}", lasting(Duration::from_secs(seconds)))),
    };
    let when = match (every, schedule.on_change) {
        (Some(every), true) => format!("{every}, and after a change here"),
        (Some(every), false) => every,
        (None, true) => "after a change here".to_owned(),
        (None, false) => "only when a person starts a run".to_owned(),
    };
    match schedule.requests_per_second_max {
        0 => when,
        rate => format!("{when}, with at most {} a second", counted(rate.into(), "request", "requests")),
    }
}

/// Says what the options of a connection mean, each in a sentence.
fn sentences(options: &Options) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.push(match options.mode {
        Mode::Push => "VaultTerm counts: what is saved here is written to Vault.".to_owned(),
        Mode::Pull => "Vault counts: what is written there is taken over. VaultTerm never writes to Vault.".to_owned(),
        Mode::Bidirectional => "Both sides count: a change on either side is carried to the other.".to_owned(),
    });
    if options.mode == Mode::Bidirectional {
        sentences.push(
            match options.merge {
                MergePolicy::Descriptive => {
                    "When both sides changed a record, it is merged only if one of them changed nothing but notes."
                }
                MergePolicy::Field => "When both sides changed a record, it is merged field by field.",
                MergePolicy::Secret => "When both sides changed a record, a person decides.",
            }
            .to_owned(),
        );
    } else {
        sentences.push(
            match options.on_drift {
                DriftPolicy::Conflict => "When the side that does not count changes, a person decides.",
                DriftPolicy::Overwrite => {
                    "When the side that does not count changes, it is overwritten; its value stays as a revision."
                }
            }
            .to_owned(),
        );
    }
    sentences.push(
        match options.deletions {
            DeletionPolicy::Retain => "A deletion on one side leaves the other side alone.",
            DeletionPolicy::Propagate => "A deletion on one side is carried to the other, where it can be undone.",
        }
        .to_owned(),
    );
    sentences.push(format!(
        "A run halts when one side would lose more than {} % of its secrets and more than {} of them.",
        options.max_delete_percent, options.max_delete_count
    ));
    sentences.push(
        match options.initial {
            InitialPolicy::Conflict => "When both sides hold a path at the first sync, a person decides.",
            InitialPolicy::PreferLocal => "When both sides hold a path at the first sync, VaultTerm's value counts.",
            InitialPolicy::PreferRemote => "When both sides hold a path at the first sync, Vault's value counts.",
        }
        .to_owned(),
    );
    if options.expired == ExpiryPolicy::Propagate {
        sentences.push("A secret that expires in Vault counts as deleted.".to_owned());
    }
    sentences
}

/// `POST /connections/{id}/plan`: looks at both sides, and shows what a run would do, everywhere or at the given paths.
pub(crate) async fn plan(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let only: Vec<String> = pairs.all("path").map(str::to_owned).collect();
    let planned = plans::create(&app, &visitor.caller, id, &only).await?;
    Ok(go_to(&format!("/plans/{}", planned.plan.id.0)))
}

/// `POST /connections/{id}/pause`
pub(crate) async fn pause(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    connections::set_paused(&app, &visitor.caller, id, true).await?;
    Ok(go_to(&link::connection(id)))
}

/// `POST /connections/{id}/resume`
pub(crate) async fn resume(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    connections::set_paused(&app, &visitor.caller, id, false).await?;
    Ok(go_to(&link::connection(id)))
}

/// `POST /connections/{id}/test`: checks everything that a run needs, and shows what came of it.
pub(crate) async fn test(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let report = connections::test(&app, &visitor.caller, id).await?;
    let mut page = page(&app, &visitor, id, String::new()).await?;
    page.told = match report.ok {
        true => "Every check passed.".to_owned(),
        false => "Not every check passed.".to_owned(),
    };
    page.checks = report.checks.into_iter().map(words::check).collect();
    Ok(shown(&page))
}

#[cfg(test)]
pub(crate) mod samples {
    use vaultterm_contract::Standing;
    use vaultterm_sync::RunState;

    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = ConnectionPage {
            name: "<b>".to_owned(),
            collection: Some(("<b>".to_owned(), "/records".to_owned())),
            state: Some(words::standing(Standing::Conflicts)),
            why: "<b>".to_owned(),
            namespace: Some("<b>".to_owned()),
            verified: Some(Moment::seen(0, 1)),
            next_run: Some(Moment::seen(2, 1)),
            age: Some("5 minutes".to_owned()),
            secret_id: Some(Moment::seen(2, 1)),
            sentences: vec!["<b>".to_owned()],
            risk: Some("merge is `field`"),
            open_conflicts: 2,
            checks: vec![CheckRow::sample()],
            runs: vec![row(&picture::samples::run(RunState::Partial, 3), 1)],
            ..ConnectionPage::default()
        };
        vec![("connection", page.render().unwrap()), ("new connection", ConnectionPage::default().render().unwrap())]
    }

    #[test]
    fn a_schedule_is_told_in_round_words() {
        for (interval_seconds, on_change, requests_per_second_max, told) in [
            (300, true, 0, "every 5 minutes, and after a change here"),
            (3_600, false, 20, "every 1 hour, with at most 20 requests a second"),
            (90, false, 0, "every 90 seconds"),
            (0, true, 0, "after a change here"),
            (0, false, 0, "only when a person starts a run"),
        ] {
            assert_eq!(schedule(Schedule { interval_seconds, on_change, requests_per_second_max }), told);
        }
    }

    #[test]
    fn every_option_of_a_connection_is_a_sentence() {
        for mode in Mode::ALL.iter().copied() {
            let said = sentences(&Options::defaults(mode, "x"));
            assert_eq!(said.len(), 5, "{said:?}");
            assert!(said.iter().all(|sentence| sentence.ends_with('.')), "{said:?}");
        }
    }
}
