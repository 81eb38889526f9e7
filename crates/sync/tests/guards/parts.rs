//! Runs of a part of a plan: with steps left out, or for some paths only.

use std::collections::BTreeSet;

use vaultterm_reconcile::SecretPath;

use super::*;

fn paths(names: &[&str]) -> BTreeSet<SecretPath> {
    names.iter().map(|name| at(name)).collect()
}

fn without(world: &World, plan: &StoredPlan, skip: &[&str]) -> Result<Run, EngineError> {
    world.run_as(Ask { plan_id: Some(plan.id), skip: paths(skip), ..Ask::default() })
}

fn plan_for(world: &World, only: &[&str]) -> StoredPlan {
    world.clock.drive(world.engine().plan_for(world.id, &paths(only))).expect("a plan can be made")
}

#[test]
fn a_step_that_a_person_leaves_out_is_not_carried_out_and_the_run_says_by_whom() {
    let world = in_step(3);
    world.save("key-0", json!({"value": "a"}));
    world.save("key-1", json!({"value": "b"}));
    let planned = plan(&world);
    let run = without(&world, &planned, &["key-1"]).expect("a run");
    assert_eq!((run.state, run.counts.updated_remote, run.counts.skipped), (RunState::Succeeded, 1, 1));
    assert_eq!(run.part.left_out, [at("key-1")]);
    assert!(run.problems[0].detail.contains("by ada@example.com"), "{:?}", run.problems);
    assert_eq!(world.secret("key-1"), Some(data(json!({"value": "1"}))));
    assert_eq!(succeed(&world).counts.updated_remote, 1, "the next run plans it again");
}

#[test]
fn leaving_out_what_the_plan_does_not_do_is_refused_and_nothing_happens() {
    let world = in_step(2);
    world.save("key-0", json!({"value": "a"}));
    let planned = plan(&world);
    let before = everything(&world);
    for skip in ["key-1", "unknown"] {
        let refused = without(&world, &planned, &["key-0", skip]).expect_err("no step is there");
        assert!(matches!(&refused, EngineError::NotInPlan(path) if *path == at(skip)), "{refused}");
    }
    assert_eq!(everything(&world), before);
}

#[test]
fn a_mass_deletion_needs_no_acknowledgement_after_enough_of_it_is_left_out() {
    let world = in_step(20);
    let names: Vec<String> = (0..12).map(|n| format!("key-{n}")).collect();
    names.iter().for_each(|name| world.trash(name));
    let planned = plan(&world);
    assert_eq!(planned.plan.halts[0].kind, HaltKind::MassDeletion);
    let halted = without(&world, &planned, &["key-0"]).expect("a run");
    assert_eq!(halted.state, RunState::Halted, "eleven are more than ten");
    let run = without(&world, &planned, &["key-0", "key-1"]).expect("a run");
    assert_eq!((run.state, run.counts.deleted_remote, run.counts.skipped), (RunState::Succeeded, 10, 2));
}

#[test]
fn a_plan_for_one_path_does_nothing_elsewhere_and_says_what_would_halt_there() {
    let world = in_step(20);
    (0..12).for_each(|n| world.trash(&format!("key-{n}")));
    world.save("key-15", json!({"value": "new"}));
    let planned = plan_for(&world, &["key-15"]);
    assert_eq!(actions(&planned.plan), [("key-15", "update_remote")]);
    assert!(planned.plan.halts.is_empty());
    let restricted = planned.plan.restricted.clone().expect("it is for one path");
    assert_eq!((restricted.elsewhere.deleted_remote, restricted.held_elsewhere.len()), (12, 1));
    let run = without(&world, &planned, &[]).expect("a run");
    assert_eq!((run.state, run.counts.updated_remote, run.counts.deleted_remote), (RunState::Succeeded, 1, 0));
    assert_eq!(run.part.only, [at("key-15")]);
    halts_with(&world, HaltKind::MassDeletion);
}

#[test]
fn a_plan_for_one_path_cannot_take_a_halt_of_the_whole_connection() {
    let world = in_step(3);
    world.journal.raise_guard(world.id, "the database was restored");
    world.save("key-0", json!({"value": "new"}));
    let planned = plan_for(&world, &["key-0"]);
    assert_eq!(planned.plan.halts[0].kind, HaltKind::Rewound);
    let refused = apply(&world, &planned, &[HaltKind::Rewound]).expect_err("nobody saw the rest");
    assert!(matches!(refused, EngineError::PlanNotApplicable(_)), "{refused}");
    assert!(world.journal.connection_row(world.id).guarded.is_some());
    assert_eq!(world.secret("key-0"), Some(data(json!({"value": "0"}))));
}

#[test]
fn conflicts_at_other_paths_stay_open_after_a_plan_for_one_path() {
    let world = in_step(3);
    world.save("key-0", json!({"value": "here"}));
    world.put("key-0", json!({"value": "there"}));
    succeed(&world);
    world.save("key-1", json!({"value": "new"}));
    let run = without(&world, &plan_for(&world, &["key-1"]), &[]).expect("a run");
    assert_eq!((run.state, run.counts.conflicts), (RunState::Succeeded, 0));
    assert_eq!(world.open_conflict().status, ConflictStatus::Open);
}
