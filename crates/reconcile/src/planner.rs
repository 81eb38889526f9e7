//! The planner, which turns the facts of all paths into one plan.
//!
//! `decide.rs` decides about a single path, `moves.rs` about renames, which join two paths, and `guard.rs`
//! about the halts of the whole run.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    AcceptedDifference, Plan, Skip, SkipKind,
    case::Verdict,
    classify::{Facts, LocalSince, RemoteSince, paths},
    decide::decide,
    guard::guard,
    input::Input,
    moves::{Move, moves},
};

/// Decides what a run will do.
#[must_use]
pub fn plan(input: &Input<'_>) -> Plan {
    let nothing = BTreeMap::new();
    let base_set_aside = input.scope_changed || input.remote_replaced.is_some();
    let base = if base_set_aside { &nothing } else { input.base };
    let facts: Vec<Facts<'_>> = paths(base, input.local, input.remote)
        .into_iter()
        .map(|path| Facts::of(path, base, input.local, input.remote))
        .collect();
    let moves = moves(&facts, input);
    let twins = twins(&facts);

    let newest_run_seen = input.newest_run_seen().map_or(0, |(number, _)| number);
    let warnings = input.options.risk().map(str::to_owned).into_iter().collect();
    let mut plan = Plan { base_set_aside, newest_run_seen, warnings, ..Plan::default() };
    for facts in &facts {
        let mut kind = SkipKind::Passing;
        let decision = match (twins.get(facts.path.as_str()), moves.get(facts.path)) {
            (Some(twin), _) => {
                kind = SkipKind::NeverTakenOver;
                Verdict::Skip(format!("looks the same as `{twin}` (Unicode normalization): rename one of them"))
            }
            (None, Some(Move::Step(step))) => Verdict::Step(step.clone()),
            // This is the old path of a rename. The step at the new path handles its base.
            (None, Some(Move::Source)) => Verdict::Nothing,
            (None, Some(Move::Waits(reason))) => Verdict::Skip(reason.clone()),
            (None, None) => decide(facts, input),
        };
        match decision {
            Verdict::Nothing => {}
            Verdict::Unchanged => plan.unchanged += 1,
            Verdict::Accepted(accepted) => plan.accepted.push(AcceptedDifference {
                path: facts.path.clone(),
                by: accepted.by.clone(),
                at: accepted.at,
            }),
            Verdict::Step(step) => plan.steps.push(*step),
            Verdict::Conflict(conflict) => plan.conflicts.push(*conflict),
            Verdict::Skip(reason) => {
                plan.skips.push(Skip { path: facts.path.to_string(), reason, kind, accepted_by: None });
            }
        }
    }
    plan.skips.extend(input.remote.refused.iter().map(|(name, reason)| Skip {
        path: name.clone(),
        reason: reason.clone(),
        kind: SkipKind::NeverTakenOver,
        accepted_by: None,
    }));
    plan.skips.sort_by(|one, other| one.path.cmp(&other.path));
    plan.halts = guard(input, &facts, &plan);
    plan
}

/// Returns the live paths that are equal after NFC, each with one of its twins.
fn twins<'a>(facts: &[Facts<'a>]) -> BTreeMap<&'a str, &'a str> {
    let live: BTreeSet<&str> = facts
        .iter()
        .filter(|facts| {
            facts.local_since != LocalSince::Absent && facts.local_since != LocalSince::Deleted
                || facts.remote_live().is_some()
                || matches!(facts.remote_since, RemoteSince::Unreadable(_))
        })
        .map(|facts| facts.path.as_str())
        .collect();
    let mut by_form: BTreeMap<String, Vec<&'a str>> = BTreeMap::new();
    // Only a path with a non-ASCII character can differ from its normal form, so only such paths and their
    // forms are grouped.
    for facts in facts.iter().filter(|facts| !facts.path.as_str().is_ascii() && live.contains(facts.path.as_str())) {
        by_form.entry(facts.path.normalized()).or_default().push(facts.path.as_str());
    }
    for facts in facts.iter().filter(|facts| facts.path.as_str().is_ascii() && live.contains(facts.path.as_str())) {
        if let Some(group) = by_form.get_mut(facts.path.as_str()) {
            group.push(facts.path.as_str());
        }
    }
    by_form
        .into_values()
        .filter(|group| group.len() > 1)
        .flat_map(|group| {
            let (first, second) = (group[0], group[1]);
            group.into_iter().map(move |path| (path, if path == first { second } else { first }))
        })
        .collect()
}
