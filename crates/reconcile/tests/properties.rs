//! Several paths at once. People edit, rename and delete on both sides, and runs come in between and are cut
//! off. In every history a run loses no value, and after a few runs nothing is left to do.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and says how much it tried")]

mod world;

use std::{cell::Cell, collections::BTreeSet};

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};
use vaultterm_reconcile::{
    Around, DeletionPolicy, DriftPolicy, InitialPolicy, MergePolicy, Mode, Options, Plan, RecordId, RecordType,
    RemoteHead, SecretPath, Version,
};
use world::{HERE, World, content, id, path};

/// The maximum number of runs until nothing is left to do. A rename to a path that Vault holds needs an
/// additional one.
const RUNS_MAX: usize = 3;

/// The number of random histories per property.
const CASES: u32 = 100_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    Save(u8, u8, u8),
    Rename(u8, u8),
    Trash(u8),
    /// A person resolves a conflict by accepting that the sides differ, if the mode allows it.
    Accept(u8),
    Put(u8, u8, u8),
    Delete(u8),
    /// Removes a key with its metadata, so that versions start again at 1.
    Purge(u8),
    Run,
    /// A run that stops between the remote writes and the record.
    CutOff,
    /// A run without the steps at these paths, by bits. A person left them out.
    RunWithout(u8),
    /// A run for these paths only, by bits.
    RunFor(u8),
}

fn at(number: u8) -> SecretPath {
    path(["a", "a/b", "c"][usize::from(number)])
}

fn live(world: &World, number: u8) -> Option<RecordId> {
    world.local().live.get(&at(number)).map(|entry| entry.record_id)
}

fn happen(world: &mut World, event: Event, options: &Options) {
    match event {
        Event::Save(p, a, b) => match live(world, p) {
            Some(record) => world.edit(record, content(a, b)),
            None => {
                let record = id(u128::from(world.tick().0.unsigned_abs()));
                world.add(record, &at(p), RecordType::KeyValue, content(a, b));
            }
        },
        Event::Rename(from, to) => {
            if let (Some(record), None) = (live(world, from), live(world, to)) {
                world.rename(record, &at(to));
            }
        }
        Event::Trash(p) => {
            if let Some(record) = live(world, p) {
                world.records.get_mut(&record).unwrap().trashed = true;
            }
        }
        Event::Accept(p) => {
            let open =
                options.mode != Mode::Bidirectional
                    && world.plan_all(options).conflicts.iter().any(|conflict| {
                        conflict.path == at(p) && conflict.local.is_some() && conflict.remote.is_some()
                    });
            if open {
                world.accept(&at(p), options.mode);
            }
        }
        Event::Put(p, a, b) => {
            let cas = world.keys.get(&at(p)).map_or(Version::NONE, |key| key.head.cas());
            world.write_content(&at(p), content(a, b), cas);
        }
        Event::Delete(p) => {
            let version = world.keys.get(&at(p)).map(|key| key.head.cas());
            version.into_iter().for_each(|version| world.delete(&at(p), version));
        }
        Event::Purge(p) => {
            world.keys.remove(&at(p));
        }
        Event::Run => drop(run(world, options, true)),
        Event::CutOff => drop(run(world, options, false)),
        Event::RunWithout(bits) => {
            let mut plan = world.plan_all(options);
            let whole = plan.clone();
            plan.leave_out(&some(bits), Around { base: &world.base, options }, "ann");
            let unplanned = plan.steps.iter().find(|step| !whole.steps.contains(step));
            assert!(unplanned.is_none(), "{unplanned:?} was added to {whole:?}");
            let done = plan.steps.iter().find(|step| some(bits).iter().any(|path| step.touches(path)));
            assert!(done.is_none(), "{done:?} was left out");
            assert_eq!(plan.steps.len() + plan.skips.len(), whole.steps.len() + whole.skips.len());
            carry_out(world, options, &plan, true);
        }
        Event::RunFor(bits) => {
            let mut plan = world.plan_all(options);
            plan.restrict(&some(bits), Around { base: &world.base, options });
            let elsewhere = plan.steps.iter().find(|step| !some(bits).iter().any(|path| step.touches(path)));
            assert!(elsewhere.is_none(), "{elsewhere:?} is at another path");
            carry_out(world, options, &plan, true);
        }
    }
}

fn some(bits: u8) -> BTreeSet<SecretPath> {
    (0..3).filter(|number| bits >> number & 1 == 1).map(at).collect()
}

/// Plans and carries out a run.
fn run(world: &mut World, options: &Options, record: bool) -> Plan {
    let plan = world.plan_all(options);
    carry_out(world, options, &plan, record);
    plan
}

/// Carries out a plan, and checks that no value is lost.
fn carry_out(world: &mut World, options: &Options, plan: &Plan, record: bool) {
    let before = world.clone();
    world.apply(plan, options, record);
    let reachable = world.reachable();
    let lost: Vec<_> = before.reachable().into_iter().filter(|value| !reachable.contains(value)).collect();
    assert!(lost.is_empty(), "lost {lost:?}\n{options:?}\n{before:?}\n{plan:?}");
    let mixed = world.mixed_since(&before);
    assert!(options.merge == MergePolicy::Field || mixed.is_empty(), "nobody wrote {mixed:?}\n{options:?}\n{before:?}");
    if options.mode == Mode::Pull {
        assert_eq!(world.written, before.written, "a pull wrote to Vault");
    }
}

/// Asserts that every path becomes equal on both sides, is listed as a conflict, is skipped, or does not
/// concern the connection.
fn settle(world: &mut World, options: &Options) {
    for _ in 0..RUNS_MAX {
        if run(world, options, true).steps.is_empty() {
            break;
        }
    }
    let plan = world.plan_all(options);
    assert!(plan.steps.is_empty(), "does not come to rest: {plan:?}\n{options:?}\n{world:?}");
    for (path, base) in world.base.iter().filter(|(_, base)| base.link == vaultterm_reconcile::Link::Linked) {
        let told = plan.conflicts.iter().any(|conflict| conflict.path == *path)
            || plan.accepted.iter().any(|accepted| accepted.path == *path)
            || plan.skips.iter().any(|skip| skip.path == path.as_str());
        let key = &world.keys.get(path);
        let remote = key.and_then(|key| key.content.as_ref().filter(|_| matches!(key.head, RemoteHead::Live { .. })));
        let local = world.local().live.get(path).map(|entry| world.records[&entry.record_id].content().clone());
        assert!(
            told || local.as_ref() == remote,
            "{path} differs and nobody says so: {base:?}\n{options:?}\n{world:?}"
        );
    }
}

fn event() -> impl Strategy<Value = Event> {
    let p = || 0_u8..3;
    let v = || 0_u8..3;
    prop_oneof![
        3 => (p(), v(), v()).prop_map(|(p, a, b)| Event::Save(p, a, b)),
        3 => (p(), p()).prop_map(|(from, to)| Event::Rename(from, to)),
        1 => p().prop_map(Event::Trash),
        2 => p().prop_map(Event::Accept),
        3 => (p(), v(), v()).prop_map(|(p, a, b)| Event::Put(p, a, b)),
        1 => p().prop_map(Event::Delete),
        1 => p().prop_map(Event::Purge),
        3 => Just(Event::Run),
        2 => Just(Event::CutOff),
        1 => (0_u8..8).prop_map(Event::RunWithout),
        1 => (0_u8..8).prop_map(Event::RunFor),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let all = (
        select(Mode::ALL),
        select(MergePolicy::ALL),
        select(DeletionPolicy::ALL),
        select(InitialPolicy::ALL),
        select(DriftPolicy::ALL),
        any::<bool>(),
    );
    all.prop_map(|(mode, merge, deletions, initial, on_drift, annotate)| Options {
        merge,
        deletions,
        initial,
        on_drift,
        annotate,
        ..Options::defaults(mode, HERE)
    })
}

/// Checks a property for [`CASES`] random cases, and prints that it holds.
fn hold<S: Strategy>(name: &str, strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases = Cell::new(0_u32);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let held = TestRunner::new(config).run(strategy, |case| {
        cases.set(cases.get() + 1);
        property(case)
    });
    held.unwrap_or_else(|broken| panic!("{name}: {broken}"));
    println!("{name}: {} random cases", cases.get());
    assert!(cases.get() >= CASES);
}

#[test]
fn whatever_people_do_runs_lose_nothing_and_come_to_rest() {
    let histories = (options(), prop::collection::vec(event(), 1..16));
    hold("runs lose nothing and come to rest", &histories, |(options, events)| {
        let mut world = World { clock: 1_000, ..World::default() };
        for event in events {
            happen(&mut world, event, &options);
        }
        settle(&mut world, &options);
        Ok(())
    });
}

#[test]
fn a_plan_survives_being_stored() {
    let histories = (options(), prop::collection::vec(event(), 1..12));
    hold("a plan survives being stored", &histories, |(options, events)| {
        let mut world = World { clock: 1_000, ..World::default() };
        for event in events {
            happen(&mut world, event, &options);
        }
        let plan = world.plan_all(&options);
        prop_assert_eq!(&plan, &world.plan_all(&options), "the same input gives the same plan");
        let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        prop_assert_eq!(plan, stored);
        Ok(())
    });
}

/// The test covers every sequence of three events at two paths that were in step: swaps, chains, and renames
/// onto paths that were deleted or written meanwhile.
#[test]
fn every_short_history_of_two_paths_in_step_loses_nothing_and_comes_to_rest() {
    let mut events = Vec::new();
    for p in [0, 1] {
        events.extend([Event::Save(p, 1, 0), Event::Save(p, 2, 1), Event::Trash(p), Event::Rename(p, 1 - p)]);
        events.extend([Event::Rename(p, 2), Event::Rename(2, p), Event::Put(p, 0, 1), Event::Put(p, 1, 2)]);
        events.extend([Event::Delete(p), Event::Purge(p)]);
    }
    events.extend([Event::CutOff, Event::RunWithout(1), Event::RunFor(2)]);
    let mut histories = 0;
    for mode in Mode::ALL {
        for deletions in DeletionPolicy::ALL {
            let options = Options { deletions: *deletions, ..Options::defaults(*mode, HERE) };
            let start = in_step(&options);
            for first in &events {
                for second in &events {
                    for third in &events {
                        let mut world = start.clone();
                        [first, second, third].into_iter().for_each(|event| happen(&mut world, *event, &options));
                        settle(&mut world, &options);
                        histories += 1;
                    }
                }
            }
        }
    }
    assert_eq!(histories, 23 * 23 * 23 * 6);
}

/// Returns two paths in step with different contents.
fn in_step(options: &Options) -> World {
    let mut world = World { clock: 1_000, ..World::default() };
    for (number, value) in [(0, 0), (1, 5)] {
        happen(&mut world, Event::Put(number, value, value), options);
        happen(&mut world, Event::Save(number, value, value), options);
    }
    settle(&mut world, options);
    assert_eq!(world.base.len(), 2);
    world
}

#[test]
fn a_rename_writes_the_new_path_and_deletes_the_old_one_in_one_step() {
    for mode in [Mode::Push, Mode::Bidirectional] {
        let options = Options::defaults(mode, HERE);
        let mut world = in_step(&options);
        happen(&mut world, Event::Rename(0, 2), &options);
        let plan = world.plan_all(&options);
        assert_eq!(plan.steps.len(), 1, "{plan:?}");
        assert_eq!((plan.steps[0].action.as_str(), plan.steps[0].path.as_str()), ("move_remote", "c"));
        run(&mut world, &options, true);
        assert_eq!(world.keys[&at(2)].content, Some(content(0, 0)));
        assert!(matches!(world.keys[&at(0)].head, RemoteHead::Deleted { .. }));
        assert!(!world.base.contains_key(&at(0)));
    }
}

#[test]
fn swapped_names_swap_the_values_and_delete_nothing() {
    for mode in [Mode::Push, Mode::Bidirectional] {
        let options = Options::defaults(mode, HERE);
        let mut world = in_step(&options);
        for event in [Event::Rename(0, 2), Event::Rename(1, 0), Event::Rename(2, 1)] {
            happen(&mut world, event, &options);
        }
        run(&mut world, &options, true);
        assert_eq!(world.keys[&at(0)].content, Some(content(5, 5)));
        assert_eq!(world.keys[&at(1)].content, Some(content(0, 0)));
        assert!(world.keys.values().all(|key| matches!(key.head, RemoteHead::Live { .. })));
        assert!(world.plan_all(&options).steps.is_empty());
    }
}
