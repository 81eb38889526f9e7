//! The rows of a plan, in groups: what stands at each path, and whether it is ticked.

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_reconcile::{Action, Plan, Skip, SkipKind, Step};

use crate::web::sync::words;

/// Rows of one group on the page. A plan may hold many thousand steps; the command line lists all.
const ROWS_MAX: usize = 500;

/// A group of rows.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) count: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) more: usize,
}

/// A row of the plan.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) versions: String,
    pub(crate) why: String,
    pub(crate) fields: String,
    /// Whether the step is carried out. `None` where there is no step.
    pub(crate) ticked: Option<bool>,
}

/// Puts the rows of a plan in groups. `skip` are the paths that are not ticked.
pub(crate) fn groups(plan: &Plan, skip: &BTreeSet<String>) -> Vec<Group> {
    let mut groups = Vec::new();
    let decisions = plan.conflicts.iter().map(|conflict| Row {
        path: conflict.path.as_str().to_owned(),
        versions: versions(conflict.expect.local_revision(), conflict.expect.remote_version()),
        why: by(words::conflict(conflict.kind), conflict.remote_writer.as_ref()),
        fields: conflict.diverged.join(", "),
        ticked: None,
    });
    groups.extend(group("Needs a decision", decisions.collect()));
    let mut by_group: BTreeMap<(usize, &'static str), Vec<Row>> = BTreeMap::new();
    for step in &plan.steps {
        let mut row = row(step, skip);
        row.why = by(&row.why, plan.writers.get(&step.path));
        by_group.entry(words::group(step.action.name())).or_default().push(row);
    }
    for ((_, title), rows) in by_group {
        groups.extend(group(title, rows));
    }
    groups.extend(group("Left alone", plan.skips.iter().map(left_alone).collect()));
    groups
}

/// Adds who wrote in Vault, if the server tells.
fn by(why: &str, writer: Option<&String>) -> String {
    writer.map_or_else(|| why.to_owned(), |name| format!("{why}, in Vault by {name}"))
}

/// Returns the paths of steps that the page shows with a tick.
pub(crate) fn shown(plan: &Plan, skip: &BTreeSet<String>) -> BTreeSet<String> {
    let rows = groups(plan, skip).into_iter().flat_map(|group| group.rows);
    rows.filter(|row| row.ticked.is_some()).map(|row| row.path).collect()
}

/// Cuts a long group. Rows that are not ticked stay, so that they can be ticked again.
fn group(title: &'static str, rows: Vec<Row>) -> Option<Group> {
    let count = rows.len();
    let kept = rows.into_iter().enumerate().filter(|(at, row)| *at < ROWS_MAX || row.ticked == Some(false));
    let rows: Vec<Row> = kept.map(|(_, row)| row).collect();
    (count > 0).then_some(Group { title, count, more: count - rows.len(), rows })
}

fn row(step: &Step, skip: &BTreeSet<String>) -> Row {
    let from = match &step.action {
        Action::MoveRemote { from, .. } | Action::CopyLocal { from } => format!(" (from {from})"),
        _ => String::new(),
    };
    Row {
        path: step.path.as_str().to_owned(),
        versions: moved(step),
        why: format!("{}{from}", step.reason.sentence()),
        fields: words::fields(step),
        ticked: Some(!skip.contains(step.path.as_str())),
    }
}

fn left_alone(skip: &Skip) -> Row {
    let why = match (skip.kind, &skip.accepted_by) {
        (SkipKind::Unticked, Some(by)) => format!("{}, by {by}", skip.reason),
        (_, Some(by)) => format!("{} (accepted by {by})", skip.reason),
        (SkipKind::Passing | SkipKind::Unticked, None) => skip.reason.clone(),
        (SkipKind::NeverTakenOver | SkipKind::WouldEvict, None) => format!("{}: waits for a person", skip.reason),
    };
    Row { path: skip.path.clone(), why, ..Row::default() }
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
