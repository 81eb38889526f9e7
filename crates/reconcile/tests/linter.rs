//! The linter finds faults in plans. Each rule is tested on a good plan that was tampered with. The other
//! tests rely on the linter for every plan that they make.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use vaultterm_reconcile::{
    Action, Conflict, ConflictKind, Expect, LocalExpect, Mode, Options, Plan, Reason, RecordType, RemoteExpect,
    RemoteHead, Revision, Step, Version,
};
use world::{HERE, Veil, World, content, id, path};

/// Returns a world with `a` in step, `b` new here, `c` new there, `d` deleted here, `e` deleted there, and
/// `f` changed here.
fn world() -> World {
    let mut world = World { clock: 1_000, ..World::default() };
    for (number, name) in [(1, "a"), (4, "d"), (5, "e"), (6, "f")] {
        world.add(id(number), &path(name), RecordType::KeyValue, content(1, 1));
        world.write_content(&path(name), content(1, 1), Version::NONE);
        world.set_base(&path(name));
    }
    world.add(id(2), &path("b"), RecordType::KeyValue, content(2, 2));
    world.write_content(&path("c"), content(3, 3), Version::NONE);
    world.records.get_mut(&id(4)).unwrap().trashed = true;
    world.delete(&path("e"), Version(1));
    world.edit(id(6), content(6, 6));
    world
}

fn both_ways() -> Options {
    Options { annotate: false, ..Options::defaults(Mode::Bidirectional, HERE) }
}

fn planned(world: &World) -> Plan {
    let plan = world.plan_all(&both_ways());
    let actions: Vec<_> = plan.steps.iter().map(|step| (step.path.as_str(), step.action.as_str())).collect();
    let expected = [
        ("b", "create_remote"),
        ("c", "create_local"),
        ("d", "delete_remote"),
        ("e", "delete_local"),
        ("f", "update_remote"),
    ];
    assert_eq!(actions, expected);
    plan
}

/// Returns the findings of the linter on a good plan after it was tampered with.
fn tampered(tamper: impl FnOnce(&mut Plan)) -> Vec<String> {
    found(&world(), &both_ways(), tamper)
}

fn found(world: &World, options: &Options, tamper: impl FnOnce(&mut Plan)) -> Vec<String> {
    let mut plan = planned(&world_as_planned());
    tamper(&mut plan);
    world.findings(options, &plan)
}

fn world_as_planned() -> World {
    world()
}

fn step<'a>(plan: &'a mut Plan, at: &str) -> &'a mut Step {
    plan.steps.iter_mut().find(|step| step.path.as_str() == at).unwrap()
}

fn says(findings: &[String], what: &str) {
    assert!(findings.iter().any(|finding| finding.contains(what)), "`{what}` is not among {findings:#?}");
}

fn a_conflict(at: &str) -> Conflict {
    Conflict {
        path: path(at),
        kind: ConflictKind::BothChanged,
        expect: Expect { local: LocalExpect::Absent, remote: RemoteExpect::Absent },
        record_id: None,
        base: None,
        local: None,
        remote: None,
        diverged: Vec::new(),
        remote_writer: None,
    }
}

#[test]
fn a_good_plan_has_no_findings() {
    assert_eq!(tampered(|_| {}), Vec::<String>::new());
}

#[test]
fn one_path_is_dealt_with_once() {
    says(
        &tampered(|plan| {
            let again = plan.steps[0].clone();
            plan.steps.insert(0, again);
        }),
        "two steps at one path",
    );
    says(&tampered(|plan| plan.conflicts.push(a_conflict("b"))), "a conflict, and a step or another conflict");
    says(
        &tampered(|plan| plan.conflicts.extend([a_conflict("x"), a_conflict("x")])),
        "a conflict, and a step or another conflict",
    );
}

#[test]
fn steps_and_conflicts_are_sorted() {
    says(&tampered(|plan| plan.steps.reverse()), "not sorted");
    says(&tampered(|plan| plan.conflicts.extend([a_conflict("y"), a_conflict("x")])), "not sorted");
    assert_eq!(tampered(|plan| plan.conflicts.extend([a_conflict("x"), a_conflict("y")])), Vec::<String>::new());
    // Equal neighbours are not sorted either.
    says(
        &tampered(|plan| {
            let again = plan.steps[0].clone();
            plan.steps.insert(0, again);
        }),
        "not sorted",
    );
    says(&tampered(|plan| plan.conflicts.extend([a_conflict("x"), a_conflict("x")])), "not sorted");
}

#[test]
fn a_pull_writes_nothing_to_vault_and_a_push_changes_no_record() {
    let pull = Options { annotate: false, ..Options::defaults(Mode::Pull, HERE) };
    let findings = found(&world(), &pull, |_| {});
    for at in ["b", "d", "f"] {
        says(&findings, &format!("{at}: a pull writes to Vault"));
    }
    assert!(!findings.iter().any(|finding| finding.starts_with("c:") || finding.starts_with("e:")), "{findings:?}");
    let marks = found(&world(), &Options { annotate: true, ..pull }, |plan| step(plan, "c").annotate = true);
    says(&marks, "c: a pull writes to Vault");

    let push = Options { annotate: false, ..Options::defaults(Mode::Push, HERE) };
    let findings = found(&world(), &push, |_| {});
    says(&findings, "c: a push changes records");
    says(&findings, "e: a push changes records");
}

#[test]
fn marks_need_annotate() {
    says(&tampered(|plan| step(plan, "b").annotate = true), "although annotate is off");
}

#[test]
fn some_actions_are_a_persons_to_decide() {
    says(&tampered(|plan| step(plan, "f").action = Action::Accept), "only a person's decision");
    let copy = Action::CopyLocal { from: path("c") };
    says(&tampered(|plan| step(plan, "b").action = copy), "only a person's decision");
}

#[test]
fn a_step_expects_what_is_there() {
    let other = LocalExpect::Live { record_id: id(6), revision: Revision(9) };
    says(&tampered(|plan| step(plan, "f").expect.local = other), "expects another record or revision");
    says(&tampered(|plan| step(plan, "c").expect.local = other), "expects another record or revision");
    says(&tampered(|plan| step(plan, "f").expect.remote = RemoteExpect::Absent), "expects another remote version");
    says(
        &tampered(|plan| step(plan, "f").action = Action::UpdateRemote { cas: Version(7), archive: false }),
        "carries another version",
    );
    says(
        &tampered(|plan| step(plan, "d").action = Action::DeleteRemote { version: Version(7) }),
        "carries another version",
    );
    says(
        &tampered(|plan| step(plan, "f").action = Action::CreateRemote { cas: Version(1), key_created: None }),
        "creates over a live secret",
    );
}

#[test]
fn what_cannot_be_read_is_not_touched() {
    let mut world = world();
    world.veils.insert(path("f"), Veil::Unreadable);
    says(&found(&world, &both_ways(), |_| {}), "f: touches what could not be read");
}

#[test]
fn a_record_is_deleted_only_with_proof_and_a_base() {
    let mut unproven = world();
    unproven.veils.insert(path("e"), Veil::Unlisted);
    says(&found(&unproven, &both_ways(), |_| {}), "e: deletes a record without proof");
    let mut live = world();
    live.keys.remove(&path("e"));
    live.write_content(&path("e"), content(1, 1), Version::NONE);
    says(&found(&live, &both_ways(), |_| {}), "e: deletes a record without proof");
    let mut unknown = world();
    unknown.base.remove(&path("e"));
    says(&found(&unknown, &both_ways(), |_| {}), "e: deletes a record that was never in step");
}

#[test]
fn a_secret_is_deleted_only_as_it_was_agreed_on_and_without_its_record() {
    let mut lives = world();
    lives.records.get_mut(&id(4)).unwrap().trashed = false;
    says(&found(&lives, &both_ways(), |_| {}), "d: deletes a secret whose record lives");
    let mut unknown = world();
    unknown.base.remove(&path("d"));
    says(&found(&unknown, &both_ways(), |_| {}), "d: deletes a secret that is not what both sides agreed on");
    // The base belongs to another version, and the contents were not compared.
    let mut moved = world();
    moved.base.get_mut(&path("d")).unwrap().stamp.version_created.0 -= 1;
    let plan = planned(&world());
    says(&moved.findings_without_contents(&both_ways(), &plan), "d: deletes a secret that is not what both sides");
    assert_eq!(moved.findings(&both_ways(), &plan), Vec::<String>::new(), "it was read and compared");
}

#[test]
fn a_move_takes_away_only_what_is_still_there_and_whose_record_left() {
    let options = both_ways();
    let mut world = world();
    world.rename(id(1), &path("z"));
    let plan = world.plan_all(&options);
    let moved = plan.steps.iter().find(|step| step.path.as_str() == "z").unwrap();
    assert_eq!((moved.action.as_str(), moved.reason), ("move_remote", Reason::Renamed));
    assert_eq!(world.findings(&options, &plan), Vec::<String>::new());

    let mut changed = world.clone();
    changed.write_content(&path("a"), content(9, 9), Version(1));
    says(&changed.findings(&options, &plan), "z: moves away a secret that changed");
    let mut occupied = world.clone();
    occupied.add(id(9), &path("a"), RecordType::KeyValue, content(9, 9));
    says(&occupied.findings(&options, &plan), "z: moves away a secret that changed or whose path has a record");

    let mut twice = plan.clone();
    let from = Step { path: path("a"), action: Action::Forget, ..twice.steps[0].clone() };
    twice.steps.insert(0, from);
    says(&world.findings(&options, &twice), "z: moves from a path that another step uses");
}

#[test]
fn an_edited_scope_sets_the_base_aside() {
    let edited = World { scope_changed: true, ..world() };
    says(&found(&edited, &both_ways(), |_| {}), "the scope changed, and the base counts");
    let findings = found(&edited, &both_ways(), |plan| plan.base_set_aside = true);
    assert!(!findings.iter().any(|finding| finding.contains("the scope changed")), "{findings:?}");
}

#[test]
fn what_a_person_accepted_is_not_undone_while_neither_side_is_touched() {
    let mut world = World { clock: 1_000, ..World::default() };
    world.add(id(1), &path("p"), RecordType::KeyValue, content(1, 1));
    world.write_content(&path("p"), content(2, 2), Version::NONE);
    let options = Options { annotate: false, ..Options::defaults(Mode::Push, HERE) };
    let bare = world.clone();
    world.accept(&path("p"), Mode::Push);
    let entry = world.local().live[&path("p")].clone();
    let RemoteHead::Live { stamp, expires } = world.keys[&path("p")].head else { panic!("it is live") };
    let mut step = Step {
        path: path("p"),
        action: Action::UpdateRemote { cas: Version(1), archive: true },
        reason: Reason::DriftOverwritten,
        expect: Expect {
            local: LocalExpect::Live { record_id: id(1), revision: entry.revision },
            remote: RemoteExpect::Live { stamp, expires },
        },
        fields: Vec::new(),
        annotate: false,
    };
    says(&world.findings(&options, &Plan { steps: vec![step.clone()], ..Plan::default() }), "undoes what a person");
    step.action = Action::KeepAccepted;
    assert_eq!(world.findings(&options, &Plan { steps: vec![step.clone()], ..Plan::default() }), [""; 0]);
    let mut reopened = world.clone();
    reopened.base.get_mut(&path("p")).unwrap().accepted.as_mut().unwrap().reopened = true;
    says(&reopened.findings(&options, &Plan { steps: vec![step.clone()], ..Plan::default() }), "a person reopened");
    step.expect.local = LocalExpect::Live { record_id: id(1), revision: Revision::FIRST };
    says(&bare.findings(&options, &Plan { steps: vec![step], ..Plan::default() }), "nobody accepted");
}
