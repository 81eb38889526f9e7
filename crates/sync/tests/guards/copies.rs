//! Older copies of the database, and the marks by which they are noticed.

use std::collections::BTreeMap;

use serde_json::json;
use vaultterm_reconcile::{DriftPolicy, HaltKind, Mode, Options};
use vaultterm_sync::{FaultClass, Resolution, RunState};
use vaultterm_testkit::{Operation, Rule, Verdict, World, fault, world::data};

use super::{apply, halts_with, in_step, plan, succeed};

/// Returns a world that was restored from a backup that is older than the last change by `since`.
fn restored_after(mode: Mode, change: impl FnOnce(&mut Options), since: impl FnOnce(&World)) -> World {
    let world = World::with(mode, change);
    for path in ["a", "b", "c"] {
        world.save(path, json!({"value": "before"}));
    }
    succeed(&world);
    let backup = world.journal.back_up();
    since(&world);
    world.journal.restore(&backup);
    world
}

fn halts_as_older_than_the_marks(world: &World) {
    halts_with(world, HaltKind::Rewound);
    let halts = world.run().halts;
    assert!(halts.iter().any(|halt| halt.detail.contains("database is older than what VaultTerm wrote")), "{halts:?}");
}

fn edited(world: &World) {
    world.save("a", json!({"value": "after"}));
    assert_eq!(succeed(world).counts.updated_remote, 1);
}

#[test]
fn a_database_that_went_back_to_a_backup_halts_before_it_overwrites_what_it_forgot() {
    let overwrite = |options: &mut Options| options.on_drift = DriftPolicy::Overwrite;
    let world = restored_after(Mode::Push, overwrite, edited);
    halts_as_older_than_the_marks(&world);
    assert_eq!(world.secret("a"), Some(data(json!({"value": "after"}))));
}

#[test]
fn a_database_that_forgot_only_creations_deletions_or_decisions_halts_as_well() {
    let created = |world: &World| {
        world.save("d", json!({"value": "after"}));
        assert_eq!(succeed(world).counts.created_remote, 1);
    };
    let deleted = |world: &World| {
        world.trash("b");
        assert_eq!(succeed(world).counts.deleted_remote, 1);
    };
    let moved = |world: &World| {
        world.rename("b", "z");
        assert_eq!(succeed(world).counts.updated_remote, 1);
    };
    let decided = |world: &World| {
        world.save("c", json!({"value": "here"}));
        world.put("c", json!({"value": "there"}));
        world.run();
        world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("nobody moved");
    };
    for since in [created as fn(&World), deleted, moved, decided] {
        halts_as_older_than_the_marks(&restored_after(Mode::Bidirectional, |_| {}, since));
    }
}

#[test]
fn an_older_database_that_a_person_acknowledged_catches_up_and_does_not_halt_again() {
    let world = restored_after(Mode::Bidirectional, |_| {}, edited);
    let run = world.run_acknowledging(&[HaltKind::Rewound]);
    assert_eq!((run.state, run.counts.updated_local), (RunState::Succeeded, 1));
    assert_eq!(world.record("a"), Some(data(json!({"value": "after"}))));
    assert_eq!(succeed(&world).counts.unchanged, 3);
    world.save("a", json!({"value": "later"}));
    assert_eq!(succeed(&world).counts.updated_remote, 1);
    assert_eq!(succeed(&world).counts.unchanged, 3);
}

#[test]
fn a_stored_plan_for_an_older_database_is_applied_once_it_is_acknowledged() {
    let world = restored_after(Mode::Bidirectional, |_| {}, edited);
    let plan = plan(&world);
    assert_eq!(apply(&world, &plan, &[]).expect("a run").state, RunState::Halted);
    assert_eq!(apply(&world, &plan, &[HaltKind::Rewound]).expect("a run").state, RunState::Succeeded);
    succeed(&world);
}

#[test]
fn two_copies_of_one_database_halt_instead_of_fighting() {
    let world = in_step(2);
    let copy = world.journal.back_up();
    world.save("key-0", json!({"value": "one"}));
    succeed(&world);
    let ours = world.journal.back_up();
    world.journal.restore(&copy);
    world.save("key-0", json!({"value": "other"}));
    halts_as_older_than_the_marks(&world);
    world.journal.restore(&ours);
    succeed(&world);
}

#[test]
fn a_run_shows_itself_once_however_much_it_writes_and_not_at_all_when_it_writes_nothing() {
    let world = in_step(3);
    for n in 0..3 {
        world.save(&format!("key-{n}"), json!({"value": "after"}));
    }
    drop(world.kv.take_log());
    assert_eq!(succeed(&world).counts.updated_remote, 3);
    let marks = || world.kv.take_log().iter().filter(|request| request.operation == Operation::Mark).count();
    assert_eq!(marks(), 1);
    world.put("key-1", json!({"value": "there"}));
    assert_eq!(succeed(&world).counts.updated_local, 1);
    assert_eq!(succeed(&world).counts.unchanged, 3);
    assert_eq!(marks(), 0);
}

#[test]
fn without_marks_nothing_is_marked_and_nothing_is_asked_of_marks() {
    let world = restored_after(Mode::Bidirectional, |options| options.annotate = false, edited);
    assert!(world.marks("a").is_empty());
    assert_eq!(succeed(&world).counts.updated_local, 1);
}

/// Writes an invented mark, as any client that may write metadata can.
fn a_made_up_mark(world: &World, path: &str, number: &str) {
    let mark = ("vaultterm-run".to_owned(), format!("{}/{number}", world.id));
    assert!(world.kv.mount(|mount, _| mount.patch_custom(&format!("team/app/{path}"), [mark])));
}

#[test]
fn a_mark_that_somebody_made_up_halts_once_and_says_where_it_stands() {
    let world = in_step(2);
    a_made_up_mark(&world, "key-1", &i64::MAX.to_string());
    halts_as_older_than_the_marks(&world);
    assert!(world.run().halts[0].detail.contains("`key-1`"));
    assert_eq!(world.run_acknowledging(&[HaltKind::Rewound]).state, RunState::Succeeded);
    for value in ["one", "two", "three"] {
        world.save("key-0", json!({"value": value}));
        assert_eq!(succeed(&world).counts.updated_remote, 1);
    }
}

#[test]
fn a_made_up_mark_that_no_database_could_hold_is_none() {
    let world = in_step(2);
    for number in ["9223372036854775808", "18446744073709551615", "99999999999999999999", "-1", ""] {
        a_made_up_mark(&world, "key-1", number);
        assert_eq!(succeed(&world).counts.unchanged, 2, "{number}");
    }
}

#[test]
fn decisions_that_an_older_database_takes_do_not_hide_that_it_is_older() {
    let conflict = |world: &World, number: usize| {
        let path = format!("key-{number}");
        world.save(&path, json!({"value": "here"}));
        world.put(&path, json!({"value": "there"}));
    };
    let world = in_step(5);
    (0..4).for_each(|number| conflict(&world, number));
    assert_eq!(world.run().counts.conflicts, 4);
    let backup = world.journal.back_up();
    world.save("key-4", json!({"value": "after"}));
    assert_eq!(world.run().counts.updated_remote, 1);
    world.journal.restore(&backup);
    for row in world.open_conflicts() {
        world.resolve(&row, Resolution::KeepLocal).expect("nobody moved");
    }
    halts_as_older_than_the_marks(&world);
}

#[test]
fn a_forgotten_deletion_of_a_secret_whose_marks_were_taken_away_is_noticed() {
    let world = restored_after(
        Mode::Bidirectional,
        |_| {},
        |world| {
            world.kv.mount(|mount, now| mount.put_metadata("team/app/b", BTreeMap::new(), None, 0, now));
            world.trash("b");
            assert_eq!(succeed(world).counts.deleted_remote, 1);
            assert_eq!(world.marks("b").keys().collect::<Vec<_>>(), ["vaultterm-run"]);
        },
    );
    halts_as_older_than_the_marks(&world);
}

#[test]
fn a_run_whose_mark_failed_shows_itself_at_the_next_secret_that_it_changes() {
    let world = restored_after(
        Mode::Bidirectional,
        |_| {},
        |world| {
            world.kv.script(Rule::next(Operation::Mark, Verdict::FailBefore(fault(FaultClass::Protocol))));
            world.save("a", json!({"value": "after"}));
            world.trash("b");
            let counts = world.run().counts;
            assert_eq!((counts.updated_remote, counts.deleted_remote), (1, 1));
        },
    );
    halts_as_older_than_the_marks(&world);
    assert!(world.run().halts[0].detail.contains("`b`"));
}
