//! Deletions, renames and expiry: what must be proven, what is kept, and what comes back.

use std::time::Duration;

use serde_json::json;
use vaultterm_reconcile::{ConflictKind, DeletionPolicy, ExpiryPolicy, Mode};
use vaultterm_sync::{FaultClass, Run, RunState};
use vaultterm_testkit::{
    Operation, Rule, Verdict, World, fault,
    world::{at, data},
};

fn succeed(world: &World) -> Run {
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    run
}

/// Returns a world in step on ten paths, so that a single deletion does not count as a mass deletion.
fn in_step(mode: Mode) -> World {
    let world = World::new(mode);
    for n in 0..10 {
        world.save(&format!("key-{n}"), json!({"value": n.to_string()}));
        world.put(&format!("key-{n}"), json!({"value": n.to_string()}));
    }
    succeed(&world);
    world
}

fn nothing_to_do(world: &World) {
    let run = succeed(world);
    let counts = vaultterm_reconcile::Counts { unchanged: run.counts.unchanged, ..Default::default() };
    assert_eq!(run.counts, counts);
}

#[test]
fn a_record_in_the_trash_soft_deletes_exactly_the_version_that_was_seen() {
    let world = in_step(Mode::Bidirectional);
    world.trash("key-3");
    assert_eq!(succeed(&world).counts.deleted_remote, 1);
    assert_eq!(world.secret("key-3"), None);
    let undeleted = world.kv.mount(|mount, now| {
        mount.undelete("team/app/key-3", 1, now);
        mount.read("team/app/key-3", 1, now).map(|version| version.data.clone())
    });
    assert_eq!(undeleted, Some(data(json!({"value": "3"}))), "the version is not destroyed");
}

#[test]
fn a_version_written_while_its_secret_is_deleted_stays_alive_and_becomes_a_conflict() {
    let world = in_step(Mode::Bidirectional);
    world.trash("key-3");
    // This is the last possible moment: the run looked at the secret once more, and it was in the planned
    // state.
    let mut looked = false;
    world.kv.before_each_request(move |request, mount| {
        if looked {
            mount
                .put("team/app/key-3", data(json!({"value": "edited"})), Some(1), vaultterm_reconcile::UnixNanos(1))
                .ok();
        }
        looked |= request.operation == Operation::Look;
    });
    let run = world.run();
    assert_eq!((run.state, run.counts.stale, run.counts.deleted_remote), (RunState::Partial, 1, 0));
    world.kv.heal();
    succeed(&world);
    assert_eq!(world.secret("key-3"), Some(data(json!({"value": "edited"}))));
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::LocalDeleted);
}

#[test]
fn a_number_used_again_after_a_metadata_delete_is_not_the_secret_to_delete() {
    let world = in_step(Mode::Bidirectional);
    world.trash("key-3");
    world.kv.before_each_request(|request, mount| {
        let seen = mount.key("team/app/key-3").map(|key| key.created.0);
        if request.operation == Operation::Look && seen != Some(7) {
            mount.delete_metadata("team/app/key-3");
            mount
                .put("team/app/key-3", data(json!({"value": "new"})), None, vaultterm_reconcile::UnixNanos(7))
                .expect("a write without cas");
        }
    });
    let run = world.run();
    assert_eq!((run.counts.stale, run.counts.deleted_remote), (1, 0), "{run:#?}");
    assert_eq!(world.secret("key-3"), Some(data(json!({"value": "new"}))));
}

#[test]
fn a_deleted_secret_moves_its_record_to_the_trash_with_all_revisions() {
    let world = in_step(Mode::Bidirectional);
    world.delete("key-3");
    world.delete_metadata("key-4");
    assert_eq!(succeed(&world).counts.deleted_local, 2);
    assert_eq!((world.record("key-3"), world.record("key-4")), (None, None));
    assert_eq!(world.journal.records().len(), 10, "nothing is gone for good");
    nothing_to_do(&world);
}

#[test]
fn an_undeleted_secret_brings_its_record_back() {
    let world = in_step(Mode::Bidirectional);
    world.delete("key-3");
    succeed(&world);
    world.kv.mount(|mount, now| mount.undelete("team/app/key-3", 1, now));
    assert_eq!(succeed(&world).counts.created_local, 1);
    assert_eq!(world.record("key-3"), Some(data(json!({"value": "3"}))));
    assert_eq!(world.journal.records().len(), 10, "the same record came back");
    nothing_to_do(&world);
}

#[test]
fn a_record_taken_out_of_the_trash_is_written_over_the_deleted_head() {
    let world = in_step(Mode::Bidirectional);
    world.trash("key-3");
    succeed(&world);
    world.journal.untrash(world.collection_id, &at("key-3"));
    assert_eq!(succeed(&world).counts.created_remote, 1);
    assert_eq!((world.secret("key-3"), world.version("key-3")), (Some(data(json!({"value": "3"}))), 2));
    nothing_to_do(&world);
}

#[test]
fn a_path_missing_from_a_listing_is_asked_for_by_name_and_never_deleted() {
    let world = in_step(Mode::Bidirectional);
    world.kv.hide("team/app/key-3");
    let run = succeed(&world);
    assert_eq!(run.counts.deleted_local, 0);
    assert!(world.record("key-3").is_some());
}

#[test]
fn a_failed_listing_never_deletes() {
    for class in [FaultClass::Denied, FaultClass::Protocol, FaultClass::WrongMount, FaultClass::Unavailable] {
        let world = in_step(Mode::Bidirectional);
        world.kv.script(Rule::next(Operation::Observe, Verdict::FailBefore(fault(class))).always());
        let run = world.run();
        assert_eq!(run.state, RunState::Failed, "{class:?}");
        assert_eq!(run.problems[0].class.as_str(), class.as_str());
        assert_eq!(world.record("key-3"), Some(data(json!({"value": "3"}))));
        assert_eq!(world.kv.sessions_open(), 0, "the token is revoked");
    }
}

#[test]
fn an_absence_that_cannot_be_proven_is_left_alone_and_told() {
    let world = in_step(Mode::Bidirectional);
    world.delete_metadata("key-3");
    for (class, state, skipped, failed) in [
        (FaultClass::Denied, RunState::Succeeded, 1, 0),
        (FaultClass::Protocol, RunState::Partial, 0, 1),
        (FaultClass::Invalid, RunState::Partial, 0, 1),
    ] {
        world.kv.script(Rule::next(Operation::Look, Verdict::FailBefore(fault(class))));
        let run = world.run();
        assert_eq!((run.state, run.counts.skipped, run.counts.failed), (state, skipped, failed), "{class:?}");
        assert_eq!((run.counts.deleted_local, run.problems[0].path.as_str()), (0, "key-3"), "{class:?}");
        assert!(world.record("key-3").is_some());
    }
}

#[test]
fn where_answers_may_be_stale_absence_counts_once_two_runs_in_a_row_saw_it() {
    let world = in_step(Mode::Bidirectional);
    world.kv.set_stale_reads(true);
    world.delete_metadata("key-3");
    world.delete("key-4");
    let run = succeed(&world);
    assert_eq!((run.counts.skipped, run.counts.deleted_local), (2, 0), "{run:#?}");

    world.kv.mount(|mount, now| mount.undelete("team/app/key-4", 1, now));
    let run = succeed(&world);
    assert_eq!((run.counts.skipped, run.counts.deleted_local), (0, 1), "{run:#?}");
    assert!(world.record("key-3").is_none() && world.record("key-4").is_some());

    world.delete("key-4");
    assert_eq!(succeed(&world).counts.deleted_local, 0, "what came back in between is a new suspicion");
    assert_eq!(succeed(&world).counts.deleted_local, 1);
}

#[test]
fn an_absence_that_was_suspected_before_the_secret_moved_on_is_suspected_again() {
    let world = in_step(Mode::Bidirectional);
    world.kv.set_stale_reads(true);
    let gone = world.kv.mount(|mount, _| {
        let mut gone = mount.clone();
        gone.delete_metadata("team/app/key-3");
        gone
    });
    world.kv.tell_old_news(gone.clone());
    let run = world.run();
    assert_eq!((run.counts.skipped, run.counts.deleted_local), (1, 0), "{run:#?}");
    assert!(run.problems[0].detail.contains("to be confirmed by the next run"), "{:?}", run.problems);
    // In between, a decision or another event moves the base.
    let mut moved = world.journal.base_rows(world.id).remove(&at("key-3")).expect("a base");
    moved.stamp.version = moved.stamp.version.next();
    world.journal.set_base(world.id, &at("key-3"), moved);
    world.kv.tell_old_news(gone);
    assert_eq!(world.run().counts.deleted_local, 0, "what was missed before was another version");
    assert_eq!(world.run().counts.deleted_local, 1);
}

#[test]
fn an_edit_is_never_lost_to_a_deletion() {
    let world = in_step(Mode::Bidirectional);
    world.trash("key-3");
    world.put("key-3", json!({"value": "edited"}));
    world.delete("key-4");
    world.save("key-4", json!({"value": "edited"}));
    succeed(&world);
    let kinds: Vec<_> = world.open_conflicts().into_iter().map(|row| row.conflict.kind).collect();
    assert_eq!(kinds, [ConflictKind::LocalDeleted, ConflictKind::RemoteDeleted]);
    assert_eq!(world.secret("key-3"), Some(data(json!({"value": "edited"}))));
    assert_eq!(world.record("key-4"), Some(data(json!({"value": "edited"}))));
}

#[test]
fn retained_means_that_the_other_side_is_left_alone_and_not_imported_again() {
    for mode in [Mode::Push, Mode::Pull, Mode::Bidirectional] {
        let world = in_step(mode);
        world.journal.edit_connection(world.id, |connection| connection.options.deletions = DeletionPolicy::Retain);
        match mode {
            Mode::Pull => world.delete("key-3"),
            Mode::Push | Mode::Bidirectional => world.trash("key-3"),
        }
        for _ in 0..2 {
            let run = succeed(&world);
            assert_eq!((run.counts.deleted_remote, run.counts.deleted_local), (0, 0), "{mode:?}");
            assert_eq!((run.counts.created_remote, run.counts.created_local), (0, 0), "{mode:?}");
        }
        let (here, there) = (world.record("key-3").is_some(), world.secret("key-3").is_some());
        assert_eq!((here, there), (mode == Mode::Pull, mode != Mode::Pull), "{mode:?}");
    }
}

#[test]
fn a_renamed_record_moves_its_secret() {
    for mode in [Mode::Push, Mode::Bidirectional] {
        let world = in_step(mode);
        world.rename("key-3", "moved/key-3");
        let run = succeed(&world);
        assert_eq!((run.counts.updated_remote, run.counts.deleted_remote), (1, 0), "{mode:?}");
        assert_eq!(world.secret("moved/key-3"), Some(data(json!({"value": "3"}))));
        assert_eq!(world.secret("key-3"), None);
        assert_eq!(world.record("key-3"), None);
        nothing_to_do(&world);
    }
}

#[test]
fn an_old_secret_that_is_edited_during_its_move_stays_and_becomes_a_conflict() {
    let world = in_step(Mode::Bidirectional);
    world.rename("key-3", "moved");
    world.kv.before_each_request(|request, mount| {
        if request.operation == Operation::Delete {
            mount.put("team/app/key-3", data(json!({"value": "edited"})), None, vaultterm_reconcile::UnixNanos(1)).ok();
        }
    });
    let run = world.run();
    assert_eq!((run.state, run.counts.stale), (RunState::Partial, 1));
    world.kv.heal();
    succeed(&world);
    assert_eq!(world.secret("moved"), Some(data(json!({"value": "3"}))));
    assert_eq!(world.secret("key-3"), Some(data(json!({"value": "edited"}))));
    assert_eq!(world.open_conflict().conflict.path, at("key-3"));
}

#[test]
fn an_old_secret_that_changed_before_its_move_began_is_left_alone_and_so_is_the_new_path() {
    let world = in_step(Mode::Bidirectional);
    world.rename("key-3", "moved");
    world.kv.before_each_request(|request, mount| {
        let reused = mount.key("team/app/key-3").is_some_and(|key| key.created.0 == 7);
        if request.operation == Operation::Look && !reused {
            mount.delete_metadata("team/app/key-3");
            mount
                .put("team/app/key-3", data(json!({"value": "new"})), None, vaultterm_reconcile::UnixNanos(7))
                .expect("a write without cas");
        }
    });
    let run = world.run();
    assert_eq!((run.state, run.counts.stale), (RunState::Partial, 1), "{run:#?}");
    assert_eq!(world.secret("key-3"), Some(data(json!({"value": "new"}))));
    assert_eq!(world.version("moved"), 0);
}

#[test]
fn nothing_is_deleted_before_everything_is_written() {
    let world = in_step(Mode::Bidirectional);
    world.trash("key-0");
    for n in 0..40 {
        world.save(&format!("new-{n}"), json!({"value": n.to_string()}));
    }
    drop(world.kv.take_log());
    succeed(&world);
    let log = world.kv.take_log();
    let last_write = log.iter().rposition(|request| request.operation == Operation::Write);
    let first_delete = log.iter().position(|request| request.operation == Operation::Delete);
    assert!(last_write < first_delete, "{log:?}");
}

#[test]
fn a_move_whose_deletion_is_refused_keeps_the_new_secret_and_says_so() {
    let world = in_step(Mode::Bidirectional);
    world.rename("key-3", "moved");
    world.kv.script(Rule::next(Operation::Delete, Verdict::FailBefore(fault(FaultClass::Denied))));
    let run = world.run();
    assert_eq!((run.state, run.counts.failed), (RunState::Partial, 1));
    assert_eq!(world.secret("moved"), Some(data(json!({"value": "3"}))));
    succeed(&world);
    assert_eq!(world.secret("key-3"), None, "the next run completes the move");
    assert!(world.record("moved").is_some() && world.record("key-3").is_none());
    nothing_to_do(&world);
}

#[test]
fn expiry_is_no_deletion_unless_the_connection_says_so() {
    for (policy, stays) in [(ExpiryPolicy::Ignore, true), (ExpiryPolicy::Propagate, false)] {
        let world = in_step(Mode::Bidirectional);
        world.journal.edit_connection(world.id, |connection| connection.options.expired = policy);
        world.kv.mount(|mount, now| {
            let hour = Some(Duration::from_secs(3_600));
            mount.put_metadata("team/app/lease", std::collections::BTreeMap::new(), hour, 0, now);
        });
        world.put("lease", json!({"value": "short-lived"}));
        assert_eq!(succeed(&world).counts.created_local, 1);
        nothing_to_do(&world);
        world.clock.advance(Duration::from_secs(3_601));
        succeed(&world);
        assert_eq!(world.record("lease").is_some(), stays, "{policy:?}");
        nothing_to_do(&world);
    }
}
