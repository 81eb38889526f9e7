//! `/plans/{id}`: what a run would do, before anything moves.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_operations::{connections, plans, runs};
use vaultterm_reconcile::{Action, Halt, Skip, SkipKind, Step};

use super::words;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::{go_to, show as shown},
        parts,
        refused::Refused,
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// Rows of one group on the page. A plan may hold many thousand steps; the command line lists all.
const ROWS_MAX: usize = 500;

/// A group of rows.
#[derive(Debug)]
pub(crate) struct Group {
    title: &'static str,
    count: usize,
    rows: Vec<Row>,
    more: usize,
}

/// A row of the plan.
#[derive(Debug)]
pub(crate) struct Row {
    path: String,
    versions: String,
    why: String,
    fields: String,
}

/// A halt: why nothing is written until a person accepted it.
#[derive(Debug)]
pub(crate) struct HaltRow {
    name: &'static str,
    title: &'static str,
    detail: String,
    can_accept: bool,
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
    made: Option<Moment>,
    holds: Option<Moment>,
    expired: bool,
    halts: Vec<HaltRow>,
    warnings: Vec<String>,
    groups: Vec<Group>,
    unchanged: u64,
    steps: usize,
    deletions: u64,
    footer: String,
    can_apply: bool,
    command: String,
}

/// `GET /plans/{id}`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let found = plans::show(&app, &visitor.caller, id).await?;
    let seen = connections::show(&app, &visitor.caller, found.plan.connection_id.0).await?;
    let frame = Frame::around(&app, &visitor, Here::Overview).await?;
    Ok(shown(&of(&found, &seen.summary.connection.name, frame, app.now_us())))
}

fn of(found: &plans::Planned, connection: &str, frame: Frame, now_us: i64) -> PlanPage {
    let stored = &found.plan;
    let plan = &stored.plan;
    let counts = plan.counts();
    let halts: Vec<HaltRow> = plan.halts.iter().chain(&found.license).map(halt).collect();
    let expires_us = stored.expires.0.div_euclid(1_000);
    let steps = plan.steps.len();
    let expired = expires_us <= now_us;
    let deletions = counts.deleted_remote + counts.deleted_local;
    PlanPage {
        id: stored.id.0,
        connection_id: stored.connection_id.0,
        connection: connection.to_owned(),
        told: words::counts(&counts),
        made: Some(Moment::seen(stored.created.0.div_euclid(1_000), now_us)),
        holds: Some(Moment::seen(expires_us, now_us)),
        can_apply: steps > 0 && !expired && halts.iter().all(|halt| halt.can_accept),
        expired,
        halts,
        warnings: plan.warnings.clone(),
        groups: groups(found),
        unchanged: plan.unchanged,
        steps,
        deletions,
        footer: format!(
            "{}: {}, {}, {}",
            counted(steps as u64, "step", "steps"),
            counted(counts.created_remote + counts.updated_remote, "write to Vault", "writes to Vault"),
            format_args!("{} here", counts.created_local + counts.updated_local),
            counted(deletions, "deletion", "deletions"),
        ),
        command: format!("vaultterm sync apply {}", stored.id.0),
        frame,
    }
}

fn groups(found: &plans::Planned) -> Vec<Group> {
    let plan = &found.plan.plan;
    let mut groups = Vec::new();
    let decisions = plan.conflicts.iter().map(|conflict| Row {
        path: conflict.path.as_str().to_owned(),
        versions: versions(conflict.expect.local_revision(), conflict.expect.remote_version()),
        why: words::conflict(conflict.kind).to_owned(),
        fields: conflict.diverged.join(", "),
    });
    groups.extend(group("Needs a decision", decisions.collect()));
    let mut by_group: BTreeMap<(usize, &'static str), Vec<Row>> = BTreeMap::new();
    for step in &plan.steps {
        by_group.entry(words::group(step.action.name())).or_default().push(row(step));
    }
    for ((_, title), rows) in by_group {
        groups.extend(group(title, rows));
    }
    let left = |skip: &Skip| Row {
        path: skip.path.clone(),
        versions: String::new(),
        why: match (skip.kind, &skip.accepted_by) {
            (_, Some(by)) => format!("{} (accepted by {by})", skip.reason),
            (SkipKind::Passing, None) => skip.reason.clone(),
            (SkipKind::NeverTakenOver | SkipKind::WouldEvict, None) => format!("{}: waits for a person", skip.reason),
        },
        fields: String::new(),
    };
    groups.extend(group("Left alone", plan.skips.iter().map(left).collect()));
    groups
}

fn group(title: &'static str, mut rows: Vec<Row>) -> Option<Group> {
    let count = rows.len();
    rows.truncate(ROWS_MAX);
    (count > 0).then_some(Group { title, count, more: count - rows.len(), rows })
}

fn row(step: &Step) -> Row {
    let from = match &step.action {
        Action::MoveRemote { from, .. } | Action::CopyLocal { from } => format!(" (from {from})"),
        _ => String::new(),
    };
    Row {
        path: step.path.as_str().to_owned(),
        versions: moved(step),
        why: format!("{}{from}", step.reason.sentence()),
        fields: words::fields(step),
    }
}

/// Tells which version or revision becomes which.
fn moved(step: &Step) -> String {
    let (revision, version) = (step.expect.local_revision(), step.expect.remote_version());
    match &step.action {
        Action::CreateRemote { .. } | Action::MoveRemote { .. } => "new in Vault".to_owned(),
        Action::UpdateRemote { cas, .. } | Action::Merge { cas, .. } => format!("v{} → v{}", cas.0, cas.0 + 1),
        Action::DeleteRemote { version } => format!("v{} deleted", version.0),
        Action::CreateLocal { .. } | Action::CopyLocal { .. } => "new here".to_owned(),
        Action::UpdateLocal { .. } => revision.map_or(String::new(), |n| format!("r{n} → r{}", n + 1)),
        Action::DeleteLocal => revision.map_or(String::new(), |n| format!("r{n} to the trash")),
        Action::Adopt { .. } | Action::Accept | Action::KeepAccepted | Action::Forget | Action::Unlink => {
            versions(revision, version)
        }
    }
}

fn versions(revision: Option<u64>, version: Option<u64>) -> String {
    match (revision, version) {
        (Some(revision), Some(version)) => format!("r{revision}, v{version}"),
        (Some(revision), None) => format!("r{revision}"),
        (None, Some(version)) => format!("v{version}"),
        (None, None) => String::new(),
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

/// `POST /plans/{id}/apply`: starts the run that carries the plan out, exactly as shown.
pub(crate) async fn apply(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let found = plans::show(&app, &visitor.caller, id).await?;
    let acknowledge = pairs.all("acknowledge").map(str::to_owned).collect();
    let start = runs::Start { plan_id: Some(id), acknowledge };
    let run = runs::start(&app, &visitor.caller, found.plan.connection_id.0, start).await?;
    Ok(go_to(&format!("/runs/{}", run.id.0)))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row = || Row {
            path: "<b>".to_owned(),
            versions: "v12 → v13".to_owned(),
            why: "the record changed".to_owned(),
            fields: "<b>".to_owned(),
        };
        let halts = vec![HaltRow {
            name: "mass_deletion",
            title: "Many deletions at once",
            detail: "<b>".to_owned(),
            can_accept: true,
        }];
        let page = PlanPage {
            connection: "<b>".to_owned(),
            told: "38 writes to Vault".to_owned(),
            made: Some(Moment::seen(0, 1)),
            holds: Some(Moment::seen(2, 1)),
            halts,
            warnings: vec!["<b>".to_owned()],
            groups: vec![
                Group { title: "Needs a decision", count: 1, rows: vec![row()], more: 0 },
                Group { title: "VaultTerm → Vault", count: 3, rows: vec![row(), row()], more: 1 },
            ],
            steps: 3,
            deletions: 2,
            footer: "3 steps".to_owned(),
            can_apply: true,
            ..PlanPage::default()
        };
        let nothing = PlanPage { expired: true, ..PlanPage::default() };
        vec![("plan", page.render().unwrap()), ("empty plan", nothing.render().unwrap())]
    }
}
