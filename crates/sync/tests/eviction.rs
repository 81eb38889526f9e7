//! A run keeps the versions that a write makes Vault erase as revisions of the record, before it writes.

use serde_json::json;
use vaultterm_reconcile::{DriftPolicy, InitialPolicy, Mode, SkipKind};
use vaultterm_sync::{Resolution, Run, RunState};
use vaultterm_testkit::{
    Data, Operation, World,
    world::{Ask, at, data},
};

fn succeed(world: &World) -> Run {
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    run
}

/// Writes versions in Vault, each with its own value.
fn write_quickly(world: &World, path: &str, count: u64) {
    for n in 1..=count {
        world.put(path, json!({"value": format!("quick-{n}")}));
    }
}

/// Returns every value that the record at a path has ever held, as text.
fn history(world: &World, path: &str) -> Vec<String> {
    let (_, record) = world.journal.live(world.collection_id, &at(path)).expect("the record lives");
    record.revisions.into_iter().map(|revision| json!(revision.data).to_string()).collect()
}

fn text(value: &str) -> String {
    json!(data(json!({ "value": value }))).to_string()
}

fn value(text: &str) -> Option<Data> {
    Some(data(json!({ "value": text })))
}

/// Returns the number of requests to Vault with an operation.
fn asked(world: &World, operation: Operation) -> usize {
    world.kv.take_log().into_iter().filter(|request| request.operation == operation).count()
}

#[test]
fn versions_that_only_vault_holds_are_kept_before_a_write_evicts_them() {
    let world = World::new(Mode::Bidirectional);
    write_quickly(&world, "x", 10);
    succeed(&world);
    world.save("x", json!({"value": "edited here"}));
    let plan = world.clock.drive(world.engine().plan(world.id)).expect("a plan").plan;
    assert_eq!(plan.kept_first[&at("x")].iter().map(|version| version.0).collect::<Vec<_>>(), [1]);
    assert_eq!(succeed(&world).counts.updated_remote, 1);
    assert_eq!((world.secret("x"), world.version("x")), (value("edited here"), 11));
    assert!(history(&world, "x").contains(&text("quick-1")), "{:?}", history(&world, "x"));
    assert_eq!(world.record("x"), value("edited here"));
    let again = succeed(&world);
    assert_eq!((again.counts.unchanged, again.counts.adopted), (1, 0), "a further run does nothing");
}

#[test]
fn a_secret_that_only_we_write_costs_no_further_request_however_often_it_is_written() {
    let world = World::new(Mode::Push);
    world.save("x", json!({"value": "0"}));
    succeed(&world);
    for n in 1..15 {
        world.save("x", json!({"value": n.to_string()}));
        drop(world.kv.take_log());
        succeed(&world);
        let log = world.kv.take_log();
        let count = |operation| log.iter().filter(|request| request.operation == operation).count();
        let asked = [Operation::Read, Operation::Config, Operation::Look, Operation::Write].map(count);
        assert_eq!(asked, [0, 0, 1, 1], "write {n}");
    }
    let revisions = history(&world, "x");
    assert_eq!(revisions.len(), 15, "nothing was kept that is there already: {revisions:?}");
}

#[test]
fn what_is_about_to_be_evicted_is_read_and_nothing_else() {
    let world = World::new(Mode::Bidirectional);
    write_quickly(&world, "x", 8);
    write_quickly(&world, "y", 8);
    succeed(&world);
    world.save("x", json!({"value": "edited here"}));
    drop(world.kv.take_log());
    succeed(&world);
    assert_eq!(asked(&world, Operation::Read), 0, "a ninth version evicts nothing");
    write_quickly(&world, "y", 1);
    drop(world.kv.take_log());
    succeed(&world);
    assert_eq!(asked(&world, Operation::Read), 1, "a pull reads the head alone");
}

#[test]
fn a_version_that_history_holds_already_is_not_kept_again() {
    let world = World::new(Mode::Bidirectional);
    world.kv.mount(|mount, _| mount.versions_max = 2);
    write_quickly(&world, "x", 1);
    succeed(&world);
    // Another client writes a different value, and then the former one again. Only the base follows.
    world.put("x", json!({"value": "other"}));
    world.put("x", json!({"value": "quick-1"}));
    world.save("x", json!({"value": "edited here"}));
    succeed(&world);
    let revisions = history(&world, "x");
    assert!(revisions.contains(&text("other")), "{revisions:?}");
    let before = revisions.len();
    world.save("x", json!({"value": "edited again"}));
    succeed(&world);
    assert_eq!(history(&world, "x").len(), before + 1);
}

#[test]
fn a_path_whose_write_would_evict_too_many_versions_waits_and_the_run_is_partial() {
    let world = World::new(Mode::Bidirectional);
    world.save("other", json!({"value": "0"}));
    world.kv.mount(|mount, _| mount.versions_max = 100);
    write_quickly(&world, "x", 20);
    succeed(&world);
    world.kv.mount(|mount, _| mount.versions_max = 5);
    world.save("x", json!({"value": "edited here"}));
    world.save("other", json!({"value": "1"}));
    let run = world.run();
    assert_eq!((run.state, run.counts.skipped, run.counts.updated_remote), (RunState::Partial, 1, 1), "{run:#?}");
    assert!(run.problems[0].detail.contains("max_versions"), "{:?}", run.problems);
    assert_eq!(world.version("x"), 20);
    let plan = world.clock.drive(world.engine().plan(world.id)).expect("a plan").plan;
    assert_eq!(plan.skips[0].kind, SkipKind::WouldEvict);

    world.kv.mount(|mount, _| mount.versions_max = 50);
    assert_eq!(succeed(&world).counts.updated_remote, 1, "room was made");
    assert_eq!(world.secret("x"), value("edited here"));
}

#[test]
fn where_the_mounts_limit_may_not_be_read_every_version_that_only_vault_holds_counts_as_evicted() {
    let world = World::new(Mode::Bidirectional);
    world.kv.forbid_config();
    write_quickly(&world, "x", 4);
    succeed(&world);
    world.save("x", json!({"value": "edited here"}));
    succeed(&world);
    let kept = history(&world, "x");
    for n in 1..4 {
        assert!(kept.contains(&text(&format!("quick-{n}"))), "{n}: {kept:?}");
    }
    assert_eq!(world.record("x"), value("edited here"));
}

#[test]
fn every_kind_of_write_keeps_what_it_evicts() {
    for kind in ["overwritten drift", "initial preference", "merge", "moved over a deleted secret", "decision"] {
        let world = World::with(Mode::Bidirectional, |options| {
            options.merge = vaultterm_reconcile::MergePolicy::Field;
            options.initial = InitialPolicy::PreferLocal;
            options.on_drift = DriftPolicy::Overwrite;
        });
        world.kv.mount(|mount, _| mount.versions_max = 3);
        world.save("stays", json!({"value": "0"}));
        match kind {
            "initial preference" => {
                world.save("x", json!({"value": "here"}));
                write_quickly(&world, "x", 3);
            }
            "overwritten drift" => {
                world.journal.edit_connection(world.id, |connection| connection.options.mode = Mode::Push);
                world.save("x", json!({"value": "here"}));
                succeed(&world);
                write_quickly(&world, "x", 3);
            }
            "merge" => {
                world.save("x", json!({"value": "0", "other": "0"}));
                succeed(&world);
                write_quickly(&world, "x", 2);
                world.put("x", json!({"value": "there", "other": "0"}));
                world.save("x", json!({"value": "0", "other": "here"}));
            }
            "moved over a deleted secret" => {
                world.save("old", json!({"value": "here"}));
                succeed(&world);
                write_quickly(&world, "x", 3);
                world.delete("x");
                world.rename("old", "x");
            }
            _ => {
                world.save("x", json!({"value": "0"}));
                succeed(&world);
                write_quickly(&world, "x", 3);
                world.save("x", json!({"value": "here"}));
            }
        }
        succeed(&world);
        if kind == "decision" {
            world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
        }
        assert!(world.open_conflicts().is_empty(), "{kind}");
        assert_eq!(world.record("x"), world.secret("x"), "{kind}");
        let kept = history(&world, "x");
        assert!(kept.contains(&text("quick-1")), "{kind}: {kept:?}");
    }
}

#[test]
fn a_stored_plan_keeps_what_its_writes_evict_by_then() {
    let world = World::new(Mode::Bidirectional);
    world.kv.mount(|mount, _| mount.versions_max = 2);
    write_quickly(&world, "x", 2);
    succeed(&world);
    world.save("x", json!({"value": "edited here"}));
    let plan = world.clock.drive(world.engine().plan(world.id)).expect("a plan");
    let run = world.run_as(Ask { plan_id: Some(plan.id), ..Ask::default() }).expect("a run");
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert!(history(&world, "x").contains(&text("quick-1")));
}

#[test]
fn a_run_that_is_cut_off_while_it_keeps_versions_keeps_each_once() {
    let mut at_await = 0;
    loop {
        at_await += 1;
        let world = World::new(Mode::Bidirectional);
        world.kv.mount(|mount, _| mount.versions_max = 3);
        write_quickly(&world, "x", 3);
        succeed(&world);
        world.save("x", json!({"value": "edited here"}));
        world.fuse.set(at_await);
        let cancel = tokio_util::sync::CancellationToken::new();
        let ended = world.clock.drive_with_fuse(&world.fuse, world.running(Ask::default(), cancel)).is_some();
        world.fuse.disarm();
        world.clock.advance(std::time::Duration::from_secs(61));
        succeed(&world);
        let kept = history(&world, "x");
        assert_eq!(kept.iter().filter(|kept| **kept == text("quick-1")).count(), 1, "cut off at {at_await}: {kept:?}");
        assert_eq!(world.secret("x"), value("edited here"), "cut off at {at_await}");
        if ended {
            return;
        }
    }
}
