//! Conflicts and the four ways to resolve them.

mod alike;
mod refused;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use vaultterm_reconcile::{ConflictKind, DriftPolicy, HaltKind, Mode, RecordType, Side};
use vaultterm_sync::{ConflictStatus, EngineError, FieldChoice, Resolution, Run, RunState};
use vaultterm_testkit::{AuditLine, Data, World, world::at, world::data};

fn succeed(world: &World) -> Run {
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    run
}

/// Returns a world in which both sides edited the same field of `x`.
fn torn() -> World {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"a": "0", "b": "0"}));
    world.save("other", json!({"value": "0"}));
    succeed(&world);
    world.save("x", json!({"a": "here", "b": "0"}));
    world.put("x", json!({"a": "there", "b": "0"}));
    world.save("other", json!({"value": "1"}));
    let run = succeed(&world);
    assert_eq!((run.counts.conflicts, run.counts.updated_remote), (1, 1), "a conflict freezes its path only");
    world
}

/// Returns the last audit entry of a synchronized secret.
fn last_synced(world: &World) -> String {
    let audit = world.journal.audit();
    let synced = audit.iter().rev().find(|line| line.action.as_str() == "HCV_SECRET_SYNCED");
    synced.map(|line| line.detail.clone()).unwrap_or_default()
}

fn both(world: &World, path: &str) -> (Option<Data>, Option<Data>) {
    (world.record(path), world.secret(path))
}

/// Returns every value that the record at a path has ever held.
fn history(world: &World, path: &str) -> Vec<Data> {
    let (_, record) = world.journal.live(world.collection_id, &at(path)).expect("the record lives");
    record.revisions.into_iter().map(|revision| revision.data).collect()
}

fn in_step(world: &World, path: &str, value: Value) {
    let expected = data(value);
    assert_eq!(both(world, path), (Some(expected.clone()), Some(expected)));
    assert!(world.open_conflicts().is_empty());
    let versions = world.version(path);
    let run = succeed(world);
    assert_eq!((run.counts.conflicts, run.counts.adopted), (0, 0), "the decision recorded what both sides hold");
    assert_eq!(world.version(path), versions, "a further run changes nothing");
}

#[test]
fn a_conflict_is_seen_again_and_not_opened_twice() {
    let world = torn();
    let first = world.open_conflict();
    succeed(&world);
    let again = world.open_conflict();
    assert_eq!((first.id, first.first_seen), (again.id, again.first_seen));
    assert!(again.last_seen > first.last_seen);
    assert_eq!(again.conflict.diverged, ["a"]);
}

#[test]
fn a_conflict_closes_by_itself_when_the_sides_converge() {
    let world = torn();
    let conflict = world.open_conflict();
    world.save("x", json!({"a": "there", "b": "0"}));
    succeed(&world);
    let row = world.journal.conflict_rows().into_iter().find(|row| row.id == conflict.id);
    assert_eq!(row.map(|row| row.status), Some(ConflictStatus::Converged));
}

#[test]
fn a_conflict_at_a_path_that_cannot_be_read_now_stays_open_and_says_when_it_was_last_verified() {
    let world = torn();
    let verified = world.open_conflict().last_seen;
    world.kv.forbid("team/app/x");
    world.clock.advance(Duration::from_secs(60));
    succeed(&world);
    let conflict = world.open_conflict();
    assert_eq!((conflict.conflict.path.clone(), conflict.last_seen), (at("x"), verified));
    world.kv.permit("team/app/x");
    succeed(&world);
    assert!(world.open_conflict().last_seen > verified);
}

#[test]
fn keep_local_writes_the_record_and_keeps_the_remote_value_in_history() {
    let world = torn();
    let row = world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
    assert_eq!(row.status, ConflictStatus::Resolved);
    assert!(history(&world, "x").contains(&data(json!({"a": "there", "b": "0"}))));
    in_step(&world, "x", json!({"a": "here", "b": "0"}));
}

#[test]
fn keep_remote_writes_the_secret_and_keeps_the_local_value_in_history() {
    let world = torn();
    world.resolve(&world.open_conflict(), Resolution::KeepRemote).expect("resolved");
    assert!(history(&world, "x").contains(&data(json!({"a": "here", "b": "0"}))));
    assert_eq!(world.version("x"), 2, "Vault is not written");
    in_step(&world, "x", json!({"a": "there", "b": "0"}));
}

#[test]
fn keep_both_makes_a_record_of_the_remote_copy_at_a_free_path() {
    let world = torn();
    world.save("x-remote", json!({"value": "taken"}));
    world.put("x-remote-2", json!({"value": "taken"}));
    let conflict = world.open_conflict();
    world.resolve(&conflict, Resolution::KeepBoth).expect("resolved");
    let copied = |line: &AuditLine| line.detail == "created_local secret/team/app/x";
    assert_eq!(world.journal.audit().iter().filter(|line| copied(line)).count(), 1);
    assert_eq!(world.record("x-remote-3"), Some(data(json!({"a": "there", "b": "0"}))));
    in_step(&world, "x", json!({"a": "here", "b": "0"}));
    in_step(&world, "x-remote-3", json!({"a": "there", "b": "0"}));
}

#[test]
fn merge_takes_each_field_from_where_a_person_says() {
    let world = torn();
    let fields = BTreeMap::from([
        ("a".to_owned(), FieldChoice::Take(Side::Remote)),
        ("b".to_owned(), FieldChoice::Value(json!("given"))),
        ("new".to_owned(), FieldChoice::Value(json!({"nested": true}))),
        ("none".to_owned(), FieldChoice::Take(Side::Local)),
    ]);
    world.resolve(&world.open_conflict(), Resolution::Merge(fields)).expect("resolved");
    let audit = world.journal.audit();
    let decided = audit.iter().find(|line| line.action.as_str() == "HCV_CONFLICT_RESOLVED").expect("audited");
    assert_eq!(decided.detail, "merge a=remote b=given new=given none=local by ada@example.com: because");
    assert!(history(&world, "x").contains(&data(json!({"a": "here", "b": "0"}))));
    assert!(history(&world, "x").contains(&data(json!({"a": "there", "b": "0"}))));
    in_step(&world, "x", json!({"a": "there", "b": "given", "new": {"nested": true}}));
}

#[test]
fn merge_completes_what_is_clear_and_asks_for_what_is_not() {
    let world = torn();
    let refused = world.resolve(&world.open_conflict(), Resolution::Merge(BTreeMap::new()));
    match &refused {
        Err(error @ EngineError::Undecided(names)) => {
            assert_eq!(*names, ["a"]);
            assert!(error.to_string().ends_with("missing: a"), "{error}");
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
    let fields = BTreeMap::from([("a".to_owned(), FieldChoice::Value(json!("agreed")))]);
    world.resolve(&world.open_conflict(), Resolution::Merge(fields)).expect("resolved");
    in_step(&world, "x", json!({"a": "agreed", "b": "0"}));
}

#[test]
fn a_merge_takes_what_one_side_alone_changed_from_that_side_and_what_both_changed_alike_from_either() {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"a": "0", "b": "0", "note": "0", "owner": "0"}));
    succeed(&world);
    world.save("x", json!({"a": "here", "b": "1", "note": "here", "owner": "0"}));
    world.put("x", json!({"a": "there", "b": "1", "note": "0", "owner": "there"}));
    assert_eq!(world.run().counts.conflicts, 1);
    let fields = BTreeMap::from([("a".to_owned(), FieldChoice::Take(Side::Local))]);
    world.resolve(&world.open_conflict(), Resolution::Merge(fields)).expect("resolved");
    in_step(&world, "x", json!({"a": "here", "b": "1", "note": "here", "owner": "there"}));
}

#[test]
fn a_decision_on_a_password_that_leaves_the_user_name_open_is_refused_and_changes_nothing() {
    let world = World::new(Mode::Bidirectional);
    let login = |user: &str, password: &str| json!({"username": user, "password": password});
    world.save("x", login("ada", "p0"));
    succeed(&world);
    world.save("x", login("ada", "p1"));
    world.put("x", login("grace", "p2"));
    assert_eq!(world.run().counts.conflicts, 1);
    let password = || ("password".to_owned(), FieldChoice::Take(Side::Local));
    let refused = world.resolve(&world.open_conflict(), Resolution::Merge(BTreeMap::from([password()])));
    assert!(matches!(&refused, Err(EngineError::Undecided(names)) if *names == ["username"]), "{refused:?}");
    assert_eq!((world.record("x"), world.version("x")), (Some(data(login("ada", "p1"))), 2));
    let whole = BTreeMap::from([password(), ("username".to_owned(), FieldChoice::Take(Side::Local))]);
    world.resolve(&world.open_conflict(), Resolution::Merge(whole)).expect("resolved");
    in_step(&world, "x", login("ada", "p1"));
}

#[test]
fn a_merge_that_equals_the_secret_makes_no_version() {
    let world = torn();
    let fields = BTreeMap::from([("a".to_owned(), FieldChoice::Take(Side::Remote))]);
    world.resolve(&world.open_conflict(), Resolution::Merge(fields)).expect("resolved");
    assert_eq!(world.version("x"), 2);
    assert_eq!(last_synced(&world), "updated_local secret/team/app/x");
    in_step(&world, "x", json!({"a": "there", "b": "0"}));
}

#[test]
fn a_merge_that_both_sides_hold_makes_neither_a_version_nor_a_revision() {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"a": "0"}));
    succeed(&world);
    world.retype("x", RecordType::Identity);
    world.put("x", json!({"a": "0"}));
    world.kv.mount(|mount, _| {
        mount.patch_custom("team/app/x", [("vaultterm-type".to_owned(), "ENV_VAR".to_owned())]);
    });
    assert_eq!(succeed(&world).counts.conflicts, 1);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::TypeChanged);
    let revisions = history(&world, "x").len();
    let fields = BTreeMap::from([("a".to_owned(), FieldChoice::Take(Side::Local))]);
    world.resolve(&world.open_conflict(), Resolution::Merge(fields)).expect("resolved");
    assert_eq!((history(&world, "x").len(), world.version("x")), (revisions, 2));
    assert_eq!(world.record_type("x"), Some(RecordType::Identity));
    in_step(&world, "x", json!({"a": "0"}));
    assert_eq!(world.marks("x").get("vaultterm-type").map(String::as_str), Some("IDENTITY"));
}

#[test]
fn what_a_conflict_is_about_is_shown_as_it_was_and_not_as_it_is() {
    let world = torn();
    let conflict = world.open_conflict();
    let shown = || world.clock.drive(world.engine().remote_of(conflict.id));
    let value = |fields: vaultterm_sealing::SecretFields| fields.expose().clone();
    let there = data(json!({"a": "there", "b": "0"}));
    assert_eq!(shown().expect("there").map(value), Some(there.clone()));
    world.put("x", json!({"a": "later", "b": "0"}));
    assert_eq!(shown().expect("an earlier version").map(value), Some(there));
    assert_eq!(world.kv.sessions_open(), 0, "the token is revoked");
    world.delete_metadata("x");
    assert!(matches!(shown(), Err(EngineError::Stale(_))));
}

#[test]
fn a_conflict_about_a_deleted_secret_shows_none() {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"a": "0"}));
    succeed(&world);
    world.save("x", json!({"a": "here"}));
    world.delete("x");
    assert_eq!(world.run().counts.conflicts, 1);
    let shown = world.clock.drive(world.engine().remote_of(world.open_conflict().id));
    assert!(matches!(shown, Ok(None)));
}

#[test]
fn a_mark_without_an_installation_proves_no_write_of_ours() {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"a": "old"}));
    world.save("x", json!({"a": "new"}));
    world.put("x", json!({"a": "old"}));
    let (id, _) = world.journal.live(world.collection_id, &at("x")).expect("the record lives");
    let mark = |name: &str, value: String| {
        world.kv.mount(|mount, _| mount.patch_custom("team/app/x", [(name.to_owned(), value)]));
    };
    mark("vaultterm-record", id.0.to_string());
    assert_eq!(world.run().counts.conflicts, 1);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::NoBase);
    // With this mark, the secret counts as a write by a run that could not record it.
    mark("vaultterm-instance", world.instance());
    assert_eq!(succeed(&world).counts.updated_remote, 1);
    assert!(world.open_conflicts().is_empty());
}

#[test]
fn an_older_revision_under_other_key_metadata_or_a_number_used_before_is_no_write_of_ours() {
    let edited = |world: &World| {
        world.save("x", json!({"a": "one"}));
        let snapshot = world.kv.mount(|mount, now| {
            mount.put_metadata("team/app/x", BTreeMap::new(), None, 0, now);
            mount.clone()
        });
        succeed(world);
        world.save("x", json!({"a": "two"}));
        world.save("x", json!({"a": "three"}));
        snapshot
    };
    let anew = World::new(Mode::Bidirectional);
    edited(&anew);
    anew.delete_metadata("x");
    anew.put("x", json!({"a": "two"}));
    anew.put("x", json!({"a": "two"}));
    assert_eq!(anew.run().counts.conflicts, 1);
    assert_eq!(anew.open_conflict().conflict.kind, ConflictKind::BothChanged);

    let again = World::new(Mode::Bidirectional);
    let snapshot = edited(&again);
    again.kv.mount(|mount, _| *mount = snapshot);
    assert_eq!(again.put("x", json!({"a": "two"})), 1);
    let run = again.run();
    assert_eq!(run.halts.first().map(|halt| halt.kind), Some(HaltKind::Rewound), "{run:#?}");
}

#[test]
fn a_closed_conflict_is_not_resolved_again() {
    let world = torn();
    let conflict = world.open_conflict();
    world.resolve(&conflict, Resolution::KeepLocal).expect("resolved");
    let refused = world.resolve(&conflict, Resolution::KeepRemote);
    assert!(matches!(refused, Err(EngineError::NotResolvable(_))), "{refused:?}");
}

#[test]
fn a_decision_is_audited_with_actor_and_reason_and_leaves_no_session_or_lease() {
    let world = torn();
    world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
    let audit = world.journal.audit();
    let decided = audit.iter().find(|line| line.action.as_str() == "HCV_CONFLICT_RESOLVED").expect("audited");
    assert_eq!(decided.detail, "keep_local by ada@example.com: because");
    assert_eq!(world.kv.sessions_open(), 0);
    assert!(!world.journal.is_leased(world.id));
}

#[test]
fn a_deletion_against_an_edit_is_decided_either_way() {
    for (resolution, survives) in [(Resolution::KeepLocal, false), (Resolution::KeepRemote, true)] {
        let world = World::new(Mode::Bidirectional);
        world.save("x", json!({"value": "0"}));
        world.save("other", json!({"value": "0"}));
        succeed(&world);
        world.trash("x");
        world.put("x", json!({"value": "edited"}));
        succeed(&world);
        world.resolve(&world.open_conflict(), resolution).expect("resolved");
        let expected = survives.then(|| data(json!({"value": "edited"})));
        assert_eq!(both(&world, "x"), (expected.clone(), expected));
        assert_eq!(succeed(&world).counts.conflicts, 0);
    }
}

#[test]
fn a_secret_whose_record_was_renamed_away_is_imported_as_another_record() {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"value": "0"}));
    world.save("other", json!({"value": "0"}));
    succeed(&world);
    world.rename("x", "y");
    world.put("x", json!({"value": "edited"}));
    succeed(&world);
    world.resolve(&world.open_conflict(), Resolution::KeepRemote).expect("resolved");
    in_step(&world, "x", json!({"value": "edited"}));
    in_step(&world, "y", json!({"value": "0"}));
}

#[test]
fn a_pull_accepts_a_difference_without_writing_to_vault() {
    let world = World::new(Mode::Pull);
    world.put("x", json!({"value": "0"}));
    succeed(&world);
    world.save("x", json!({"value": "mine"}));
    succeed(&world);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::Drift);
    world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
    assert_eq!(last_synced(&world), "accepted secret/team/app/x");
    assert_eq!((world.version("x"), world.record("x")), (1, Some(data(json!({"value": "mine"})))));
    assert_eq!(succeed(&world).counts.conflicts, 0, "the difference is accepted");

    world.journal.edit_connection(world.id, |connection| connection.options.on_drift = DriftPolicy::Overwrite);
    world.put("x", json!({"value": "1"}));
    succeed(&world);
    assert_eq!(world.record("x"), Some(data(json!({"value": "1"}))), "until Vault changes again");
}

#[test]
fn a_foreign_secret_may_be_taken_over_or_deleted_by_decision() {
    for (resolution, survives) in [(Resolution::KeepRemote, true), (Resolution::KeepLocal, false)] {
        let world = World::new(Mode::Bidirectional);
        world.put("x", json!({"value": "theirs"}));
        world.kv.mount(|mount, _| {
            mount.patch_custom("team/app/x", [("vaultterm-instance".to_owned(), "another".to_owned())]);
        });
        succeed(&world);
        world.resolve(&world.open_conflict(), resolution).expect("resolved");
        let expected = survives.then(|| data(json!({"value": "theirs"})));
        assert_eq!(both(&world, "x"), (expected.clone(), expected));
        assert_eq!(succeed(&world).counts.conflicts, 0);
    }
}

/// Returns a world in step in which the agreed revision can no longer be opened.
fn damaged() -> World {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"a": "0"}));
    world.save("x", json!({"a": "1"}));
    succeed(&world);
    world.journal.damage(world.collection_id, &at("x"));
    world
}

#[test]
fn a_revision_that_does_not_open_is_never_written_anywhere_and_nothing_replaces_it_unseen() {
    let world = damaged();
    assert_eq!(succeed(&world).counts.unchanged, 1, "what nobody touched is not looked at");
    world.put("x", json!({"a": "there"}));
    let run = succeed(&world);
    assert_eq!((run.counts.skipped, run.problems[0].path.as_str()), (1, "x"), "{run:#?}");
    assert_eq!(world.version("x"), 2);
    // A person restores the older revision. Now both sides can be shown, and the person can choose one.
    world.save("x", json!({"a": "0"}));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::NoBase);
    world.resolve(&world.open_conflict(), Resolution::KeepRemote).expect("resolved");
    in_step(&world, "x", json!({"a": "there"}));
}

#[test]
fn an_older_revision_brought_back_after_damage_is_compared_with_the_secret_that_nobody_changed() {
    let world = damaged();
    world.save("x", json!({"a": "0"}));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    assert_eq!(world.secret("x"), Some(data(json!({"a": "1"}))), "the only place that still has it");
    world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect("resolved");
    let kept = history(&world, "x").into_iter().filter(|held| *held == data(json!({"a": "1"})));
    assert_eq!(kept.count(), 2, "as a revision that opens, beside the one that does not");
    in_step(&world, "x", json!({"a": "0"}));
    // A record that equals the secret needs no person.
    let world = damaged();
    world.save("x", json!({"a": "1"}));
    assert_eq!(succeed(&world).counts.adopted, 1);
    in_step(&world, "x", json!({"a": "1"}));
}
