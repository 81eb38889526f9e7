//! Prints plans and runs for people: what happens where and why, and the counts.

use std::fmt::Write;

use vaultterm_contract::{
    AcceptedView, CountsView, HaltView, PlanView, ProblemView, RestrictedView, RunView, SkipView, StepView,
};
use vaultterm_reconcile::{ActionName, Change, HaltKind, SkipKind};
use vaultterm_sync::RunState;

use crate::{
    console::{Console, Ink},
    printable::printable,
    table::moment,
};

/// The parts of a plan, in the order in which they are shown.
const PARTS: [&str; 4] = [IN_VAULT, IN_VAULTTERM, ON_BOTH_SIDES, ON_NEITHER_SIDE];
const IN_VAULT: &str = "In Vault";
const IN_VAULTTERM: &str = "In VaultTerm";
const ON_BOTH_SIDES: &str = "On both sides";
const ON_NEITHER_SIDE: &str = "On neither side: only the link changes";

/// Returns the part of a plan that an action belongs to: the side that it writes.
const fn part(action: ActionName) -> &'static str {
    use ActionName::{
        Accept, Adopt, CopyLocal, CreateLocal, CreateRemote, DeleteLocal, DeleteRemote, Forget, KeepAccepted, Merge,
        MoveRemote, Unlink, UpdateLocal, UpdateRemote,
    };
    match action {
        CreateRemote | UpdateRemote | DeleteRemote | MoveRemote => IN_VAULT,
        CreateLocal | UpdateLocal | DeleteLocal | CopyLocal => IN_VAULTTERM,
        Merge => ON_BOTH_SIDES,
        Adopt | Forget | Unlink | Accept | KeepAccepted => ON_NEITHER_SIDE,
    }
}

const NOTHING_TO_DO: &str = "nothing to do";

/// Returns the text of a plan.
pub(crate) fn plan(console: &Console, plan: &PlanView) -> String {
    let mut out = format!("Plan {} (may be applied until {})\n", plan.id, moment(&plan.expires_at));
    for title in PARTS {
        let mut steps = plan.steps.iter().filter(|step| part(step.action) == title).peekable();
        if steps.peek().is_none() {
            continue;
        }
        let _ = writeln!(out, "\n{}", console.ink(Ink::Bold, title));
        for step in steps {
            line_of_step(console, &mut out, step);
        }
    }
    let conflicts = plan.conflicts.iter().map(|conflict| (conflict.path.as_str(), conflict.kind.as_str()));
    section(console, &mut out, "Conflicts, for a person to decide", "!", Ink::Yellow, conflicts);
    let skips = plan.skips.iter().map(|skip| (skip.path.as_str(), left_alone(skip)));
    section(console, &mut out, "Left alone", "?", Ink::Yellow, skips);
    let accepted: Vec<_> = plan.accepted.iter().map(|one| (one, accepted_words(one))).collect();
    let accepted = accepted.iter().map(|(one, words)| (one.path.as_str(), words.as_str()));
    section(console, &mut out, "Different on the two sides", "=", Ink::Dim, accepted);
    halts(console, &mut out, &plan.halts);
    if let Some(decision) = plan.decisions.first() {
        let (count, how) = (plan.decisions.len(), decision.resolution);
        let _ = writeln!(out, "\nDecides {count} conflict{} with {how}", if count == 1 { "" } else { "s" });
    }
    if let Some(restricted) = &plan.restricted {
        beside(console, &mut out, restricted);
    }
    for warning in &plan.warnings {
        let _ = writeln!(out, "\n{} {}", console.ink(Ink::Yellow, "Warning:"), printable(warning));
    }
    let counts = counts(&plan.counts);
    let counts = counts.as_deref().unwrap_or(NOTHING_TO_DO);
    let _ = writeln!(out, "\n{} {counts}", console.ink(Ink::Bold, "Plan:"));
    out
}

/// Tells what a plan for some paths does not contain.
fn beside(console: &Console, out: &mut String, restricted: &RestrictedView) {
    let paths: Vec<_> = restricted.paths.iter().map(|path| printable(path)).collect();
    let elsewhere = counts(&restricted.elsewhere);
    let elsewhere = elsewhere.as_deref().unwrap_or(NOTHING_TO_DO);
    let _ = writeln!(
        out,
        "\n{}\n  Both sides were looked at as a whole. At other paths, which this plan leaves alone: {elsewhere}",
        console.ink(Ink::Bold, &format!("Only for {}", paths.join(", "))),
    );
    for halt in &restricted.held_elsewhere {
        let _ = writeln!(out, "  A run of the whole connection would halt: {}: {}", halt.kind, printable(&halt.detail));
    }
}

/// Returns the reason why a path is left out, and the person who accepted it.
fn left_alone(skip: &SkipView) -> String {
    match (&skip.accepted_by, skip.kind) {
        (Some(name), SkipKind::Unticked) => format!("{}, by {name}", skip.reason),
        (Some(name), _) => format!("left out, accepted by {name}: {}", skip.reason),
        (None, SkipKind::NeverTakenOver) => format!("left out until somebody acts: {}", skip.reason),
        (None, SkipKind::Passing | SkipKind::WouldEvict | SkipKind::Unticked) => skip.reason.clone(),
    }
}

/// Returns who accepted that the two sides differ, and when.
fn accepted_words(accepted: &AcceptedView) -> String {
    format!("differs, accepted by {} on {}", accepted.by, moment(&accepted.at))
}

/// Returns the text of a run.
pub(super) fn run(console: &Console, run: &RunView) -> String {
    let ink = match run.state {
        RunState::Succeeded => Ink::Green,
        RunState::Running => Ink::Bold,
        RunState::Partial | RunState::Halted | RunState::Cancelled => Ink::Yellow,
        RunState::Failed => Ink::Red,
    };
    let mut out = String::new();
    halts(console, &mut out, &run.halts);
    problems(console, &mut out, &run.problems);
    if !out.is_empty() {
        out.push('\n');
        out.remove(0);
    }
    let ended = run.finished_at.as_deref().map_or(String::new(), |time| format!(", ended {}", moment(time)));
    let _ = writeln!(
        out,
        "Run {}: {} ({}, started {}{ended}, {} requests)\n{}",
        run.id,
        console.ink(ink, run.state.as_str()),
        run.trigger,
        moment(&run.started_at),
        run.requests,
        done(run),
    );
    out
}

/// Returns the results of a run in words.
pub(super) fn done(run: &RunView) -> String {
    counts(&run.counts).unwrap_or_else(|| {
        let nothing = match run.state {
            RunState::Running => "nothing done yet",
            RunState::Succeeded => NOTHING_TO_DO,
            RunState::Partial | RunState::Halted | RunState::Failed | RunState::Cancelled => "nothing was changed",
        };
        nothing.to_owned()
    })
}

/// Returns the counts in words, without those that are zero. Returns `None` if all are zero.
fn counts(counts: &CountsView) -> Option<String> {
    let side = |created: u64, updated: u64, deleted: u64, place: &str| {
        let parts: Vec<_> = [(created, "created"), (updated, "changed"), (deleted, "deleted")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        (!parts.is_empty()).then(|| format!("{} in {place}", parts.join(", ")))
    };
    let rest = [
        (counts.adopted, "adopted"),
        (counts.accepted, "accepted as different"),
        (counts.conflicts, if counts.conflicts == 1 { "conflict" } else { "conflicts" }),
        (counts.skipped, "left alone"),
        (counts.failed, "failed"),
        (counts.stale, "stale"),
        (counts.unchanged, "unchanged"),
    ];
    let parts: Vec<_> = [
        side(counts.created_remote, counts.updated_remote, counts.deleted_remote, "Vault"),
        side(counts.created_local, counts.updated_local, counts.deleted_local, "VaultTerm"),
    ]
    .into_iter()
    .flatten()
    .chain(rest.into_iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")))
    .collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// Returns the line of a step, for a plan or a run in progress.
pub(super) fn step(console: &Console, step: &StepView) -> String {
    let (mark, ink) = match step.action {
        ActionName::CreateRemote | ActionName::CreateLocal | ActionName::CopyLocal => ("+", Ink::Green),
        ActionName::UpdateRemote | ActionName::UpdateLocal | ActionName::Merge => ("~", Ink::Yellow),
        ActionName::DeleteRemote | ActionName::DeleteLocal => ("-", Ink::Red),
        ActionName::MoveRemote => (">", Ink::Yellow),
        ActionName::Adopt | ActionName::Forget | ActionName::Unlink | ActionName::Accept | ActionName::KeepAccepted => {
            ("=", Ink::Dim)
        }
    };
    let from = step.from.as_deref().map_or(String::new(), |from| format!(" (was {})", printable(from)));
    format!("{} {}{from}", console.ink(ink, mark), printable(&step.path))
}

fn line_of_step(console: &Console, out: &mut String, planned: &StepView) {
    let fields: Vec<_> = planned
        .fields
        .iter()
        .map(|field| {
            let mark = match field.change {
                Change::Added => "+",
                Change::Changed => "~",
                Change::Removed => "-",
            };
            format!("{mark}{}", printable(&field.name))
        })
        .collect();
    let by = planned.remote_writer.as_deref().map_or(String::new(), |by| format!(" by {}", printable(by)));
    let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(" ")) };
    let mut reason = printable(&planned.reason).replace('_', " ");
    match planned.versions_kept_first.len() {
        0 => {}
        1 => reason.push_str("; 1 version of Vault is kept as a revision first"),
        many => reason.push_str(&format!("; {many} versions of Vault are kept as revisions first")),
    }
    let _ = writeln!(out, "  {}  {}", step(console, planned), console.ink(Ink::Dim, &format!("{reason}{by}{fields}")));
}

fn halts(console: &Console, out: &mut String, halts: &[HaltView]) {
    let lines = halts.iter().map(|halt| (halt.kind.as_str(), halt.detail.as_str()));
    // No person can acknowledge a missing license.
    let title = match halts.iter().all(|halt| halt.kind == HaltKind::License) {
        true => "Halted: the plan is not carried out",
        false => "Halted: the plan is not carried out until a person acknowledges",
    };
    section(console, out, title, "x", Ink::Red, lines);
}

fn problems(console: &Console, out: &mut String, problems: &[ProblemView]) {
    if problems.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", console.ink(Ink::Bold, "Not done"));
    for problem in problems {
        let _ = writeln!(out, "  {}", problem_line(problem));
    }
}

/// Returns the line of a problem: the path, what went wrong, and what to do.
pub(super) fn problem_line(problem: &ProblemView) -> String {
    let place = if problem.path.is_empty() { "the whole run".into() } else { printable(&problem.path) };
    let hint = problem.hint.as_deref().map_or(String::new(), |hint| format!(" ({})", printable(hint)));
    format!("{place}: {}{hint} [{}]", printable(&problem.detail), printable(&problem.class.to_string()))
}

fn section<'a>(
    console: &Console,
    out: &mut String,
    title: &str,
    mark: &str,
    ink: Ink,
    lines: impl Iterator<Item = (&'a str, impl AsRef<str>)>,
) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        let _ = writeln!(out, "\n{}", console.ink(Ink::Bold, title));
    }
    for (name, detail) in lines {
        let _ = writeln!(out, "  {} {}: {}", console.ink(ink, mark), printable(name), printable(detail.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_leave_out_what_is_zero() {
        assert_eq!(counts(&CountsView::default()), None);
        let some = CountsView {
            created_remote: 2,
            deleted_remote: 1,
            updated_local: 3,
            conflicts: 1,
            ..CountsView::default()
        };
        let text = "2 created, 1 deleted in Vault · 3 changed in VaultTerm · 1 conflict";
        assert_eq!(counts(&some).as_deref(), Some(text));
    }
}
