//! Decisions that are refused, and decisions that wait.

use std::time::Duration;

use futures_util::future::join;
use serde_json::json;
use vaultterm_reconcile::{ConflictKind, Mode};
use vaultterm_sync::{Clock as _, ConflictStatus, EngineError, FaultClass, Resolution};
use vaultterm_testkit::{Operation, Rule, Verdict, World, fault, world::at, world::data};

use super::{both, in_step, succeed, torn};

#[test]
fn a_decision_is_refused_when_either_side_moved_since() {
    for moves in [
        (|world: &World| world.save("x", json!({"a": "here again", "b": "0"}))) as fn(&World),
        |world| assert_eq!(world.put("x", json!({"a": "there again", "b": "0"})), 3),
        |world| world.delete("x"),
        |world| world.trash("x"),
    ] {
        let world = torn();
        let conflict = world.open_conflict();
        moves(&world);
        let before = both(&world, "x");
        let refused = world.resolve(&conflict, Resolution::KeepLocal);
        assert!(matches!(refused, Err(EngineError::Stale(_))), "{refused:?}");
        assert_eq!(both(&world, "x"), before);
        assert_eq!(world.open_conflict().id, conflict.id);
    }
}

#[test]
fn a_refused_decision_leaves_a_conflict_that_shows_what_is_there_now_and_can_be_decided_at_once() {
    for (moves, said) in [
        (
            (|world: &World| assert_eq!(world.put("x", json!({"a": "there again", "b": "0"})), 3)) as fn(&World),
            "Vault moved again while you decided: version 3 is shown now; nothing was written",
        ),
        (
            |world| world.save("x", json!({"a": "here again", "b": "0"})),
            "the record changed while you decided: revision 3 is shown now; nothing was written",
        ),
        (|world| world.delete("x"), "the secret was deleted in Vault while you decided; nothing was written"),
        (|world| world.trash("x"), "the record was deleted while you decided; nothing was written"),
    ] {
        let world = torn();
        let before = world.open_conflict();
        moves(&world);
        match world.resolve(&before, Resolution::KeepLocal) {
            Err(EngineError::Stale(why)) => assert_eq!(why, said),
            other => panic!("expected a refusal, got {other:?}"),
        }
        let now = world.open_conflict();
        assert_eq!(now.id, before.id);
        assert_ne!(now.conflict.expect, before.conflict.expect, "{said}");
        world.resolve(&now, Resolution::KeepRemote).expect("the decision is based on what is there");
        let (here, there) = both(&world, "x");
        assert_eq!(here, there, "{said}");
        assert!(world.open_conflicts().is_empty());
    }
}

#[test]
fn a_conflict_whose_sides_agree_by_now_is_closed_by_the_refused_decision_and_others_stay_open() {
    let world = torn();
    world.save("other", json!({"value": "here"}));
    world.put("other", json!({"value": "there"}));
    assert_eq!(world.run().counts.conflicts, 2);
    let conflict = world.open_conflicts().into_iter().find(|open| open.conflict.path == at("x")).expect("it is open");
    world.put("x", json!({"a": "here", "b": "0"}));
    match world.resolve(&conflict, Resolution::KeepRemote) {
        Err(EngineError::Stale(why)) => {
            assert_eq!(why, "both sides hold the same by now, so the conflict is closed; nothing was written");
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert_eq!(world.open_conflict().conflict.path, at("other"));
    let closed = world.journal.conflict_rows().into_iter().find(|row| row.id == conflict.id).expect("it is kept");
    assert_eq!(closed.status, ConflictStatus::Converged);
    assert_eq!((world.record("x"), world.version("x")), (Some(data(json!({"a": "here", "b": "0"}))), 3));
}

#[test]
fn a_conflict_that_a_run_would_settle_by_itself_is_closed_by_the_refused_decision() {
    let world = torn();
    let conflict = world.open_conflict();
    world.put("x", json!({"a": "0", "b": "0"}));
    match world.resolve(&conflict, Resolution::KeepRemote) {
        Err(EngineError::Stale(why)) => assert!(why.contains("no decision is needed any more"), "{why}"),
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert!(world.open_conflicts().is_empty());
    assert_eq!(succeed(&world).counts.updated_remote, 1);
    in_step(&world, "x", json!({"a": "here", "b": "0"}));
}

#[test]
fn a_refused_decision_changes_no_conflict_while_a_run_would_halt() {
    let world = torn();
    let before = world.open_conflict();
    for path in ["x", "other"] {
        world.delete_metadata(path);
    }
    match world.resolve(&before, Resolution::KeepLocal) {
        Err(EngineError::Stale(why)) => assert!(why.ends_with("look again"), "{why}"),
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert_eq!(world.open_conflict().conflict.expect, before.conflict.expect);
}

#[test]
fn a_decision_to_delete_is_refused_when_the_record_came_back() {
    let world = World::new(Mode::Bidirectional);
    world.save("x", json!({"value": "0"}));
    world.save("other", json!({"value": "0"}));
    succeed(&world);
    world.trash("x");
    world.put("x", json!({"value": "edited"}));
    succeed(&world);
    let conflict = world.open_conflict();
    world.journal.untrash(world.collection_id, &at("x"));
    let refused = world.resolve(&conflict, Resolution::KeepLocal);
    assert!(matches!(refused, Err(EngineError::Stale(_))), "{refused:?}");
    assert_eq!(world.secret("x"), Some(data(json!({"value": "edited"}))));
}

#[test]
fn a_decision_on_other_states_than_the_conflict_shows_is_refused() {
    let world = torn();
    let old = world.open_conflict();
    world.save("x", json!({"a": "here again", "b": "0"}));
    succeed(&world);
    assert_eq!(world.open_conflict().id, old.id);
    let refused = world.resolve(&old, Resolution::KeepRemote);
    assert!(matches!(refused, Err(EngineError::Stale(_))), "{refused:?}");
}

#[test]
fn a_side_that_moves_in_the_last_moment_is_not_overwritten() {
    let world = torn();
    world.kv.before_each_request(|request, mount| {
        if request.operation == Operation::Write {
            let late = data(json!({"a": "late", "b": "0"}));
            mount.put("team/app/x", late, None, vaultterm_reconcile::UnixNanos(1)).expect("a write without cas");
        }
    });
    let refused = world.resolve(&world.open_conflict(), Resolution::KeepLocal);
    assert!(matches!(refused, Err(EngineError::Stale(_))), "{refused:?}");
    world.kv.heal();
    assert_eq!(world.secret("x"), Some(data(json!({"a": "late", "b": "0"}))));
    succeed(&world);
    assert_eq!(world.open_conflict().conflict.kind, ConflictKind::BothChanged);
}

#[test]
fn a_decision_that_vault_could_not_take_is_recorded_and_completed_by_the_next_run() {
    let world = torn();
    let conflict = world.open_conflict();
    world.kv.script(Rule::next(Operation::Write, Verdict::FailBefore(fault(FaultClass::Denied))));
    match world.resolve(&conflict, Resolution::KeepLocal) {
        Err(EngineError::Remote(fault)) => {
            assert!(fault.hint.is_some_and(|hint| hint.to_string().contains("next run")));
        }
        other => panic!("expected Vault's fault, got {other:?}"),
    }
    assert_eq!(succeed(&world).counts.updated_remote, 1);
    in_step(&world, "x", json!({"a": "here", "b": "0"}));
}

#[test]
fn a_decision_that_vault_could_not_take_stands_however_often_the_record_is_edited_until_then() {
    let world = torn();
    world.kv.script(Rule::next(Operation::Write, Verdict::FailBefore(fault(FaultClass::Denied))));
    world.resolve(&world.open_conflict(), Resolution::KeepLocal).expect_err("Vault refused the write");
    // A write that was not recorded is searched for among 32 revisions. These are more.
    for edit in 0..40 {
        world.save("x", json!({"a": edit.to_string(), "b": "0"}));
    }
    assert_eq!(succeed(&world).counts.updated_remote, 1);
    in_step(&world, "x", json!({"a": "39", "b": "0"}));
}

#[test]
fn a_decision_waits_for_a_run_only_so_long() {
    let world = torn();
    let conflict = world.open_conflict();
    world.journal.steal_lease(world.id);
    let refused = world.resolve(&conflict, Resolution::KeepLocal);
    assert!(matches!(refused, Err(EngineError::RunInProgress)), "{refused:?}");
    world.journal.clear_leases();
    world.resolve(&conflict, Resolution::KeepLocal).expect("resolved");
}

#[test]
fn a_decision_is_carried_out_as_soon_as_a_run_has_ended() {
    for (after, carried_out) in [(0, true), (1, true), (9_700, true), (10_300, false)] {
        let world = torn();
        let conflict = world.open_conflict();
        world.journal.steal_lease(world.id);
        let run_ends = async {
            world.clock.sleep(Duration::from_millis(after)).await;
            world.journal.clear_leases();
        };
        let began = world.clock.now().0;
        let decided = world.resolving(&conflict, Resolution::KeepLocal);
        let (decided, ()) = world.clock.drive(join(decided, run_ends));
        assert_eq!(decided.is_ok(), carried_out, "{after} ms: {decided:?}");
        if carried_out {
            let waited = (world.clock.now().0 - began) / 1_000_000;
            assert!((i64::try_from(after).expect("small")..).contains(&waited) && waited < 10_300, "{waited} ms");
        }
    }
}
