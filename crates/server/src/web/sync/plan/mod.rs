//! `/plans/{id}`: what a run would do, before anything moves. The unticked paths are part of the address.

mod acts;
mod rows;
mod sum;

use std::collections::BTreeSet;

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::{
    connections,
    plans::{self, Chosen},
};
use vaultterm_reconcile::{Halt, HaltKind, Restricted};
use vaultterm_sync::{ResolutionName, StoredPlan};

pub(crate) use self::acts::{apply, count, discard};
use self::{
    rows::{Group, groups},
    sum::{Sum, sum},
};
use super::words;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::show as shown,
        parts,
        refused::Refused,
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// A halt: why nothing is written until a person accepted it.
#[derive(Debug)]
pub(crate) struct HaltRow {
    name: &'static str,
    title: &'static str,
    detail: String,
    can_accept: bool,
}

/// What a plan for some paths does not contain.
#[derive(Debug)]
pub(crate) struct Beside {
    paths: String,
    elsewhere: String,
    held: Vec<String>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "sync/plan.html")]
pub(crate) struct PlanPage {
    frame: Frame,
    id: Uuid,
    connection_id: Uuid,
    connection: String,
    told: String,
    /// Why the last press of the button did not apply the plan.
    undone: &'static str,
    made: Option<Moment>,
    holds: Option<Moment>,
    expired: bool,
    beside: Option<Beside>,
    /// What the plan decides, if it decides conflicts.
    decides: String,
    halts: Vec<HaltRow>,
    /// Whether the plan as it was made deletes more than the budget.
    many_deletions: bool,
    /// Whether the plan as it was made deletes anything.
    deletes: bool,
    warnings: Vec<String>,
    groups: Vec<Group>,
    unchanged: u64,
    skip: Vec<String>,
    sum: Sum,
    can_apply: bool,
    command: String,
}

/// `GET /plans/{id}?skip=…`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    asked: Pairs,
) -> Result<Response, Refused> {
    let skip: Vec<String> = asked.all("skip").map(str::to_owned).collect();
    let chosen = plans::without(&app, &visitor.caller, id, &skip).await?;
    let seen = connections::show(&app, &visitor.caller, chosen.whole.plan.connection_id.0).await?;
    let frame = Frame::around(&app, &visitor, Here::Overview).await?;
    let page = of(&chosen, skip.into_iter().collect(), frame, app.now_us());
    Ok(shown(&PlanPage {
        connection: seen.summary.connection.name.clone(),
        undone: match asked.text("told") {
            "ticks" => {
                "The ticks were changed after they were counted, so nothing was applied. This is what they mean now."
            }
            "word" => "Nothing was applied: type the word that confirms the deletions.",
            _ => "",
        },
        ..page
    }))
}

fn of(chosen: &Chosen, skip: BTreeSet<String>, frame: Frame, now_us: i64) -> PlanPage {
    let stored = &chosen.whole.plan;
    let plan = &stored.plan;
    let skip: BTreeSet<String> =
        skip.into_iter().filter(|path| plan.steps.iter().any(|step| step.path.as_str() == path)).collect();
    let sum = sum(stored.id.0, chosen, &skip);
    let halts = chosen.left.halts.iter().chain(&chosen.whole.license);
    let halts: Vec<HaltRow> = halts.filter(|halt| halt.kind != HaltKind::MassDeletion).map(halt).collect();
    let expires_us = stored.expires.0.div_euclid(1_000);
    let expired = expires_us <= now_us;
    let whole = (plan.restricted.is_none() && stored.decisions.is_empty()) || halts.is_empty();
    let command = command(chosen, &skip);
    PlanPage {
        id: stored.id.0,
        connection_id: stored.connection_id.0,
        told: words::counts(&plan.counts()),
        made: Some(Moment::seen(stored.created.0.div_euclid(1_000), now_us)),
        holds: Some(Moment::seen(expires_us, now_us)),
        can_apply: !plan.steps.is_empty() && !expired && whole && halts.iter().all(|halt| halt.can_accept),
        expired,
        beside: plan.restricted.as_ref().map(beside),
        decides: decides(stored),
        many_deletions: plan.halts.iter().any(|halt| halt.kind == HaltKind::MassDeletion),
        halts,
        deletes: plan.counts().deleted_remote + plan.counts().deleted_local > 0,
        warnings: plan.warnings.clone(),
        groups: groups(plan, &skip),
        unchanged: plan.unchanged,
        skip: skip.into_iter().collect(),
        sum,
        command,
        frame,
        ..PlanPage::default()
    }
}

/// Returns the command that applies what is ticked, with every halt that a person can accept acknowledged.
fn command(chosen: &Chosen, skip: &BTreeSet<String>) -> String {
    let halts = chosen.left.halts.iter().filter(|halt| halt.kind.can_be_acknowledged());
    let accepted = halts.map(|halt| format!(" --acknowledge {}", halt.kind));
    let left_out = skip.iter().map(|path| format!(" --skip {}", word(path)));
    let flags: String = left_out.chain(accepted).collect();
    format!("vaultterm sync apply {}{flags}", chosen.whole.plan.id.0)
}

/// Tells what a plan decides; empty if it decides no conflict.
fn decides(stored: &StoredPlan) -> String {
    let Some(first) = stored.decisions.first() else { return String::new() };
    let side = if first.resolution == ResolutionName::KeepRemote { "Vault" } else { "VaultTerm" };
    let count = counted(stored.decisions.len() as u64, "conflict", "conflicts");
    format!(
        "This plan decides {count} with one answer: what {side} holds counts. Untick what you want to decide apart."
    )
}

fn beside(restricted: &Restricted) -> Beside {
    let paths: Vec<&str> = restricted.paths.iter().map(vaultterm_reconcile::SecretPath::as_str).collect();
    let held = restricted.held_elsewhere.iter();
    Beside {
        paths: paths.join(", "),
        elsewhere: words::counts(&restricted.elsewhere),
        held: held.map(|halt| format!("{}: {}", words::halt(halt.kind), halt.detail)).collect(),
    }
}

fn halt(halt: &Halt) -> HaltRow {
    HaltRow {
        name: halt.kind.as_str(),
        title: words::halt(halt.kind),
        detail: halt.detail.clone(),
        can_accept: halt.kind.can_be_acknowledged(),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::{rows::Row, *};

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row = |ticked| Row {
            path: "<b>".to_owned(),
            versions: "v12 → v13".to_owned(),
            why: "the record changed".to_owned(),
            fields: "<b>".to_owned(),
            ticked,
        };
        let halts = vec![HaltRow {
            name: "side_emptied",
            title: "One side looks empty",
            detail: "<b>".to_owned(),
            can_accept: true,
        }];
        let beside = Beside { paths: "<b>".to_owned(), elsewhere: "<b>".to_owned(), held: vec!["<b>".to_owned()] };
        let sum = Sum { foot: "3 writes".to_owned(), deletions: Some(2), steps: 2, ..Sum::default() };
        let page = PlanPage {
            connection: "<b>".to_owned(),
            told: "38 writes to Vault".to_owned(),
            undone: "Nothing was applied.",
            made: Some(Moment::seen(0, 1)),
            holds: Some(Moment::seen(2, 1)),
            beside: Some(beside),
            decides: "This plan decides 2 conflicts.".to_owned(),
            halts,
            many_deletions: true,
            warnings: vec!["<b>".to_owned()],
            groups: vec![
                Group { title: "Needs a decision", count: 1, rows: vec![row(None)], more: 0 },
                Group {
                    title: "VaultTerm → Vault", count: 3, rows: vec![row(Some(true)), row(Some(false))], more: 1
                },
            ],
            skip: vec!["<b>".to_owned()],
            sum,
            can_apply: true,
            ..PlanPage::default()
        };
        let nothing = PlanPage { expired: true, ..PlanPage::default() };
        vec![("plan", page.render().unwrap()), ("empty plan", nothing.render().unwrap())]
    }
}
