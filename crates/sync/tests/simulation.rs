//! Seeded worlds: people and programs edit both sides at random, before and during runs, while
//! requests fail, answers get lost and processes die. Whatever happens: no value that can be
//! reached before a run is out of reach after it, and once the faults stop, a few runs bring
//! every path into step or list it as a conflict.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{DeletionPolicy, DriftPolicy, HaltKind, InitialPolicy, MergePolicy, Mode, RecordType};
use vaultterm_sync::{FaultClass, Resolution, RunState};
use vaultterm_testkit::{
    KvKey, Operation, Rule, Verdict, World, fault,
    world::{Ask, at, data},
};

const PATHS: [&str; 6] = ["a", "a/b", "c", "d", "e", "f"];

/// Numbers that only the seed decides (`SplitMix64`).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % below as u64).expect("below a usize")
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// One thing that somebody does to either side.
fn meddle(world: &World, dice: &mut Dice, number: usize) {
    let path = dice.pick(&PATHS);
    let record = world.record(path);
    match dice.roll(10) {
        0..3 => {
            let mut fields = record.unwrap_or_else(|| data(json!({"x": "0", "y": "0"})));
            fields.insert(dice.pick(&["x", "y", "z"]).to_owned(), json!(format!("here-{number}")));
            world.save(path, json!(fields));
        }
        3..6 => {
            let mut fields = world.secret(path).unwrap_or_else(|| data(json!({"x": "0", "y": "0"})));
            fields.insert(dice.pick(&["x", "y", "z"]).to_owned(), json!(format!("there-{number}")));
            world.put(path, json!(fields));
        }
        6 if record.is_some() => world.trash(path),
        7 => world.delete(path),
        8 if record.is_some() => {
            let to = dice.pick(&PATHS);
            if world.record(to).is_none() {
                world.rename(path, to);
            }
        }
        9 => match dice.roll(3) {
            0 => world.delete_metadata(path),
            1 => world.kv.mount(|mount, now| {
                let full = format!("team/app/{path}");
                let current = mount.key(&full).map_or(0, |key| key.current);
                mount.undelete(&full, current, now);
            }),
            _ if record.is_some() => world.retype(path, dice.pick(&[RecordType::EnvVar, RecordType::Identity])),
            _ => {}
        },
        _ => {}
    }
}

/// Every value in local history.
fn history(world: &World) -> BTreeSet<String> {
    let revisions = world.journal.records().into_iter().flat_map(|(_, record)| record.revisions);
    revisions.map(|revision| json!(revision.data).to_string()).collect()
}

/// What a run must not lose: every revision, and what Vault holds at each path. (Older versions
/// are evicted by whoever writes; that is Vault's own rule.)
fn ledger(world: &World) -> BTreeSet<String> {
    let mut values = history(world);
    world.kv.mount(|mount, now| {
        let heads = mount.keys().filter_map(|(_, key)| key.head()).filter(|head| head.is_live(now));
        values.extend(heads.map(|head| json!(head.data).to_string()));
    });
    values
}

/// Where it may be afterwards: in a revision, or in any version, if only by an undelete.
fn reachable(world: &World) -> BTreeSet<String> {
    let mut values = history(world);
    world.kv.mount(|mount, _| {
        let versions = mount.keys().flat_map(|(_, key)| key.versions.values());
        values.extend(versions.map(|version| json!(version.data).to_string()));
    });
    values
}

fn script_faults(world: &World, dice: &mut Dice) {
    use FaultClass::{Denied, Protocol, RateLimited, Sealed, Stale, StaleReplica, Unavailable, Unknown};
    use Operation::{Annotate, Connect, Delete, Look, Observe, Read, Write};
    for _ in 0..dice.roll(4) {
        let operation = dice.pick(&[Connect, Observe, Look, Read, Write, Annotate, Delete, Write]);
        let class = match operation {
            Write => dice.pick(&[Unknown, Unknown, Unavailable, Denied, Stale, RateLimited]),
            _ => dice.pick(&[Unavailable, Sealed, StaleReplica, Denied, Protocol]),
        };
        let fault = fault(class);
        let lost = class == Unknown || (class == Unavailable && operation != Write);
        let verdict = if lost && dice.roll(2) == 0 { Verdict::FailAfter(fault) } else { Verdict::FailBefore(fault) };
        let times = u32::try_from(1 + dice.roll(3)).expect("small");
        world.kv.script(Rule::next(operation, verdict).times(times));
    }
}

/// Somebody edits while requests are on their way. What such an edit itself replaces in Vault
/// leaves the ledger.
fn meddle_during_the_run(world: &World, dice: &Dice, ledger: &Arc<Mutex<BTreeSet<String>>>) {
    let (mut dice, ledger, local) = (dice.clone(), Arc::clone(ledger), world.clone());
    let mut left = dice.roll(3);
    world.kv.before_each_request(move |_, mount| {
        if left == 0 || dice.roll(12) > 0 {
            return;
        }
        left -= 1;
        let path = dice.pick(&PATHS);
        let value = json!({"x": format!("during-{left}"), "y": path});
        if dice.roll(2) == 0 {
            local.save(path, value.clone());
        } else {
            let (full, now) = (format!("team/app/{path}"), local.clock.tick());
            if let Some(head) = mount.key(&full).and_then(KvKey::head) {
                ledger.lock().expect("one thread").remove(&json!(head.data).to_string());
            }
            mount.put(&full, data(value.clone()), None, now).expect("no cas");
        }
        ledger.lock().expect("one thread").insert(value.to_string());
    });
}

/// One run, or one decision, that may die at any await.
fn act(world: &World, dice: &mut Dice) {
    if dice.roll(3) == 0 {
        world.fuse.set(1 + dice.roll(120) as u64);
    }
    let conflicts = world.open_conflicts();
    let act = async {
        if !conflicts.is_empty() && dice.roll(3) == 0 {
            let resolution = match dice.roll(3) {
                0 => Resolution::KeepLocal,
                1 => Resolution::KeepRemote,
                _ => Resolution::KeepBoth,
            };
            // Refused or not: what counts is what it leaves behind.
            let _ = world.resolving(&conflicts[0], resolution).await;
        } else {
            let acknowledge = if dice.roll(2) == 0 { HaltKind::ALL.into_iter().collect() } else { BTreeSet::new() };
            let ask = Ask { acknowledge, plan_id: None };
            world.running(ask, CancellationToken::new()).await.expect("nobody else runs");
        }
    };
    let survived = world.clock.drive_with_fuse(&world.fuse, act).is_some();
    world.fuse.disarm();
    if !survived {
        world.clock.advance(Duration::from_secs(61));
    }
}

/// Runs without faults until nothing is left to do.
fn settle(world: &World, seed: u64) {
    world.kv.heal();
    for _ in 0..6 {
        let run = world.run_acknowledging(&HaltKind::ALL);
        assert_eq!(run.state, RunState::Succeeded, "seed {seed}: {run:#?}");
        let counts = run.counts;
        let idle = vaultterm_reconcile::Counts {
            unchanged: counts.unchanged,
            conflicts: counts.conflicts,
            skipped: counts.skipped,
            ..Default::default()
        };
        if counts == idle {
            return;
        }
    }
    panic!("seed {seed}: six runs did not come to rest");
}

/// In both directions with deletions propagated, every path is equal on both sides or listed.
fn in_step_or_listed(world: &World, seed: u64) {
    let listed: BTreeSet<_> = world.open_conflicts().into_iter().map(|row| row.conflict.path).collect();
    let last = world.run_acknowledging(&HaltKind::ALL);
    let skipped: BTreeMap<_, _> = last.problems.into_iter().map(|problem| (problem.path, problem.detail)).collect();
    for path in PATHS {
        if !listed.contains(&at(path)) && !skipped.contains_key(path) {
            assert_eq!(world.record(path), world.secret(path), "seed {seed}, {path}");
        }
    }
}

fn simulate(seed: u64, mode: Mode) {
    let mut dice = Dice(seed);
    let world = World::with(mode, |options| {
        options.merge = dice.pick(MergePolicy::ALL);
        options.on_drift = dice.pick(DriftPolicy::ALL);
        options.initial = dice.pick(InitialPolicy::ALL);
        if mode != Mode::Bidirectional {
            options.deletions = dice.pick(DeletionPolicy::ALL);
        }
    });
    // With a single version kept, whatever a run overwrites must be in local history.
    world.kv.mount(|mount, _| mount.versions_max = dice.pick(&[1, 2, 1_000]));
    let mut number = 0;
    for _ in 0..8 {
        for _ in 0..dice.roll(6) {
            number += 1;
            meddle(&world, &mut dice, number);
        }
        let values = Arc::new(Mutex::new(ledger(&world)));
        script_faults(&world, &mut dice);
        meddle_during_the_run(&world, &dice, &values);
        act(&world, &mut dice);
        world.kv.heal();
        let lost: Vec<_> = values.lock().expect("one thread").difference(&reachable(&world)).cloned().collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?} cannot be reached any more");
    }
    let before = ledger(&world);
    settle(&world, seed);
    assert!(before.is_subset(&reachable(&world)), "seed {seed}");
    if mode == Mode::Bidirectional {
        in_step_or_listed(&world, seed);
    }
}

#[test]
fn a_thousand_worlds_in_both_directions_lose_nothing_and_come_to_rest() {
    (0..1_000).for_each(|seed| simulate(seed, Mode::Bidirectional));
}

#[test]
fn five_hundred_worlds_that_push_lose_nothing_and_come_to_rest() {
    (0..500).for_each(|seed| simulate(seed, Mode::Push));
}

#[test]
fn five_hundred_worlds_that_pull_lose_nothing_and_come_to_rest() {
    (0..500).for_each(|seed| simulate(seed, Mode::Pull));
}
