//! Runs over named paths: they look where somebody says that something moved, and conclude nothing about other paths.

use std::collections::BTreeSet;

use serde_json::json;
use vaultterm_reconcile::{ConflictKind, HaltKind, Mode, Version};
use vaultterm_sync::{EngineError, HintedWriter, Run, RunState};
use vaultterm_testkit::{
    Operation, World,
    world::{Ask, at, data},
};

/// Returns a world in step on this number of paths.
fn in_step(secrets: usize) -> World {
    let world = World::new(Mode::Bidirectional);
    for n in 0..secrets {
        world.save(&format!("key-{n}"), json!({"value": n.to_string()}));
    }
    let run = world.run();
    assert_eq!((run.state, run.counts.created_remote), (RunState::Succeeded, secrets as u64));
    drop(world.kv.take_log());
    world
}

fn paths(names: &[&str]) -> BTreeSet<vaultterm_reconcile::SecretPath> {
    names.iter().map(|name| at(name)).collect()
}

fn run_at(world: &World, names: &[&str]) -> Run {
    world.run_as(Ask { at: paths(names), ..Ask::default() }).expect("the run begins")
}

/// Returns how often a run asked Vault for something.
fn asked(world: &World, operation: Operation) -> usize {
    world.kv.take_log().iter().filter(|request| request.operation == operation).count()
}

#[test]
fn only_the_named_paths_are_looked_at_and_changed() {
    let world = in_step(50);
    world.put("key-3", json!({"value": "new there"}));
    world.save("key-4", json!({"value": "new here"}));
    world.put("key-5", json!({"value": "not named"}));
    world.save("key-6", json!({"value": "not named"}));
    let run = run_at(&world, &["key-3", "key-4"]);
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!((run.counts.updated_local, run.counts.updated_remote, run.counts.unchanged), (1, 1, 0));
    assert_eq!(run.part.only, [at("key-3"), at("key-4")]);
    assert!(run.requests < 12, "{} requests", run.requests);
    assert_eq!(asked(&world, Operation::Observe), 0, "nothing is listed");
    assert_eq!(world.record("key-3"), Some(data(json!({"value": "new there"}))));
    assert_eq!(world.secret("key-4"), Some(data(json!({"value": "new here"}))));
    assert_eq!(world.record("key-5"), Some(data(json!({"value": "5"}))), "nobody named it");
    assert_eq!(world.secret("key-6"), Some(data(json!({"value": "6"}))), "nobody named it");
    let rest = world.run();
    assert_eq!((rest.counts.updated_local, rest.counts.updated_remote, rest.counts.unchanged), (1, 1, 48));
}

#[test]
fn a_named_secret_that_is_new_or_deleted_in_vault_comes_over() {
    let world = in_step(20);
    world.put("new", json!({"value": "x"}));
    world.delete("key-2");
    world.delete_metadata("key-3");
    let run = run_at(&world, &["new", "key-2", "key-3"]);
    assert_eq!((run.state, run.counts.created_local, run.counts.deleted_local), (RunState::Succeeded, 1, 2));
    assert_eq!(world.record("new"), Some(data(json!({"value": "x"}))));
    assert_eq!((world.record("key-2"), world.record("key-3")), (None, None));
}

#[test]
fn a_path_that_neither_side_has_is_named_as_such() {
    let world = in_step(2);
    let run = run_at(&world, &["nowhere"]);
    assert_eq!((run.state, run.counts.skipped), (RunState::Succeeded, 1), "{run:#?}");
    assert!(run.problems[0].detail.contains("neither side has it"), "{:?}", run.problems);
}

#[test]
fn a_rename_is_one_step_whichever_of_its_paths_is_named() {
    for named in ["old", "new"] {
        let world = in_step(20);
        world.save("old", json!({"value": "x"}));
        assert_eq!(world.run().state, RunState::Succeeded);
        world.rename("old", "new");
        let run = run_at(&world, &[named]);
        assert_eq!((run.state, run.counts.failed, run.counts.skipped), (RunState::Succeeded, 0, 0), "{run:#?}");
        assert_eq!((world.secret("old"), world.secret("new")), (None, Some(data(json!({"value": "x"})))), "{named}");
        let again = world.run();
        assert_eq!((again.state, again.counts.unchanged), (RunState::Succeeded, 21));
    }
}

#[test]
fn conflicts_elsewhere_stay_and_one_at_a_named_path_opens_or_closes() {
    let world = in_step(20);
    for path in ["key-1", "key-2"] {
        world.save(path, json!({"value": "here"}));
        world.put(path, json!({"value": "there"}));
    }
    assert_eq!(run_at(&world, &["key-1"]).counts.conflicts, 1);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::BothChanged);
    assert_eq!(run_at(&world, &["key-2"]).counts.conflicts, 1);
    assert_eq!(world.open_conflicts().len(), 2, "the one at the other path stays");
    world.put("key-2", json!({"value": "here"}));
    world.put("key-1", json!({"value": "here"}));
    assert_eq!(run_at(&world, &["key-2"]).state, RunState::Succeeded);
    assert_eq!(world.open_conflict().conflict.path, at("key-1"), "nobody looked there");
}

#[test]
fn several_small_runs_delete_no_more_than_one_large_run_may() {
    let world = in_step(40);
    for n in 0..10 {
        world.delete(&format!("key-{n}"));
        assert_eq!(run_at(&world, &[&format!("key-{n}")]).counts.deleted_local, 1);
    }
    // 10 are the most that may go without a question. The eleventh is more than 25 percent of what there was.
    world.delete("key-10");
    let halted = run_at(&world, &["key-10"]);
    assert_eq!(halted.state, RunState::Halted, "{halted:#?}");
    assert_eq!(halted.halts[0].kind, HaltKind::MassDeletion);
    assert!(halted.halts[0].detail.contains("10 of them went since the last run of the whole"), "{:?}", halted.halts);
    assert!(world.record("key-10").is_some());
    let whole = world.run();
    assert_eq!(whole.state, RunState::Halted, "neither may a run of the whole connection: {whole:#?}");
    assert_eq!(world.run_acknowledging(&[HaltKind::MassDeletion]).counts.deleted_local, 1);
    world.delete("key-11");
    assert_eq!(run_at(&world, &["key-11"]).counts.deleted_local, 1, "a person looked, and the count begins again");
}

#[test]
fn a_mass_deletion_at_named_paths_is_measured_by_the_whole_connection() {
    let world = in_step(100);
    let names: Vec<String> = (0..20).map(|n| format!("key-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        world.delete(name);
    }
    assert_eq!(run_at(&world, &names).counts.deleted_local, 20, "all of the named paths, but few of all");
}

#[test]
fn a_halt_of_the_whole_connection_halts_a_run_at_some_paths_and_cannot_be_taken_there() {
    let world = in_step(5);
    world.journal.edit_connection(world.id, |connection| connection.scope_changed = true);
    world.put("key-1", json!({"value": "there"}));
    let halted = run_at(&world, &["key-1"]);
    assert_eq!((halted.state, halted.halts[0].kind), (RunState::Halted, HaltKind::ScopeChanged));
    let acknowledge = BTreeSet::from([HaltKind::ScopeChanged]);
    let refused = world.run_as(Ask { at: paths(&["key-1"]), acknowledge, ..Ask::default() });
    assert!(matches!(refused, Err(EngineError::PlanNotApplicable(_))), "{refused:?}");
}

#[test]
fn named_paths_that_are_all_of_a_connection_and_show_nothing_halt() {
    let world = in_step(3);
    for n in 0..3 {
        world.delete(&format!("key-{n}"));
    }
    assert_eq!(run_at(&world, &["key-0", "key-1", "key-2"]).state, RunState::Halted, "that is everything");
    assert_eq!(world.run().state, RunState::Halted);
}

/// A run at some paths cannot know that the database forgot a run. It must not hide that from the next whole run.
#[test]
fn many_runs_at_some_paths_do_not_hide_that_the_database_is_old() {
    let world = in_step(3);
    let backup = world.journal.back_up();
    world.save("key-1", json!({"value": "forgotten"}));
    assert_eq!(world.run().state, RunState::Succeeded);
    world.journal.restore(&backup);
    for n in 0..30 {
        world.save("key-2", json!({"value": format!("edit {n}")}));
        assert_eq!(run_at(&world, &["key-2"]).state, RunState::Succeeded);
    }
    let whole = world.run();
    assert_eq!(whole.state, RunState::Halted, "{whole:#?}");
    assert_eq!(whole.halts[0].kind, HaltKind::Rewound);
}

#[test]
fn where_answers_may_be_old_a_named_path_that_looks_gone_waits_for_runs_of_the_whole_connection() {
    let world = in_step(20);
    world.kv.set_stale_reads(true);
    world.delete("key-1");
    for _ in 0..2 {
        let run = run_at(&world, &["key-1"]);
        assert_eq!((run.counts.deleted_local, run.counts.skipped), (0, 1), "{run:#?}");
    }
    world.run();
    assert_eq!(world.run().counts.deleted_local, 1);
}

#[test]
fn a_hint_names_the_writer_of_the_version_that_was_found_and_of_no_other() {
    let world = in_step(20);
    world.put("key-1", json!({"value": "there"}));
    world.put("key-2", json!({"value": "there"}));
    let hint = |version| HintedWriter {
        writer: Some("approle jenkins".to_owned()),
        version: Some(Version(version)),
        changed: None,
    };
    world.journal.hint(world.id, at("key-1"), hint(2));
    world.journal.hint(world.id, at("key-2"), hint(1));
    world.save("key-1", json!({"value": "here"}));
    world.save("key-2", json!({"value": "here"}));
    run_at(&world, &["key-1", "key-2"]);
    let writers: Vec<_> = world.open_conflicts().into_iter().map(|row| row.conflict.remote_writer).collect();
    assert_eq!(writers[0].as_deref(), Some("approle jenkins"));
    assert_ne!(writers[1].as_deref(), Some("approle jenkins"), "the hint is about an older version");
}

#[test]
fn what_was_seen_at_other_paths_stays_as_it_was() {
    let world = in_step(20);
    for path in ["key-1", "key-2"] {
        world.put(path, json!({"value": "there"}));
        world.save(path, json!({"value": "here"}));
    }
    world.run();
    assert_eq!(world.journal.seen(world.id).len(), 2);
    world.put("key-2", json!({"value": "here"}));
    run_at(&world, &["key-2"]);
    let seen: Vec<_> = world.journal.seen(world.id).into_iter().map(|seen| seen.path).collect();
    assert_eq!(seen, [at("key-1")]);
}
