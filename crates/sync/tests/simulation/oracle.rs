//! The rules that must hold in every world.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use vaultterm_reconcile::{Counts, ExpiryPolicy, HaltKind, Link, UnixNanos};
use vaultterm_sync::RunState;
use vaultterm_testkit::{KvKey, KvVersion, World, world::at};

use crate::people::{PATHS, RUNS_OUT_AFTER, history};

/// The maximum number of rounds of runs until nothing is left to do, including the two rounds that find
/// nothing.
const ROUNDS_MAX: u32 = 8;

/// Returns the values that a run must not lose: every revision, and every readable version in Vault. (A
/// version with a `deletion_time` is not one of them, because Vault itself ends it.)
pub(crate) fn ledger(worlds: &[&World]) -> BTreeSet<String> {
    let mut values = histories(worlds);
    worlds[0].kv.mount(|mount, now| {
        let lasts = |head: &&KvVersion| head.is_live(now) && head.deletion.is_none();
        let versions = mount.keys().flat_map(|(_, key)| key.versions.values()).filter(lasts);
        values.extend(versions.map(|version| json!(version.data).to_string()));
    });
    values
}

/// Returns the values that can be reached: in a revision, or in a live version. Values in a mount that an
/// administrator disabled for good count too, because the administrator lost them and not the run.
pub(crate) fn reachable(worlds: &[&World]) -> BTreeSet<String> {
    let mut values = histories(worlds);
    worlds[0].kv.mount(|mount, now| {
        let versions = mount.keys().flat_map(|(_, key)| key.versions.values());
        let live = versions.filter(|version| version.is_live(now));
        values.extend(live.map(|version| json!(version.data).to_string()));
    });
    values.extend(worlds[0].kv.thrown_away().into_iter().map(|data| json!(data).to_string()));
    values
}

/// Returns the credentials that exist anywhere: in every revision, and in every version in Vault, live or
/// not. Fields that only describe a credential are left out.
pub(crate) fn credentials(worlds: &[&World]) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = histories(worlds).iter().map(|text| credential(text)).collect();
    worlds[0].kv.mount(|mount, _| {
        let versions = mount.keys().flat_map(|(_, key)| key.versions.values());
        all.extend(versions.map(|version| credential(&json!(version.data).to_string())));
    });
    all
}

/// Returns a content without the fields that only describe it. This code does not use the planner's list. It
/// knows the fields that the people of the simulation edit.
fn credential(content: &str) -> String {
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(content).expect("an object");
    fields.retain(|name, _| !["note", "Rotate-By"].contains(&name.as_str()));
    json!(fields).to_string()
}

fn histories(worlds: &[&World]) -> BTreeSet<String> {
    worlds.iter().flat_map(|world| history(world)).collect()
}

/// Runs all installations without faults until nothing is left to do twice in a row. (Where reads may be
/// stale, a path that looks gone counts from the second time on.)
pub(crate) fn settle(worlds: &[&World], seed: u64) {
    let mut quiet = 0;
    for _ in 0..ROUNDS_MAX {
        let at_rest = worlds.iter().filter(|world| {
            let run = world.run_acknowledging(HaltKind::ALL);
            assert_eq!(run.state, RunState::Succeeded, "seed {seed}: {run:#?}");
            let Counts { unchanged, accepted, conflicts, skipped, .. } = run.counts;
            run.counts == (Counts { unchanged, accepted, conflicts, skipped, ..Counts::default() })
        });
        quiet = if at_rest.count() == worlds.len() { quiet + 1 } else { 0 };
        if quiet == 2 {
            return;
        }
    }
    panic!("seed {seed}: {ROUNDS_MAX} rounds of runs did not come to rest");
}

/// Asserts for a bidirectional connection that propagates deletions that every path is equal on both sides or
/// listed. (A secret that expired in Vault may stay here, because an expiry is not a deletion.)
pub(crate) fn in_step_or_listed(world: &World, seed: u64) {
    let listed: BTreeSet<_> = world.open_conflicts().into_iter().map(|row| row.conflict.path).collect();
    let last = world.run_acknowledging(HaltKind::ALL);
    let skipped: BTreeMap<_, _> = last.problems.into_iter().map(|problem| (problem.path, problem.detail)).collect();
    for path in PATHS {
        if !listed.contains(&at(path)) && !skipped.contains_key(path) && !ran_out(world, path) {
            let seen = || {
                let base = world.journal.base_rows(world.id).remove(&at(path));
                let key = world.kv.mount(|mount, _| mount.key(&format!("team/app/{path}")).cloned());
                format!("seed {seed}, {path}: {base:?} {key:?}")
            };
            assert_eq!(world.record(path), world.secret(path), "{}", seen());
        }
    }
}

/// Asserts that a plan reports every linked path whose sides are live and differ: as a conflict, as skipped,
/// or as an accepted difference.
pub(crate) fn differences_are_told(world: &World, seed: u64) {
    let plan = world.clock.drive(world.engine().plan(world.id)).expect("a plan can be made").plan;
    let conflicts = plan.conflicts.iter().map(|conflict| conflict.path.to_string());
    let accepted = plan.accepted.iter().map(|accepted| accepted.path.to_string());
    let skips = plan.skips.iter().map(|skip| skip.path.clone());
    let told: BTreeSet<String> = conflicts.chain(accepted).chain(skips).collect();
    for (path, base) in world.journal.base_rows(world.id) {
        let path = path.as_str();
        if base.link != Link::Linked || told.contains(path) {
            continue;
        }
        if let (Some(record), Some(secret)) = (world.record(path), world.secret(path)) {
            assert_eq!(record, secret, "seed {seed}, {path}: differs, and nobody says so: {base:?}");
        }
    }
}

/// Returns whether a secret expired by itself, in a connection that leaves the record alone in that case.
fn ran_out(world: &World, path: &str) -> bool {
    if world.journal.connection_row(world.id).options.expired == ExpiryPolicy::Propagate {
        return false;
    }
    let known = world.journal.base_rows(world.id).remove(&at(path)).and_then(|base| base.expires);
    world.kv.mount(|mount, now| {
        let head = mount.key(&format!("team/app/{path}")).and_then(KvKey::head)?;
        let ended = head.deletion.filter(|at| *at <= now)?;
        let planned = UnixNanos(head.created.0 + i64::try_from(RUNS_OUT_AFTER.as_nanos()).expect("seconds"));
        Some(known == Some(ended) || planned == ended)
    }) == Some(true)
}
