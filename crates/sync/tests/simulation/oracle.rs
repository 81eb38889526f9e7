//! What must hold, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use vaultterm_reconcile::{Counts, HaltKind};
use vaultterm_sync::RunState;
use vaultterm_testkit::{World, world::at};

use crate::people::{PATHS, history};

/// What a run must not lose: every revision, and what Vault holds at each path. (Older versions
/// are evicted by whoever writes; that is Vault's own rule.)
pub(crate) fn ledger(world: &World) -> BTreeSet<String> {
    let mut values = history(world);
    world.kv.mount(|mount, now| {
        let heads = mount.keys().filter_map(|(_, key)| key.head()).filter(|head| head.is_live(now));
        values.extend(heads.map(|head| json!(head.data).to_string()));
    });
    values
}

/// Where it may be afterwards: in a revision, or in a live version.
pub(crate) fn reachable(world: &World) -> BTreeSet<String> {
    let mut values = history(world);
    world.kv.mount(|mount, now| {
        let versions = mount.keys().flat_map(|(_, key)| key.versions.values());
        let live = versions.filter(|version| version.is_live(now));
        values.extend(live.map(|version| json!(version.data).to_string()));
    });
    values
}

/// Runs without faults until nothing is left to do.
pub(crate) fn settle(world: &World, seed: u64) {
    for _ in 0..6 {
        let run = world.run_acknowledging(&HaltKind::ALL);
        assert_eq!(run.state, RunState::Succeeded, "seed {seed}: {run:#?}");
        let Counts { unchanged, conflicts, skipped, .. } = run.counts;
        if run.counts == (Counts { unchanged, conflicts, skipped, ..Counts::default() }) {
            return;
        }
    }
    panic!("seed {seed}: six runs did not come to rest");
}

/// In both directions with deletions propagated, every path is equal on both sides or listed.
pub(crate) fn in_step_or_listed(world: &World, seed: u64) {
    let listed: BTreeSet<_> = world.open_conflicts().into_iter().map(|row| row.conflict.path).collect();
    let last = world.run_acknowledging(&HaltKind::ALL);
    let skipped: BTreeMap<_, _> = last.problems.into_iter().map(|problem| (problem.path, problem.detail)).collect();
    for path in PATHS {
        if !listed.contains(&at(path)) && !skipped.contains_key(path) {
            assert_eq!(world.record(path), world.secret(path), "seed {seed}, {path}");
        }
    }
}
