//! The parts of a plan that the notation of the table leaves out: the details of steps and conflicts, and the
//! decisions without a content that could not be read.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::collections::BTreeMap;

use vaultterm_reconcile::{
    Action, Change, DriftPolicy, ExpiryPolicy, FieldChange, HaltKind, Input, Mode, Options, Plan, Reason, RecordType,
    RemoteHead, Revision, Step, UnixNanos, Version, plan,
};
use world::{HERE, World, content, id, path, run_mark};

fn both_ways() -> Options {
    Options::defaults(Mode::Bidirectional, HERE)
}

/// Returns a world with `p` in step.
fn in_step() -> World {
    let mut world = World { clock: 1_000, ..World::default() };
    world.add(id(1), &path("p"), RecordType::KeyValue, content(1, 1));
    world.write_content(&path("p"), content(1, 1), Version::NONE);
    world.set_base(&path("p"));
    world
}

fn only(plan: Plan) -> Step {
    let [step] = &plan.steps[..] else { panic!("{plan:#?}") };
    step.clone()
}

fn changed(names: &[&str]) -> Vec<FieldChange> {
    names.iter().map(|name| FieldChange { name: (*name).to_owned(), change: Change::Changed }).collect()
}

#[test]
fn a_write_over_a_deleted_version_names_the_key_that_it_was_planned_on() {
    let mut world = in_step();
    world.edit(id(1), content(2, 2));
    world.delete(&path("p"), Version(1));
    world.base.clear();
    let RemoteHead::Deleted { stamp, .. } = world.keys[&path("p")].head else { panic!("it is deleted") };
    let expected = Action::CreateRemote { cas: Version(1), key_created: Some(stamp.key_created) };
    assert_eq!(only(world.plan_all(&both_ways())).action, expected);
    world.keys.get_mut(&path("p")).unwrap().head = RemoteHead::Empty { key_created: UnixNanos(7) };
    let expected = Action::CreateRemote { cas: Version::NONE, key_created: Some(UnixNanos(7)) };
    assert_eq!(only(world.plan_all(&both_ways())).action, expected);
}

#[test]
fn a_conflict_names_the_record_that_lives_or_else_the_one_that_was_in_step() {
    let mut world = in_step();
    world.edit(id(1), content(2, 1));
    world.write_content(&path("p"), content(3, 1), Version(1));
    let plan = world.plan_all(&both_ways());
    assert_eq!(plan.conflicts[0].record_id, Some(id(1)));
    world.records.get_mut(&id(1)).unwrap().trashed = true;
    let plan = world.plan_all(&both_ways());
    assert_eq!((plan.conflicts[0].kind.as_str(), plan.conflicts[0].record_id), ("local_deleted", Some(id(1))));
}

#[test]
fn a_step_says_which_fields_change_on_the_side_that_is_written() {
    let mut there = in_step();
    there.write_content(&path("p"), content(1, 2), Version(1));
    assert_eq!(only(there.plan_all(&both_ways())).fields, changed(&["b"]));
    let overwrite = Options { on_drift: DriftPolicy::Overwrite, ..Options::defaults(Mode::Push, HERE) };
    let step = only(there.plan_all(&overwrite));
    assert_eq!((step.action.as_str(), step.fields), ("update_remote", changed(&["b"])));

    let mut here = in_step();
    here.edit(id(1), content(2, 1));
    assert_eq!(only(here.plan_all(&both_ways())).fields, changed(&["a"]));
}

#[test]
fn a_deletion_by_time_says_so() {
    let options = Options { expired: ExpiryPolicy::Propagate, ..both_ways() };
    let mut world = in_step();
    world.delete(&path("p"), Version(1));
    assert_eq!(only(world.plan_all(&options)).reason, Reason::DeletedRemotely);
    let RemoteHead::Deleted { deleted, .. } = world.keys[&path("p")].head else { panic!("it is deleted") };
    world.base.get_mut(&path("p")).unwrap().expires = deleted;
    assert_eq!(only(world.plan_all(&options)).reason, Reason::Expired);
}

#[test]
fn a_plan_says_which_run_wrote_last() {
    let mut world = in_step();
    world.newest_run = 9;
    assert_eq!(world.plan_all(&both_ways()).newest_run_seen, 0);
    world.keys.get_mut(&path("p")).unwrap().mark.run = Some(run_mark(7));
    assert_eq!(world.plan_all(&both_ways()).newest_run_seen, 7);
}

/// Returns the leftover of a rename that was cut off. The record is in step at its new path, and the base of
/// the old path still names it.
fn leftover() -> World {
    let mut world = in_step();
    world.rename(id(1), &path("q"));
    world.write_content(&path("q"), content(1, 1), Version::NONE);
    world.set_base(&path("q"));
    world
}

#[test]
fn what_a_rename_left_behind_is_deleted_for_that_reason_even_where_deletions_are_retained() {
    for mode in [Mode::Bidirectional, Mode::Push] {
        let options = Options { annotate: false, ..Options::defaults(mode, HERE) };
        let step = only(leftover().plan_all(&options));
        assert_eq!((step.path.as_str(), step.action.as_str(), step.reason), ("p", "delete_remote", Reason::Renamed));
    }
}

#[test]
fn what_a_rename_left_behind_is_not_deleted_once_it_was_changed_or_its_path_belongs_to_another_record() {
    let options = Options { annotate: false, ..Options::defaults(Mode::Push, HERE) };
    let mut changed = leftover();
    changed.write_content(&path("p"), content(5, 5), Version(1));
    let deletes = |world: &World| {
        let plan = world.plan_all(&options);
        plan.steps.iter().any(|step| matches!(step.action, Action::DeleteRemote { .. }))
    };
    assert!(!deletes(&changed));
    let mut another = leftover();
    another.add(id(2), &path("r"), RecordType::KeyValue, content(1, 1));
    let settled = another.base.get_mut(&path("q")).unwrap();
    (settled.record_id, settled.revision) = (id(2), Revision::FIRST);
    assert!(!deletes(&another), "the new path was in step with another record");
}

/// Returns the plan without some contents that the planner asked for.
fn without(world: &World, lacking: &str) -> Plan {
    world.with_input(&both_ways(), &[].into(), |input| {
        let (nothing, unread) = (BTreeMap::new(), BTreeMap::new());
        let mut input: Input<'_> = input.clone();
        match lacking {
            "base" => input.base_contents = &nothing,
            "local" => input.local_contents = &nothing,
            _ => input.remote_contents = &unread,
        }
        plan(&input)
    })
}

fn skips(world: &World, lacking: &str, why: &str) {
    let plan = without(world, lacking);
    assert!(plan.steps.is_empty() && plan.conflicts.is_empty(), "{plan:#?}");
    let [skip] = &plan.skips[..] else { panic!("{plan:#?}") };
    assert!(skip.reason.contains(why), "{skip:?}");
}

#[test]
fn a_path_whose_contents_cannot_be_had_waits_and_says_why() {
    let mut here = in_step();
    here.edit(id(1), content(2, 1));
    skips(&here, "base", "agreed on");
    skips(&here, "local", "the record could not be read: if its newest revision is damaged, bring an older one back");
    let mut there = in_step();
    there.write_content(&path("p"), content(1, 2), Version(1));
    skips(&there, "base", "agreed on");
    skips(&there, "remote", "the secret could not be read");
    let mut strangers = in_step();
    strangers.base.clear();
    skips(
        &strangers,
        "local",
        "the record could not be read: if its newest revision is damaged, bring an older one back",
    );
    skips(&strangers, "remote", "the secret could not be read");
}

#[test]
fn what_only_one_side_has_needs_no_contents() {
    let mut here = in_step();
    here.base.clear();
    here.keys.clear();
    assert_eq!(only(without(&here, "local")).action.as_str(), "create_remote");
    let mut there = in_step();
    there.base.clear();
    there.records.clear();
    assert_eq!(only(without(&there, "remote")).action.as_str(), "create_local");
}

#[test]
fn a_person_may_acknowledge_every_halt_but_a_missing_license_and_an_ignored_namespace() {
    let never: Vec<_> = HaltKind::ALL.iter().copied().filter(|kind| !kind.can_be_acknowledged()).collect();
    assert_eq!(never, [HaltKind::License, HaltKind::NamespaceIgnored]);
}
