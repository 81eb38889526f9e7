//! Halts, acknowledgements and stored plans.

mod copies;
mod parts;

use std::time::Duration;

use serde_json::json;
use vaultterm_reconcile::{Action, HaltKind, Mode, Plan};
use vaultterm_sync::{ConflictStatus, EngineError, Resolution, Run, RunState, StoredPlan};
use vaultterm_testkit::{Operation, World, world::Ask, world::at, world::data};

fn succeed(world: &World) -> Run {
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    run
}

fn in_step(secrets: usize) -> World {
    let world = World::new(Mode::Bidirectional);
    for n in 0..secrets {
        world.save(&format!("key-{n}"), json!({"value": n.to_string()}));
    }
    assert_eq!(succeed(&world).counts.created_remote, secrets as u64);
    world
}

/// Returns the content of both sides and of the base, to show that nothing was written.
fn everything(world: &World) -> String {
    let remote =
        world.kv.mount(|mount, _| mount.keys().map(|(path, key)| format!("{path} {key:?}")).collect::<Vec<_>>());
    format!("{remote:#?} {:#?} {:#?}", world.journal.records(), world.journal.base_rows(world.id))
}

fn halts_with(world: &World, kind: HaltKind) {
    let before = everything(world);
    let run = world.run();
    assert_eq!(run.state, RunState::Halted, "{run:#?}");
    assert!(run.halts.iter().any(|halt| halt.kind == kind), "{:?}", run.halts);
    assert_eq!(everything(world), before, "a halted run writes nothing");
    let audit = world.journal.audit();
    assert_eq!(audit.last().map(|line| line.action.as_str()), Some("HCV_SYNC_HALTED"));
}

fn plan(world: &World) -> StoredPlan {
    world.clock.drive(world.engine().plan(world.id)).expect("a plan can be made")
}

fn apply(world: &World, plan: &StoredPlan, acknowledge: &[HaltKind]) -> Result<Run, EngineError> {
    let acknowledge = acknowledge.iter().copied().collect();
    world.run_as(Ask { plan_id: Some(plan.id), acknowledge, ..Ask::default() })
}

fn actions(plan: &Plan) -> Vec<(&str, &str)> {
    plan.steps.iter().map(|step| (step.path.as_str(), step.action.as_str())).collect()
}

#[test]
fn a_mass_deletion_halts_until_a_person_acknowledges_it() {
    let world = in_step(20);
    for n in 0..12 {
        world.trash(&format!("key-{n}"));
    }
    halts_with(&world, HaltKind::MassDeletion);
    let run = world.run_acknowledging(&[HaltKind::MassDeletion]);
    assert_eq!((run.state, run.counts.deleted_remote), (RunState::Succeeded, 12));
}

#[test]
fn an_emptied_side_halts() {
    let world = in_step(3);
    for n in 0..3 {
        world.delete_metadata(&format!("key-{n}"));
    }
    halts_with(&world, HaltKind::SideEmptied);
    let run = world.run_acknowledging(&[HaltKind::SideEmptied]);
    assert_eq!(run.counts.deleted_local, 3);
}

#[test]
fn a_restored_snapshot_halts_and_then_lists_what_differs() {
    let world = in_step(3);
    let snapshot = world.kv.mount(|mount, _| mount.clone());
    world.save("key-1", json!({"value": "newer"}));
    succeed(&world);
    world.kv.mount(|mount, _| *mount = snapshot);
    halts_with(&world, HaltKind::Rewound);
    let run = world.run_acknowledging(&[HaltKind::Rewound]);
    assert_eq!((run.state, run.counts.conflicts), (RunState::Succeeded, 1));
    assert_eq!(world.open_conflict().conflict.path, at("key-1"));
    assert_eq!(world.record("key-1"), Some(data(json!({"value": "newer"}))));
}

#[test]
fn another_cluster_at_the_address_halts_and_then_is_a_first_sync() {
    let world = in_step(3);
    world.kv.set_identity(|identity| identity.cluster_id = Some("another".to_owned()));
    for n in 0..3 {
        world.delete_metadata(&format!("key-{n}"));
    }
    world.put("key-0", json!({"value": "of the other cluster"}));
    halts_with(&world, HaltKind::RemoteReplaced);
    let run = world.run_acknowledging(&[HaltKind::RemoteReplaced]);
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!((run.counts.deleted_local, run.counts.created_remote, run.counts.conflicts), (0, 2, 1));
    assert_eq!(succeed(&world).counts.unchanged, 2, "the new cluster is recorded");
}

#[test]
fn an_upgraded_server_is_no_other_remote() {
    let world = in_step(2);
    world.kv.set_identity(|identity| identity.version = "2.0.0".to_owned());
    succeed(&world);
}

#[test]
fn an_edited_scope_halts_and_then_is_a_first_sync() {
    let world = in_step(3);
    world.journal.edit_connection(world.id, |connection| connection.scope_changed = true);
    world.delete("key-1");
    halts_with(&world, HaltKind::ScopeChanged);
    let run = world.run_acknowledging(&[HaltKind::ScopeChanged]);
    assert_eq!((run.counts.adopted, run.counts.created_remote, run.counts.deleted_local), (2, 1, 0), "{run:#?}");
    assert!(!world.journal.connection_row(world.id).scope_changed);
    let adopted = world.journal.audit().into_iter().filter(|line| line.detail.starts_with("adopted ")).count();
    assert_eq!(adopted, 2, "secrets that come in step anew are audited");
    succeed(&world);
}

const RESTORED: &str = "the database was restored from a backup of yesterday";

fn raise_guard(world: &World) {
    world.journal.raise_guard(world.id, RESTORED);
}

#[test]
fn a_restored_database_writes_nothing_until_a_person_acknowledged_a_plan() {
    let world = in_step(3);
    world.save("key-0", json!({"value": "edited"}));
    world.put("key-1", json!({"value": "edited there"}));
    raise_guard(&world);
    halts_with(&world, HaltKind::Rewound);
    halts_with(&world, HaltKind::Rewound);
    let stored = plan(&world);
    assert!(stored.plan.halts[0].detail.starts_with(RESTORED), "{:?}", stored.plan.halts);
    assert_eq!(actions(&stored.plan), [("key-0", "update_remote"), ("key-1", "update_local")]);
    let other = world.run_acknowledging(&[HaltKind::MassDeletion, HaltKind::ScopeChanged]);
    assert_eq!(other.state, RunState::Halted, "another guard's acknowledgement is none: {other:#?}");
    assert!(world.journal.connection_row(world.id).guarded.is_some());
    let run = apply(&world, &stored, &[HaltKind::Rewound]).expect("the plan can be applied");
    assert_eq!((run.state, run.counts.updated_remote, run.counts.updated_local), (RunState::Succeeded, 1, 1));
    assert_eq!(world.journal.connection_row(world.id).guarded, None);
    succeed(&world);
}

#[test]
fn a_plan_from_before_the_restore_cannot_be_applied_and_no_conflict_resolved() {
    let world = in_step(2);
    world.save("key-0", json!({"value": "here"}));
    world.put("key-0", json!({"value": "there"}));
    succeed(&world);
    world.save("key-1", json!({"value": "edited"}));
    let stored = plan(&world);
    raise_guard(&world);
    let before = everything(&world);
    for acknowledge in [&[][..], &[HaltKind::Rewound]] {
        let refused = apply(&world, &stored, acknowledge);
        assert!(matches!(refused, Err(EngineError::PlanNotApplicable(_))), "{refused:?}");
    }
    let refused = world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect_err("plan-only");
    assert!(refused.to_string().contains("restored from a backup"), "{refused}");
    assert_eq!(everything(&world), before);
    assert_eq!(world.run_acknowledging(&[HaltKind::Rewound]).counts.updated_remote, 1);
    world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
}

#[test]
fn a_plan_writes_nothing_on_either_side() {
    let world = in_step(3);
    world.save("new", json!({"value": "1"}));
    world.put("key-1", json!({"value": "edited"}));
    let before = everything(&world);
    let stored = plan(&world);
    assert_eq!(actions(&stored.plan), [("key-1", "update_local"), ("new", "create_remote")]);
    assert_eq!(everything(&world), before);
    assert!(world.journal.conflict_rows().is_empty());
    assert_eq!(world.kv.sessions_open(), 0);
}

#[test]
fn a_stored_plan_is_applied_exactly_as_it_was_shown() {
    let world = in_step(3);
    world.save("new", json!({"value": "1"}));
    world.trash("key-0");
    world.rename("key-1", "moved");
    world.put("key-2", json!({"value": "edited"}));
    let stored = plan(&world);
    world.save("after", json!({"value": "later"}));
    world.put("after-there", json!({"value": "later"}));
    let run = apply(&world, &stored, &[]).expect("the plan can be applied");
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    let mut done = stored.plan.counts();
    done.unchanged = run.counts.unchanged;
    assert_eq!(run.counts, done);
    assert_eq!((world.secret("after"), world.record("after-there")), (None, None), "what was not planned waits");
    assert_eq!((world.secret("key-0"), world.secret("key-1")), (None, None));
    assert_eq!(world.record("key-2"), Some(data(json!({"value": "edited"}))));
}

#[test]
fn what_moved_since_a_plan_was_made_is_stale_and_the_rest_is_applied() {
    let world = in_step(8);
    world.save("key-0", json!({"value": "edited"}));
    world.save("key-1", json!({"value": "edited"}));
    world.put("key-2", json!({"value": "edited"}));
    world.put("key-3", json!({"value": "edited"}));
    world.trash("key-4");
    world.rename("key-5", "moved");
    world.save("key-6", json!({"value": "edited"}));
    let stored = plan(&world);

    world.save("key-0", json!({"value": "edited again"}));
    world.put("key-1", json!({"value": "edited there too"}));
    world.save("key-2", json!({"value": "edited here too"}));
    world.put("key-3", json!({"value": "edited again"}));
    world.put("key-4", json!({"value": "edited"}));
    world.put("key-5", json!({"value": "edited"}));
    let run = apply(&world, &stored, &[]).expect("the plan can be applied");
    assert_eq!((run.state, run.counts.stale), (RunState::Partial, 6), "{run:#?}");
    assert_eq!((run.counts.updated_remote, run.counts.updated_local, run.counts.deleted_remote), (1, 0, 0));
    assert_eq!(world.secret("key-6"), Some(data(json!({"value": "edited"}))));
    assert_eq!(world.secret("key-5"), Some(data(json!({"value": "edited"}))));
    assert!(run.problems.iter().all(|problem| problem.class.as_str() == "stale"), "{:?}", run.problems);
}

#[test]
fn a_stored_plan_does_not_overwrite_a_secret_whose_number_was_used_again() {
    let world = in_step(2);
    world.save("key-0", json!({"value": "edited"}));
    let stored = plan(&world);
    world.delete_metadata("key-0");
    assert_eq!(world.put("key-0", json!({"value": "unseen"})), 1);
    let run = apply(&world, &stored, &[]).expect("the plan can be applied");
    assert_eq!(run.counts.stale, 1);
    assert_eq!(world.secret("key-0"), Some(data(json!({"value": "unseen"}))));
}

#[test]
fn a_stored_plan_with_halts_needs_them_acknowledged() {
    let world = in_step(20);
    for n in 0..12 {
        world.trash(&format!("key-{n}"));
    }
    let stored = plan(&world);
    assert_eq!(stored.plan.halts[0].kind, HaltKind::MassDeletion);
    assert_eq!(apply(&world, &stored, &[]).expect("a run begins").state, RunState::Halted);
    assert!(world.secret("key-0").is_some());
    let run = apply(&world, &stored, &[HaltKind::MassDeletion]).expect("a run begins");
    assert_eq!(run.counts.deleted_remote, 12);
}

#[test]
fn a_plan_holds_for_fifteen_minutes_and_for_the_connection_it_was_made_for() {
    let world = in_step(1);
    let stored = plan(&world);
    world.clock.advance(Duration::from_secs(15 * 60 - 1));
    assert_eq!(apply(&world, &stored, &[]).expect("it holds still").state, RunState::Succeeded);

    let stored = plan(&world);
    world.clock.advance(Duration::from_secs(15 * 60 + 1));
    assert!(matches!(apply(&world, &stored, &[]), Err(EngineError::NotFound("plan"))));

    let stored = plan(&world);
    world.journal.edit_connection(world.id, |connection| connection.concurrency_max = 4);
    assert!(matches!(apply(&world, &stored, &[]), Err(EngineError::PlanNotApplicable(_))));
    assert!(!world.journal.is_leased(world.id), "a refused run gives the lease back");
}

#[test]
fn a_plan_is_not_applied_to_another_remote() {
    let world = in_step(2);
    world.save("key-0", json!({"value": "edited"}));
    let stored = plan(&world);
    world.kv.set_identity(|identity| identity.mount_accessor = "kv_2".to_owned());
    let run = apply(&world, &stored, &[HaltKind::RemoteReplaced]).expect("a run begins");
    assert_eq!((run.state, run.problems[0].class.as_str()), (RunState::Failed, "plan_not_applicable"));
    assert_eq!(world.version("key-0"), 1);
}

#[test]
fn the_conflicts_of_a_stored_plan_are_recorded_unless_they_are_over() {
    let world = in_step(3);
    for key in ["key-0", "key-1"] {
        world.save(key, json!({"value": "here"}));
        world.put(key, json!({"value": "there"}));
    }
    let stored = plan(&world);
    assert_eq!(stored.plan.conflicts.len(), 2);
    world.save("key-1", json!({"value": "there"}));
    let run = apply(&world, &stored, &[]).expect("a run begins");
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!(world.open_conflict().conflict.path, at("key-0"));
}

#[test]
fn applying_a_stored_plan_closes_the_conflicts_that_it_settles_and_no_others() {
    let world = in_step(4);
    for key in ["key-0", "key-1", "key-2"] {
        world.save(key, json!({"value": "here"}));
        world.put(key, json!({"value": "there"}));
    }
    succeed(&world);
    assert_eq!(world.open_conflicts().len(), 3);
    world.save("key-0", json!({"value": "there"}));
    world.delete("key-1");
    world.trash("key-1");
    let stored = plan(&world);
    assert_eq!(actions(&stored.plan), [("key-0", "adopt"), ("key-1", "forget")]);
    let run = apply(&world, &stored, &[]).expect("a run begins");
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!(world.open_conflict().conflict.path, at("key-2"));
    let converged = world.journal.conflict_rows().into_iter().filter(|row| row.status == ConflictStatus::Converged);
    assert_eq!(converged.count(), 2);
}

#[test]
fn a_plan_reads_each_moved_value_once_and_a_run_not_again() {
    let world = in_step(3);
    world.put("key-0", json!({"value": "edited"}));
    drop(world.kv.take_log());
    succeed(&world);
    let log = world.kv.take_log();
    assert_eq!(log.iter().filter(|request| request.operation == Operation::Read).count(), 1, "{log:?}");
}

#[test]
fn a_plan_names_no_value() {
    let world = in_step(1);
    world.save("key-0", json!({"value": "canary-1"}));
    world.put("key-0", json!({"value": "canary-2"}));
    let stored = plan(&world);
    let shown = format!("{stored:?} {}", json!(stored));
    assert!(!shown.contains("canary"), "{shown}");
    assert!(stored.plan.steps.iter().all(|step| !matches!(step.action, Action::Accept)));
}
