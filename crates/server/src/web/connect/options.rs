//! The fifth step, and later the way to change it: how a connection behaves. Each option is a sentence with its
//! consequence.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::{
    connections::{self, Seen, Wanted, WantedOptions},
    plans,
};
use vaultterm_reconcile::Mode;

use super::steps::{Step, steps};
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::{go_to, show as shown, show_as},
        parts,
        refused::{Refused, mendable},
        visitor::Visitor,
    },
};

/// An answer to a question, with its consequence.
#[derive(Debug)]
pub(crate) struct Answer {
    value: &'static str,
    says: &'static str,
    means: &'static str,
    chosen: bool,
}

/// A question about the behaviour of a connection.
#[derive(Debug)]
pub(crate) struct Question {
    name: &'static str,
    asks: &'static str,
    answers: Vec<Answer>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "connect/options.html")]
pub(crate) struct OptionsPage {
    frame: Frame,
    steps: Vec<Step>,
    id: Uuid,
    name: String,
    revision: u64,
    /// Whether the connection has run already.
    started: bool,
    wrong: Option<String>,
    questions: Vec<Question>,
    interval_minutes: u32,
    on_change: bool,
    requests_per_second_max: u32,
    max_delete_percent: u32,
    max_delete_count: u32,
    command: String,
}

/// `GET /connections/{id}/options`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let seen = connections::show(&app, &visitor.caller, id).await?;
    Ok(shown(&of(&seen, Frame::around(&app, &visitor, Here::Overview).await?)))
}

fn of(seen: &Seen, frame: Frame) -> OptionsPage {
    let connection = &seen.summary.connection;
    OptionsPage {
        steps: if connection.started { Vec::new() } else { steps(4) },
        id: connection.id.0,
        revision: connection.revision,
        started: connection.started,
        wrong: None,
        questions: questions(&connection.options),
        interval_minutes: connection.schedule.interval_seconds.div_ceil(60),
        on_change: connection.schedule.on_change,
        requests_per_second_max: connection.schedule.requests_per_second_max,
        max_delete_percent: connection.options.max_delete_percent,
        max_delete_count: connection.options.max_delete_count,
        command: format!("vaultterm connection update {} --option KEY=VALUE", word(&connection.name)),
        name: connection.name.clone(),
        frame,
    }
}

fn questions(options: &vaultterm_reconcile::Options) -> Vec<Question> {
    let mut all = Vec::new();
    let mut ask = |name, asks, now: &str, answers: &[(&'static str, &'static str, &'static str)]| {
        let answer = |&(value, says, means): &(&'static str, &'static str, &'static str)| Answer {
            value,
            says,
            means,
            chosen: value == now,
        };
        all.push(Question { name, asks, answers: answers.iter().map(answer).collect() });
    };
    ask(
        "initial",
        "At the first sync, both sides may hold the same path with different values.",
        options.initial.as_str(),
        &[
            ("conflict", "A person decides", "Nothing is written to such a path before somebody chose."),
            (
                "prefer_local",
                "VaultTerm's value counts",
                "Vault gets a new version; its old value becomes a revision here.",
            ),
            (
                "prefer_remote",
                "Vault's value counts",
                "The record gets a new revision; its old value stays in the history.",
            ),
        ],
    );
    ask(
        "deletions",
        "A record or a secret is deleted on one side.",
        options.deletions.as_str(),
        &[
            (
                "propagate",
                "It is deleted on the other side too",
                "A secret is soft-deleted, a record goes to the trash: both can be undone.",
            ),
            ("retain", "The other side is left alone", "The link is dropped, and what is left is not imported again."),
        ],
    );
    if options.mode == Mode::Bidirectional {
        ask(
            "merge",
            "Both sides change the same record between two runs.",
            options.merge.as_str(),
            &[
                (
                    "descriptive",
                    "Merge only notes",
                    "It is merged if one of them changed nothing but notes; else a person decides.",
                ),
                ("secret", "Never merge", "A person decides each time."),
                ("field", "Merge field by field", "Risk: a password of one side may meet a user name of the other."),
            ],
        );
    } else {
        ask(
            "on_drift",
            "The side that does not count changes.",
            options.on_drift.as_str(),
            &[
                ("conflict", "A person decides", "Nothing is overwritten before somebody chose."),
                ("overwrite", "Overwrite it", "Its value is kept as a revision here, and replaced."),
            ],
        );
    }
    all
}

/// `POST /connections/{id}/options`
pub(crate) async fn save(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    typed: Pairs,
) -> Result<Response, Refused> {
    let read_at = typed.read_at();
    let wanted = Wanted { options: Some(chosen(&typed)), ..Wanted::default() };
    match connections::update(&app, &visitor.caller, id, read_at, wanted).await {
        Ok(_) if typed.text("then") == "plan" => {
            let planned = plans::create(&app, &visitor.caller, id, &[]).await?;
            Ok(go_to(&format!("/plans/{}", planned.plan.id.0)))
        }
        Ok(_) => Ok(go_to(&format!("/connections/{id}"))),
        Err(refusal) => {
            let wrong = mendable(refusal)?;
            let seen = connections::show(&app, &visitor.caller, id).await?;
            let page = of(&seen, Frame::around(&app, &visitor, Here::Overview).await?);
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &OptionsPage { wrong: Some(wrong), ..page }))
        }
    }
}

/// Reads what was chosen. An answer that does not exist changes nothing.
fn chosen(typed: &Pairs) -> WantedOptions {
    let number = |name: &str| typed.text(name).trim().parse::<u32>().ok();
    WantedOptions {
        merge: typed.text("merge").parse().ok(),
        deletions: typed.text("deletions").parse().ok(),
        initial: typed.text("initial").parse().ok(),
        on_drift: typed.text("on_drift").parse().ok(),
        interval_seconds: number("interval_minutes").map(|minutes| minutes.saturating_mul(60)),
        on_change: Some(typed.text("on_change") == "yes"),
        requests_per_second_max: number("requests_per_second_max"),
        max_delete_percent: number("max_delete_percent"),
        max_delete_count: number("max_delete_count"),
        ..WantedOptions::default()
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use vaultterm_reconcile::Options;

    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let page = |mode| OptionsPage {
            steps: steps(4),
            name: "<b>".to_owned(),
            wrong: Some("<b>".to_owned()),
            questions: questions(&Options::defaults(mode, "x")),
            command: "<b>".to_owned(),
            ..OptionsPage::default()
        };
        let both = page(Mode::Bidirectional).render().unwrap();
        vec![("options", both), ("options of a push", page(Mode::Push).render().unwrap())]
    }

    #[test]
    fn every_question_has_the_present_answer_chosen() {
        for mode in Mode::ALL.iter().copied() {
            for question in questions(&Options::defaults(mode, "x")) {
                assert_eq!(question.answers.iter().filter(|answer| answer.chosen).count(), 1, "{}", question.name);
            }
        }
    }
}
