//! The three modes, end to end: what is carried in which direction, and what stays.

mod marks;

use std::time::Duration;

use serde_json::json;
use vaultterm_reconcile::{ConflictKind, DriftPolicy, InitialPolicy, MergePolicy, Mode, Plan, RecordType};
use vaultterm_sync::{Origin, Run, RunState};
use vaultterm_testkit::{Operation, World, world::at, world::data};

/// Runs the connection and asserts that there is no problem.
fn succeed(world: &World) -> Run {
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert!(run.problems.is_empty(), "{:?}", run.problems);
    run
}

/// Asserts that a run finds nothing to do, writes nothing, and sends very few requests.
fn nothing_to_do(world: &World, unchanged: u64) {
    drop(world.kv.take_log());
    let run = succeed(world);
    assert_eq!(run.counts, vaultterm_reconcile::Counts { unchanged, ..Default::default() });
    let log: Vec<_> = world.kv.take_log().into_iter().map(|request| request.operation).collect();
    assert_eq!(log, [Operation::Connect, Operation::Observe, Operation::Close]);
}

/// Returns a world in step on `paths`, each with the fields `{"a": "0", "b": "0"}`.
fn in_step(mode: Mode, paths: &[&str]) -> World {
    let world = World::new(mode);
    for path in paths {
        world.save(path, json!({"a": "0", "b": "0"}));
        world.put(path, json!({"a": "0", "b": "0"}));
    }
    succeed(&world);
    world
}

#[test]
fn a_first_push_writes_every_record_and_marks_it() {
    let world = World::new(Mode::Push);
    world.save("db/main", json!({"username": "app", "password": "p1"}));
    world.save("note", json!({"note": "hello"}));
    let run = succeed(&world);
    assert_eq!(run.counts.created_remote, 2);
    assert_eq!(world.secret("db/main"), Some(data(json!({"username": "app", "password": "p1"}))));
    assert_eq!(world.marks("db/main").get("vaultterm-type").map(String::as_str), Some("PASSWORD"));
    assert_eq!(world.kv.sessions_open(), 0, "the token is revoked");
    assert!(!world.journal.is_leased(world.id), "the lease is given back");
    nothing_to_do(&world, 2);
}

#[test]
fn a_first_pull_imports_every_secret_and_infers_types() {
    let world = World::new(Mode::Pull);
    world.put("db/main", json!({"username": "app", "password": "p1"}));
    world.put("odd", json!({"nested": {"a": [1, null]}}));
    world.clock.advance(Duration::from_millis(7_250));
    let run = succeed(&world);
    assert_eq!(run.counts.created_local, 2);
    assert_eq!(world.record("odd"), Some(data(json!({"nested": {"a": [1, null]}}))));
    let (id, _) = world.journal.live(world.collection_id, &at("odd")).expect("the record lives");
    assert_eq!(
        id.0.get_timestamp().map(|drawn| drawn.to_unix()),
        Some((1_767_225_607, 250_000_000)),
        "drawn by the clock"
    );
    assert_eq!(world.record_type("db/main"), Some(RecordType::Password));
    assert_eq!(world.record_type("odd"), Some(RecordType::KeyValue));
    assert!(world.marks("db/main").is_empty(), "a pull writes nothing to Vault");
    nothing_to_do(&world, 2);
}

#[test]
fn a_first_sync_in_both_directions_adopts_what_is_equal_without_a_new_version() {
    let world = World::new(Mode::Bidirectional);
    world.save("same", json!({"value": "1"}));
    world.put("same", json!({"value": "1"}));
    world.save("here", json!({"value": "2"}));
    world.put("there", json!({"value": "3"}));
    let run = succeed(&world);
    assert_eq!((run.counts.adopted, run.counts.created_remote, run.counts.created_local), (1, 1, 1));
    assert_eq!(world.version("same"), 1);
    assert_eq!(world.secret("here"), Some(data(json!({"value": "2"}))));
    assert_eq!(world.record("there"), Some(data(json!({"value": "3"}))));
    nothing_to_do(&world, 3);
}

#[test]
fn a_thousand_secrets_in_step_cost_three_requests() {
    let world = World::new(Mode::Push);
    for n in 0..1_000 {
        world.save(&format!("folder-{}/{n}", n % 10), json!({"value": n.to_string()}));
    }
    assert_eq!(succeed(&world).counts.created_remote, 1_000);
    nothing_to_do(&world, 1_000);
}

#[test]
fn an_edit_travels_either_way() {
    let world = in_step(Mode::Bidirectional, &["x", "y"]);
    world.save("x", json!({"a": "1", "b": "0"}));
    world.put("y", json!({"a": "0", "b": "1"}));
    let run = succeed(&world);
    assert_eq!((run.counts.updated_remote, run.counts.updated_local), (1, 1));
    assert_eq!(world.secret("x"), Some(data(json!({"a": "1", "b": "0"}))));
    assert_eq!(world.record("y"), Some(data(json!({"a": "0", "b": "1"}))));
    assert_eq!((world.version("x"), world.version("y")), (2, 2));
    nothing_to_do(&world, 2);
}

#[test]
fn edits_of_different_fields_are_merged_to_both_sides_and_the_remote_value_is_kept() {
    let world = in_step(Mode::Bidirectional, &["x"]);
    world.save("x", json!({"a": "here", "b": "0"}));
    world.put("x", json!({"a": "0", "b": "0", "Owner": "there", "c": "0"}));
    assert_eq!(succeed(&world).counts.conflicts, 1, "a new field may be half of a credential");
    world.put("x", json!({"a": "0", "b": "0", "Owner": "there"}));
    let run = succeed(&world);
    assert_eq!((run.counts.updated_remote, run.counts.updated_local), (1, 1));
    let merged = data(json!({"a": "here", "b": "0", "Owner": "there"}));
    assert_eq!((world.record("x"), world.secret("x")), (Some(merged.clone()), Some(merged.clone())));

    let (_, record) = world.journal.live(world.collection_id, &at("x")).expect("the record lives");
    let revisions: Vec<_> = record.revisions.iter().map(|revision| (&revision.data, revision.origin)).collect();
    let archived = data(json!({"a": "0", "b": "0", "Owner": "there"}));
    assert_eq!(revisions[2], (&archived, Origin::Archive(world.id)));
    assert_eq!(revisions[3], (&merged, Origin::Merge(world.id)));
    nothing_to_do(&world, 1);
}

#[test]
fn two_halves_of_a_credential_are_a_conflict_and_neither_side_is_written() {
    let world = World::new(Mode::Bidirectional);
    let key = |id: &str, secret: &str| json!({"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret});
    world.save("x", key("id-0", "secret-0"));
    succeed(&world);
    world.save("x", key("id-1", "secret-0"));
    world.put("x", key("id-0", "secret-1"));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    let conflict = world.open_conflict().conflict;
    assert_eq!(conflict.kind, ConflictKind::BothChanged);
    assert_eq!(conflict.diverged, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    assert_eq!(world.record("x"), Some(data(key("id-1", "secret-0"))));
    assert_eq!(world.secret("x"), Some(data(key("id-0", "secret-1"))));
}

fn planned(world: &World) -> Plan {
    world.clock.drive(world.engine().plan(world.id)).expect("a plan can be made").plan
}

#[test]
fn a_connection_that_merges_any_fields_says_in_its_plans_what_that_risks() {
    let world = World::new(Mode::Bidirectional);
    assert_eq!(planned(&world).warnings, [""; 0]);
    world.journal.edit_connection(world.id, |connection| connection.options.merge = MergePolicy::Field);
    let [warning] = &planned(&world).warnings[..] else { panic!("one warning") };
    assert!(warning.contains("nobody wrote") && warning.contains("merge=descriptive"), "{warning}");
}

#[test]
fn the_same_edit_on_both_sides_is_adopted_without_a_new_version() {
    let world = in_step(Mode::Bidirectional, &["x"]);
    world.save("x", json!({"a": "1", "b": "0"}));
    world.put("x", json!({"a": "1", "b": "0"}));
    assert_eq!(succeed(&world).counts.adopted, 1);
    assert_eq!(world.version("x"), 2);
    nothing_to_do(&world, 1);
}

#[test]
fn a_push_leaves_alone_what_only_vault_holds() {
    let world = in_step(Mode::Push, &["x"]);
    world.put("theirs", json!({"value": "1"}));
    succeed(&world);
    assert_eq!(world.record("theirs"), None);
    assert_eq!(world.version("theirs"), 1);
}

#[test]
fn a_push_calls_a_remote_edit_drift_and_waits_for_a_person() {
    let world = in_step(Mode::Push, &["x"]);
    world.put("x", json!({"a": "drifted", "b": "0"}));
    let run = succeed(&world);
    assert_eq!(run.counts.conflicts, 1);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::Drift);
    assert_eq!(world.version("x"), 2);
}

#[test]
fn a_push_that_overwrites_drift_keeps_the_remote_value_in_history() {
    let world = in_step(Mode::Push, &["x"]);
    world.journal.edit_connection(world.id, |connection| connection.options.on_drift = DriftPolicy::Overwrite);
    world.put("x", json!({"a": "drifted", "b": "0"}));
    assert_eq!(succeed(&world).counts.updated_remote, 1);
    let pushed = data(json!({"a": "0", "b": "0"}));
    assert_eq!((world.secret("x"), world.record("x")), (Some(pushed.clone()), Some(pushed)));
    let (_, record) = world.journal.live(world.collection_id, &at("x")).expect("the record lives");
    let drifted = data(json!({"a": "drifted", "b": "0"}));
    assert!(record.revisions.iter().any(|revision| revision.data == drifted));
    nothing_to_do(&world, 1);
}

#[test]
fn a_pull_that_overwrites_drift_restores_what_vault_holds() {
    let world = in_step(Mode::Pull, &["x", "gone"]);
    world.journal.edit_connection(world.id, |connection| connection.options.on_drift = DriftPolicy::Overwrite);
    world.save("x", json!({"a": "drifted", "b": "0"}));
    world.trash("gone");
    let run = succeed(&world);
    assert_eq!((run.counts.updated_local, run.counts.created_local), (1, 1));
    assert_eq!(world.record("x"), Some(data(json!({"a": "0", "b": "0"}))));
    assert_eq!(world.journal.records().len(), 2, "the trashed record came back, no other was made");
    nothing_to_do(&world, 2);
}

#[test]
fn a_push_never_overwrites_a_secret_that_it_never_held() {
    let world = World::new(Mode::Push);
    world.save("x", json!({"value": "mine"}));
    world.put("x", json!({"value": "theirs"}));
    succeed(&world);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::NoBase);
    assert_eq!(world.version("x"), 1);
}

#[test]
fn an_initial_preference_decides_a_first_sync_and_keeps_what_loses() {
    for (initial, kept) in [(InitialPolicy::PreferLocal, "mine"), (InitialPolicy::PreferRemote, "theirs")] {
        let world = World::with(Mode::Bidirectional, |options| options.initial = initial);
        world.save("x", json!({"value": "mine"}));
        world.put("x", json!({"value": "theirs"}));
        succeed(&world);
        let kept = data(json!({ "value": kept }));
        assert_eq!((world.record("x"), world.secret("x")), (Some(kept.clone()), Some(kept)));
        let (_, record) = world.journal.live(world.collection_id, &at("x")).expect("the record lives");
        for value in ["mine", "theirs"] {
            let value = data(json!({ "value": value }));
            assert!(record.revisions.iter().any(|revision| revision.data == value), "{initial:?}");
        }
        nothing_to_do(&world, 1);
    }
}

#[test]
fn a_foreign_secret_is_a_conflict_and_stays_as_it_is() {
    let world = World::new(Mode::Bidirectional);
    world.put("x", json!({"value": "theirs"}));
    world.kv.mount(|mount, _| {
        mount.patch_custom("team/app/x", [("vaultterm-instance".to_owned(), "another".to_owned())]);
    });
    succeed(&world);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::ForeignOwner);
    assert_eq!(world.record("x"), None);
}

#[test]
fn a_secret_that_cannot_be_read_is_skipped_with_the_reason_and_stops_nobody() {
    let world = in_step(Mode::Bidirectional, &["denied", "fine"]);
    world.kv.forbid("team/app/denied");
    world.save("fine", json!({"a": "1", "b": "0"}));
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!((run.counts.skipped, run.counts.updated_remote), (1, 1));
    assert_eq!(run.problems[0].path, "denied");
    assert_eq!(run.problems[0].detail, "permission denied");
    assert!(world.record("denied").is_some());
}

#[test]
fn a_secret_that_can_never_be_taken_over_makes_the_run_partial_until_somebody_accepts_it() {
    let world = in_step(Mode::Bidirectional, &["x"]);
    world.kv.mount(|mount, now| mount.put("team/app/trail ", data(json!({"a": "1"})), None, now)).expect("no cas");
    // These are the same names after Unicode normalization.
    world.put("caf\u{e9}", json!({"a": "1"}));
    world.put("cafe\u{301}", json!({"a": "1"}));
    let left_out = |run: &Run| run.problems.iter().filter(|problem| problem.class.as_str() == "left_out").count();
    let run = world.run();
    assert_eq!((run.state, run.counts.skipped, left_out(&run)), (RunState::Partial, 3, 3), "{run:#?}");
    assert_eq!(run.counts.unchanged, 1, "everything else goes on");

    world.journal.ignore(world.id, "trail ", "ada@example.com");
    world.journal.ignore(world.id, "caf\u{e9}", "ada@example.com");
    let run = world.run();
    assert_eq!((run.state, left_out(&run)), (RunState::Partial, 1), "{run:#?}");

    world.journal.ignore(world.id, "cafe\u{301}", "ada@example.com");
    let run = world.run();
    assert_eq!((run.state, run.counts.skipped, left_out(&run)), (RunState::Succeeded, 3, 0), "{run:#?}");
    assert!(run.problems.iter().all(|problem| problem.detail.contains("accepted by ada@example.com")), "{run:#?}");
    let plan = world.clock.drive(world.engine().plan(world.id)).expect("a plan").plan;
    assert!(plan.skips.iter().all(|skip| skip.accepted_by.as_deref() == Some("ada@example.com")), "{plan:#?}");
}

/// The version number alone would match.
#[test]
fn a_secret_that_is_made_anew_between_listing_and_reading_is_not_taken_for_the_listed_one() {
    let world = in_step(Mode::Bidirectional, &["known", "fine"]);
    world.put("known", json!({"a": "1", "b": "1"}));
    world.put("new", json!({"value": "listed"}));
    world.kv.before_each_request(|request, mount| {
        let full = format!("team/app/{}", request.path);
        let listed = mount.key(&full).map_or(0, |key| key.current);
        if request.operation == Operation::Read && mount.key(&full).is_some_and(|key| key.created.0 != 7) {
            mount.delete_metadata(&full);
            for _ in 0..listed {
                let unseen = data(json!({"value": "unseen"}));
                mount.put(&full, unseen, None, vaultterm_reconcile::UnixNanos(7)).expect("no cas");
            }
        }
    });
    let run = world.run();
    assert_eq!((run.counts.stale, run.counts.skipped), (1, 1), "{run:#?}");
    assert_eq!(world.record("new"), None);
    assert_eq!(world.record("known"), Some(data(json!({"a": "0", "b": "0"}))));
    world.kv.heal();
    succeed(&world);
    assert_eq!(world.record("new"), Some(data(json!({"value": "unseen"}))));
}

#[test]
fn a_secret_that_is_made_anew_just_before_it_is_written_is_not_overwritten() {
    let world = in_step(Mode::Bidirectional, &["live", "deleted"]);
    world.trash("deleted");
    world.delete("deleted");
    succeed(&world);
    world.save("live", json!({"a": "1", "b": "1"}));
    world.journal.untrash(world.collection_id, &at("deleted"));
    world.kv.before_each_request(|request, mount| {
        let full = format!("team/app/{}", request.path);
        if request.operation == Operation::Look && mount.key(&full).is_some_and(|key| key.created.0 != 7) {
            mount.delete_metadata(&full);
            mount
                .put(&full, data(json!({"value": "unseen"})), None, vaultterm_reconcile::UnixNanos(7))
                .expect("no cas");
        }
    });
    let run = world.run();
    assert_eq!((run.counts.stale, run.counts.updated_remote, run.counts.created_remote), (2, 0, 0), "{run:#?}");
    for path in ["live", "deleted"] {
        assert_eq!((world.version(path), world.secret(path)), (1, Some(data(json!({"value": "unseen"})))));
    }
}

/// Returns the audit entries of synchronized secrets after the first `entries`.
fn synced_since(world: &World, entries: usize) -> Vec<String> {
    let news = world.journal.audit().split_off(entries);
    let synced = news.into_iter().filter(|line| line.action.as_str() == "HCV_SECRET_SYNCED");
    let mut synced: Vec<_> = synced.map(|line| line.detail.replace("secret/team/app/", "")).collect();
    synced.sort();
    synced
}

#[test]
fn every_kind_of_change_is_audited_as_what_it_is() {
    let world = in_step(Mode::Bidirectional, &["both", "gone-here", "gone-there", "moves"]);
    let before = world.journal.audit().len();
    world.save("new-here", json!({"a": "1"}));
    world.put("new-there", json!({"a": "1"}));
    world.save("alike", json!({"a": "1"}));
    world.put("alike", json!({"a": "1"}));
    world.save("both", json!({"a": "1", "b": "0"}));
    world.put("both", json!({"a": "0", "b": "0", "note": "1"}));
    world.trash("gone-here");
    world.delete("gone-there");
    world.rename("moves", "moved");
    succeed(&world);
    let expected = [
        "adopted alike",
        "created_local new-there",
        "created_remote new-here",
        "deleted_local gone-there",
        "deleted_remote gone-here",
        "moved_remote moved",
        "updated_local both",
        "updated_remote both",
    ];
    assert_eq!(synced_since(&world, before), expected);
}

#[test]
fn an_adoption_is_audited_when_it_is_the_first_or_changes_mark_or_type_and_not_when_the_base_merely_follows() {
    let adopts = |world: &World, expected: &[&str]| {
        let before = world.journal.audit().len();
        assert_eq!(succeed(world).counts.adopted, 1);
        assert_eq!(synced_since(world, before), expected);
    };
    let world = World::with(Mode::Bidirectional, |options| options.annotate = false);
    let same = |value: &str| {
        world.save("x", json!({"a": value}));
        world.put("x", json!({"a": value}));
    };
    same("0");
    adopts(&world, &["adopted x"]);
    same("1");
    adopts(&world, &[]);
    // The missing mark is set.
    world.journal.edit_connection(world.id, |connection| connection.options.annotate = true);
    adopts(&world, &["adopted x"]);
    // The type was changed in Vault.
    let kind = ("vaultterm-type".to_owned(), "SECURE_NOTE".to_owned());
    world.kv.mount(|mount, _| mount.patch_custom("team/app/x", [kind]));
    adopts(&world, &["adopted x"]);
    assert_eq!(world.record_type("x"), Some(RecordType::SecureNote));
}

#[test]
fn every_secret_that_travelled_is_audited_once() {
    let world = in_step(Mode::Bidirectional, &["x", "y"]);
    let before = world.journal.audit().len();
    world.save("x", json!({"a": "1", "b": "0"}));
    world.put("y", json!({"a": "0", "b": "1"}));
    succeed(&world);
    let audit = world.journal.audit().split_off(before);
    let synced: Vec<_> = audit
        .iter()
        .filter(|line| line.action.as_str() == "HCV_SECRET_SYNCED")
        .map(|line| line.detail.as_str())
        .collect();
    assert_eq!(synced.len(), 2, "{audit:#?}");
    let [here, there] = ["updated_remote secret/team/app/x", "updated_local secret/team/app/y"];
    assert!(synced.contains(&here) && synced.contains(&there), "{synced:?}");
}

#[test]
fn a_run_records_what_it_saw_in_vault_where_both_sides_do_not_agree() {
    let world = in_step(Mode::Bidirectional, &["both", "gone", "theirs", "still"]);
    world.save("both", json!({"a": "1", "b": "0"}));
    world.put("both", json!({"a": "2", "b": "0"}));
    world.put("theirs", json!({"a": "2", "b": "0"}));
    world.delete("gone");
    world.save("still", json!({"a": "1", "b": "0"}));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    let seen = world.journal.seen_rows(world.id);
    let told: Vec<_> = seen
        .iter()
        .map(|one| (one.path.as_str(), one.stamp.map(|stamp| stamp.version.0), one.is_deleted, one.writer.as_deref()))
        .collect();
    let outside = Some("somebody outside VaultTerm");
    assert_eq!(
        told,
        [("both", Some(2), false, outside), ("gone", Some(1), true, outside), ("theirs", Some(2), false, outside)]
    );
    succeed(&world);
    assert_eq!(world.journal.seen_rows(world.id).len(), 1, "the next run replaces them: only the conflict is left");
}

#[test]
fn a_plan_records_what_it_saw_in_vault_as_a_run_does() {
    let world = in_step(Mode::Bidirectional, &["both", "theirs", "still"]);
    world.save("both", json!({"a": "1", "b": "0"}));
    world.put("both", json!({"a": "2", "b": "0"}));
    world.put("theirs", json!({"a": "2", "b": "0"}));
    let seen = || world.journal.seen_rows(world.id).into_iter().map(|one| one.path.to_string()).collect::<Vec<_>>();
    assert!(seen().is_empty());
    world.clock.drive(world.engine().plan(world.id)).expect("a plan");
    assert_eq!(seen(), ["both", "theirs"]);
    assert!(!world.journal.is_leased(world.id));
}

#[test]
fn a_plan_during_a_run_or_without_a_license_records_nothing_that_it_saw() {
    let world = in_step(Mode::Bidirectional, &["theirs"]);
    world.put("theirs", json!({"a": "2", "b": "0"}));
    let plan = || world.clock.drive(world.engine().plan(world.id)).expect("a plan");
    world.journal.steal_lease(world.id);
    plan();
    assert!(world.journal.seen_rows(world.id).is_empty());
    world.journal.clear_leases();
    world.license.take_away("the license has expired");
    plan();
    assert!(world.journal.seen_rows(world.id).is_empty());
}

#[test]
fn a_run_blames_nobody_for_a_secret_on_which_both_sides_never_agreed() {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"a": "1"}));
    world.put("x", json!({"a": "2"}));
    assert_eq!(succeed(&world).counts.conflicts, 1);
    let seen = world.journal.seen_rows(world.id);
    assert_eq!((seen.len(), seen[0].writer.as_deref()), (1, None));
}
