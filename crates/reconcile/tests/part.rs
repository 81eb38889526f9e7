//! Steps that are left out of a plan, and plans for some paths.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::collections::BTreeSet;

use vaultterm_reconcile::{
    Action, Around, HaltKind, LocalExpect, Mode, Options, Plan, RecordType, SecretPath, SkipKind, Version,
};
use world::{HERE, World, content, id, path};

fn options() -> Options {
    Options { max_delete_count: 2, ..Options::defaults(Mode::Bidirectional, HERE) }
}

/// Returns a world with this number of paths in step: `p0`, `p1` and so on.
fn in_step(paths: u8) -> World {
    let mut world = World { clock: 1_000, ..World::default() };
    for number in 0..paths {
        world.add(id(u128::from(number) + 1), &at(number), RecordType::KeyValue, content(number, number));
        world.write_content(&at(number), content(number, number), Version::NONE);
    }
    let plan = world.plan_all(&options());
    world.apply(&plan, &options(), true);
    world
}

fn at(number: u8) -> SecretPath {
    path(&format!("p{number}"))
}

fn set(numbers: &[u8]) -> BTreeSet<SecretPath> {
    numbers.iter().copied().map(at).collect()
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.path.as_str()).collect()
}

fn trash(world: &mut World, numbers: std::ops::Range<u8>) {
    for number in numbers {
        world.records.get_mut(&id(u128::from(number) + 1)).unwrap().trashed = true;
    }
}

#[test]
fn a_step_that_a_person_leaves_out_becomes_a_skip_with_the_persons_name() {
    let mut world = in_step(3);
    world.edit(id(1), content(7, 7));
    world.edit(id(2), content(8, 8));
    let options = options();
    let mut plan = world.plan_all(&options);
    plan.leave_out(&set(&[0]), Around { base: &world.base, options: &options }, "ann@example.com");
    assert_eq!(paths(&plan), ["p1"]);
    let skip = &plan.skips[0];
    assert_eq!((skip.path.as_str(), skip.kind), ("p0", SkipKind::Unticked));
    assert_eq!(skip.accepted_by.as_deref(), Some("ann@example.com"));
    assert!(!skip.waits_for_a_person(), "the person decided");
    let counts = plan.counts();
    assert_eq!((counts.updated_remote, counts.skipped, counts.unchanged), (1, 1, 1));
}

#[test]
fn a_path_without_a_step_is_named() {
    let mut world = in_step(2);
    world.edit(id(1), content(7, 7));
    let plan = world.plan_all(&options());
    assert_eq!(plan.without_step(&set(&[0])), None);
    assert_eq!(plan.without_step(&set(&[0, 1])), Some(&at(1)));
}

#[test]
fn a_rename_is_left_out_whole_whichever_of_its_paths_is_named() {
    for named in [0, 9] {
        let mut world = in_step(2);
        world.rename(id(1), &at(9));
        let options = options();
        let mut plan = world.plan_all(&options);
        assert!(matches!(plan.steps[0].action, Action::MoveRemote { .. }));
        plan.leave_out(&set(&[named]), Around { base: &world.base, options: &options }, "ann");
        assert_eq!((plan.steps.len(), plan.skips.len()), (0, 1));
    }
}

#[test]
fn the_deletion_of_a_secret_waits_if_the_write_of_its_record_at_another_path_is_left_out() {
    // `p0` takes over the path of `p1`, which moves on. The plan deletes `p0`, and writes `p1` and `p9`.
    let mut world = in_step(3);
    world.rename(id(2), &at(9));
    world.rename(id(1), &at(1));
    let options = options();
    let mut plan = world.plan_all(&options);
    let deletes = |plan: &Plan| plan.steps.iter().any(|step| matches!(step.action, Action::DeleteRemote { .. }));
    assert!(deletes(&plan), "{plan:#?}");
    let around = Around { base: &world.base, options: &options };
    let mut only_the_deletion = plan.clone();
    only_the_deletion.restrict(&set(&[0]), around);
    assert!(!deletes(&only_the_deletion), "the write at the new path is not in this plan");
    plan.leave_out(&set(&[1]), around, "ann");
    assert!(!deletes(&plan), "{plan:#?}");
    assert!(
        plan.steps
            .iter()
            .all(|step| !matches!(step.expect.local, LocalExpect::Live { record_id, .. } if record_id == id(1)))
    );
    assert_eq!(plan.skips.len(), 2);
}

#[test]
fn the_deletion_budget_counts_what_is_left() {
    let mut world = in_step(8);
    trash(&mut world, 0..4);
    let options = options();
    let around = Around { base: &world.base, options: &options };
    let halted = world.plan(&options, &BTreeSet::new());
    assert_eq!(halted.halts[0].kind, HaltKind::MassDeletion);
    let mut three = halted.clone();
    three.leave_out(&set(&[0]), around, "ann");
    assert!(three.halts[0].detail.contains("lose 3 of 8"), "{}", three.halts[0].detail);
    let mut two = halted;
    two.leave_out(&set(&[0, 1]), around, "ann");
    assert_eq!((two.halts.len(), two.steps.len()), (0, 2));
}

#[test]
fn a_plan_for_one_path_says_what_it_leaves_out_and_what_would_halt_elsewhere() {
    let mut world = in_step(8);
    trash(&mut world, 0..4);
    world.edit(id(8), content(9, 9));
    let options = options();
    let around = Around { base: &world.base, options: &options };
    let whole = world.plan(&options, &BTreeSet::new());
    let mut one = whole.clone();
    one.restrict(&set(&[7]), around);
    assert_eq!((paths(&one), one.halts.len(), one.counts().unchanged), (vec!["p7"], 0, 0));
    let restricted = one.restricted.clone().unwrap();
    assert_eq!(restricted.paths, [at(7)]);
    assert_eq!((restricted.elsewhere.deleted_remote, restricted.elsewhere.unchanged), (4, 3));
    assert_eq!(restricted.held_elsewhere[0].kind, HaltKind::MassDeletion);
    let mut unknown = whole;
    unknown.restrict(&set(&[9]), around);
    assert_eq!((unknown.steps.len(), unknown.skips[0].path.as_str()), (0, "p9"));
}

#[test]
fn a_halt_of_the_whole_connection_stays_in_a_plan_for_one_path() {
    let mut world = in_step(3);
    world.guarded = Some("the database was restored".to_owned());
    world.edit(id(1), content(9, 9));
    let options = options();
    let mut plan = world.plan(&options, &BTreeSet::new());
    plan.restrict(&set(&[0]), Around { base: &world.base, options: &options });
    assert_eq!(plan.halts[0].kind, HaltKind::Rewound);
}
