//! Crashes at every await of a run, and of every kind of decision. The next runs reach the state of the
//! uninterrupted run, without a conflict, a second version or a lost value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{ConflictKind, DeletionPolicy, DriftPolicy, Mode, RecordType};
use vaultterm_sync::{Resolution, RunState};
use vaultterm_testkit::{Data, World, world::Ask};

/// The contents of both sides and the version numbers in Vault, without ids, times and history.
#[derive(Debug, PartialEq, Eq)]
struct Settled {
    records: BTreeMap<String, (Data, RecordType)>,
    secrets: BTreeMap<String, (Option<Data>, u64, Option<String>)>,
    linked: BTreeSet<String>,
    conflicts: usize,
}

fn settled(world: &World) -> Settled {
    let live = world.journal.records().into_iter().filter(|(_, record)| record.trashed.is_none());
    let records = live.map(|(_, record)| {
        let current = record.current();
        (record.path.to_string(), (current.data.clone(), current.record_type))
    });
    let secrets = world.kv.mount(|mount, now| {
        let keys = mount.keys().map(|(path, key)| {
            let value = mount.read(path, key.current, now).map(|version| version.data.clone());
            (path.to_owned(), (value, key.current, key.custom.get("vaultterm-type").cloned()))
        });
        keys.collect()
    });
    Settled {
        records: records.collect(),
        secrets,
        linked: world.journal.base_rows(world.id).into_keys().map(|path| path.to_string()).collect(),
        conflicts: world.open_conflicts().len(),
    }
}

/// Returns every value that can still be reached: in a revision, or in a version that is not destroyed.
fn reachable(world: &World) -> BTreeSet<String> {
    let local = world.journal.records().into_iter().flat_map(|(_, record)| record.revisions);
    let mut values: BTreeSet<String> = local.map(|revision| json!(revision.data).to_string()).collect();
    world.kv.mount(|mount, _| {
        for (_, key) in mount.keys() {
            let versions = key.versions.values().filter(|version| !version.destroyed);
            values.extend(versions.map(|version| json!(version.data).to_string()));
        }
    });
    values
}

/// Runs the connection until a run finds nothing to do.
fn settle(world: &World) {
    for _ in 0..5 {
        let run = world.run();
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let counts = run.counts;
        let idle = vaultterm_reconcile::Counts {
            unchanged: counts.unchanged,
            conflicts: counts.conflicts,
            ..vaultterm_reconcile::Counts::default()
        };
        if counts == idle {
            return;
        }
    }
    panic!("five runs did not come to rest");
}

/// Crashes `act` at its first, second, third … await, until it completes.
fn crash_everywhere<T>(make: impl Fn() -> World, act: impl AsyncFn(&World) -> T) {
    let uninterrupted = make();
    let before = reachable(&uninterrupted);
    uninterrupted.clock.drive(act(&uninterrupted));
    settle(&uninterrupted);
    let expected = settled(&uninterrupted);

    let mut points = 0;
    for at in 1.. {
        assert!(at < 10_000, "the run never gets through");
        let world = make();
        world.fuse.set(at);
        let survived = world.clock.drive_with_fuse(&world.fuse, act(&world)).is_some();
        world.fuse.disarm();
        if survived {
            break;
        }
        points = at;
        // The lease of the dead process expires.
        world.clock.advance(Duration::from_secs(61));
        settle(&world);
        assert_eq!(settled(&world), expected, "after a crash at await {at}");
        let lost: Vec<_> = before.difference(&reachable(&world)).cloned().collect();
        assert!(lost.is_empty(), "after a crash at await {at}: {lost:?}");
    }
    assert!(points > 20, "only {points} awaits were crashed: the test tests nothing");
}

/// Crashes a run at its first, second, third … await. After each crash a person edits the records, and both
/// sides must follow as if every write had been recorded.
fn crash_then_edit_everywhere(make: impl Fn() -> World, edit: impl Fn(&World)) {
    let mut points = 0;
    for at in 1.. {
        assert!(at < 10_000, "the run never gets through");
        let world = make();
        world.fuse.set(at);
        let survived = world.clock.drive_with_fuse(&world.fuse, run(&world)).is_some();
        world.fuse.disarm();
        world.clock.advance(Duration::from_secs(61));
        edit(&world);
        settle(&world);
        let Settled { records, secrets, .. } = settled(&world);
        let conflicts = world.open_conflicts();
        // Before the mark of a new secret is set, its owner cannot be known.
        let unmarked = |path: &str| !world.marks(path).contains_key("vaultterm-record");
        let listed = |path: &str| conflicts.iter().any(|stored| stored.conflict.path.as_str() == path);
        assert!(
            conflicts.iter().all(|stored| {
                stored.conflict.kind == ConflictKind::NoBase && unmarked(stored.conflict.path.as_str())
            }),
            "after a crash at await {at}: {conflicts:#?}"
        );
        for (path, (data, _)) in records.iter().filter(|(path, _)| !listed(path)) {
            let secret = secrets.get(&format!("team/app/{path}")).and_then(|(secret, ..)| secret.as_ref());
            assert_eq!(secret, Some(data), "{path} after a crash at await {at}");
        }
        if survived {
            break;
        }
        points = at;
    }
    assert!(points > 20, "only {points} awaits were crashed: the test tests nothing");
}

async fn run(world: &World) {
    let run = world.running(Ask::default(), CancellationToken::new()).await.expect("the run begins");
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
}

/// Returns a world in step with changes of every kind.
fn busy(mode: Mode) -> World {
    let world = World::new(mode);
    for n in 0..8 {
        let value = json!({"a": n.to_string(), "b": n.to_string()});
        world.save(&format!("key-{n}"), value.clone());
        world.put(&format!("key-{n}"), value);
    }
    settle(&world);
    world
}

#[test]
fn a_run_in_both_directions_may_crash_anywhere() {
    crash_everywhere(
        || {
            let world = busy(Mode::Bidirectional);
            world.save("key-0", json!({"a": "edited", "b": "0"}));
            world.put("key-1", json!({"a": "edited", "b": "1"}));
            world.save("key-2", json!({"a": "here", "b": "2"}));
            world.put("key-2", json!({"a": "2", "b": "2", "note": "there"}));
            world.trash("key-3");
            world.delete("key-4");
            world.save("new-here", json!({"value": "here"}));
            world.put("new-there", json!({"value": "there"}));
            world.retype("key-5", RecordType::Identity);
            world
        },
        run,
    );
}

#[test]
fn who_goes_on_editing_after_a_crash_meets_no_conflict() {
    for mode in [Mode::Bidirectional, Mode::Push] {
        crash_then_edit_everywhere(
            || {
                let world = busy(mode);
                for path in ["key-0", "key-1", "key-2", "key-3"] {
                    world.save(path, json!({"a": "edited", "b": path}));
                }
                world.save("new", json!({"a": "new"}));
                world
            },
            |world| {
                world.save("key-0", json!({"a": "edited again", "b": "key-0"}));
                world.save("key-1", json!({"a": "edited", "b": "edited again"}));
                world.trash("key-2");
                world.rename("key-3", "moved/key-3");
                world.save("new", json!({"a": "edited again"}));
            },
        );
    }
}

#[test]
fn a_first_sync_may_crash_anywhere() {
    crash_everywhere(
        || {
            let world = World::new(Mode::Bidirectional);
            for n in 0..3 {
                world.save(&format!("here-{n}"), json!({"value": n.to_string()}));
                world.put(&format!("there-{n}"), json!({"value": n.to_string()}));
                world.save(&format!("both-{n}"), json!({"value": n.to_string()}));
                world.put(&format!("both-{n}"), json!({"value": n.to_string()}));
            }
            world
        },
        run,
    );
}

#[test]
fn a_move_may_crash_anywhere() {
    for (mode, deletions) in [
        (Mode::Bidirectional, DeletionPolicy::Propagate),
        (Mode::Bidirectional, DeletionPolicy::Retain),
        (Mode::Push, DeletionPolicy::Retain),
    ] {
        crash_everywhere(
            || {
                let world = busy(mode);
                world.journal.edit_connection(world.id, |connection| connection.options.deletions = deletions);
                world.rename("key-0", "moved/key-0");
                world
            },
            run,
        );
    }
}

#[test]
fn overwriting_drift_may_crash_anywhere() {
    crash_everywhere(
        || {
            let world = busy(Mode::Push);
            world.journal.edit_connection(world.id, |connection| connection.options.on_drift = DriftPolicy::Overwrite);
            world.put("key-0", json!({"a": "drifted", "b": "0"}));
            world.delete("key-1");
            world
        },
        run,
    );
}

#[test]
fn a_pull_may_crash_anywhere() {
    crash_everywhere(
        || {
            let world = busy(Mode::Pull);
            world.put("key-0", json!({"a": "edited", "b": "0"}));
            world.put("new", json!({"value": "1"}));
            world.delete("key-1");
            world
        },
        run,
    );
}

#[test]
fn applying_a_stored_plan_may_crash_anywhere() {
    crash_everywhere(
        || {
            let world = busy(Mode::Bidirectional);
            world.save("key-0", json!({"a": "edited", "b": "0"}));
            world.put("key-1", json!({"a": "edited", "b": "1"}));
            world.trash("key-2");
            world
        },
        async |world| {
            let plan = world.engine().plan(world.id).await.expect("a plan can be made");
            let ask = Ask { plan_id: Some(plan.id), ..Ask::default() };
            let run = world.running(ask, CancellationToken::new()).await.expect("the run begins");
            assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        },
    );
}

/// A decision is carried out, now or by the next run, or has no effect at all.
#[test]
fn a_decision_may_crash_anywhere() {
    for resolution in [|| Resolution::KeepLocal, || Resolution::KeepRemote, || Resolution::KeepBoth] {
        let make = || {
            let world = busy(Mode::Bidirectional);
            world.save("key-0", json!({"a": "here", "b": "0"}));
            world.put("key-0", json!({"a": "there", "b": "0"}));
            settle(&world);
            world
        };
        let undecided = settled(&make());
        let decided = make();
        let conflict = decided.open_conflict();
        decided.resolve(&conflict, resolution()).expect("resolved");
        settle(&decided);
        let decided = settled(&decided);
        assert_ne!(decided, undecided);

        let (mut never_taken, mut taken) = (0, 0);
        for at in 1.. {
            let world = make();
            let conflict = world.open_conflict();
            world.fuse.set(at);
            let resolving = world.resolving(&conflict, resolution());
            let survived = world.clock.drive_with_fuse(&world.fuse, resolving).is_some();
            world.fuse.disarm();
            if survived {
                break;
            }
            world.clock.advance(Duration::from_secs(61));
            settle(&world);
            let found = settled(&world);
            if found == decided {
                taken += 1;
            } else if found.conflicts == 1 {
                never_taken += 1;
            } else {
                panic!("after a crash at await {at}, neither taken nor not: {found:#?}");
            }
        }
        assert!(never_taken > 5 && taken > 2, "{never_taken} {taken}");
    }
}
