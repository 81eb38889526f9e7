//! A connection without a license. Plans and looks work, and a run writes nothing and forgets nothing.

use std::collections::BTreeSet;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{HaltKind, Mode};
use vaultterm_sync::{EngineError, Resolution, Run, RunState, StoredPlan};
use vaultterm_testkit::{
    Operation, World,
    world::{Ask, at, data},
};

const WHY: &str = "it expired on 2027-01-31";

/// Returns a world with two secrets in step whose license is gone.
fn lapsed(mode: Mode) -> World {
    let world = World::new(mode);
    for name in ["a", "b"] {
        world.save(name, json!({"value": name}));
    }
    assert_eq!(world.run().state, RunState::Succeeded);
    world.license.take_away(WHY);
    world
}

/// Returns the content of both sides and of the database about them.
fn everything(world: &World) -> String {
    let remote =
        world.kv.mount(|mount, _| mount.keys().map(|(path, key)| format!("{path} {key:?}")).collect::<Vec<_>>());
    let (journal, connection) = (&world.journal, world.journal.connection_row(world.id));
    format!(
        "{remote:#?} {:#?} {:#?} {:#?} {:#?} {:#?}",
        journal.records(),
        journal.base_rows(world.id),
        journal.suspicion_rows(world.id),
        journal.conflict_rows(),
        connection.identity,
    )
}

fn halted(run: &Run) -> Vec<HaltKind> {
    assert_eq!(run.state, RunState::Halted, "{run:#?}");
    run.halts.iter().map(|halt| halt.kind).collect()
}

fn plan(world: &World) -> StoredPlan {
    world.clock.drive(world.engine().plan(world.id)).expect("a plan can be made")
}

fn apply(world: &World, plan: &StoredPlan) -> Run {
    let ask = Ask { plan_id: Some(plan.id), ..Ask::default() };
    world.run_as(ask).expect("the run begins")
}

#[test]
fn a_run_without_a_license_looks_and_then_writes_and_forgets_nothing() {
    for mode in [Mode::Push, Mode::Pull, Mode::Bidirectional] {
        let world = lapsed(mode);
        world.save("a", json!({"value": "edited here"}));
        world.save("c", json!({"value": "new here"}));
        world.put("b", json!({"value": "edited there"}));
        world.put("d", json!({"value": "new there"}));
        let before = everything(&world);
        drop(world.kv.take_log());
        let run = world.run();
        assert_eq!(halted(&run), [HaltKind::License]);
        let detail = &run.halts[0].detail;
        assert!(detail.contains(WHY), "{detail}");
        assert_eq!(everything(&world), before);
        let asked: BTreeSet<_> = world.kv.take_log().into_iter().map(|request| request.operation).collect();
        for write in [Operation::Write, Operation::Mark, Operation::Delete] {
            assert!(!asked.contains(&write), "{asked:?}");
        }
        assert!(asked.contains(&Operation::Observe));
        assert_eq!(world.journal.audit().last().map(|line| line.action.as_str()), Some("HCV_SYNC_HALTED"));
    }
}

#[test]
fn nobody_can_acknowledge_a_missing_license() {
    let world = lapsed(Mode::Bidirectional);
    world.save("a", json!({"value": "edited"}));
    let before = everything(&world);
    assert_eq!(halted(&world.run_acknowledging(HaltKind::ALL)), [HaltKind::License]);
    assert_eq!(everything(&world), before);
}

#[test]
fn what_a_guard_found_is_told_beside_the_license() {
    let world = lapsed(Mode::Bidirectional);
    world.delete_metadata("a");
    world.delete_metadata("b");
    let before = everything(&world);
    assert_eq!(halted(&world.run()), [HaltKind::SideEmptied, HaltKind::License]);
    assert_eq!(everything(&world), before);
}

#[test]
fn what_looked_gone_once_is_neither_noted_nor_forgotten_without_a_license() {
    let world = lapsed(Mode::Bidirectional);
    world.kv.set_stale_reads(true);
    world.delete_metadata("a");
    assert_eq!(halted(&world.run()), [HaltKind::License]);
    assert!(world.journal.suspicion_rows(world.id).is_empty());
    world.license.give_back();
    assert_eq!(world.run().counts.skipped, 1);
    let suspected = world.journal.suspicion_rows(world.id);
    assert_eq!(suspected, BTreeSet::from([at("a")]));
    world.license.take_away(WHY);
    assert_eq!(halted(&world.run()), [HaltKind::License]);
    assert_eq!(world.journal.suspicion_rows(world.id), suspected);
    world.license.give_back();
    assert_eq!(world.run().counts.deleted_local, 1);
}

#[test]
fn a_new_connection_stays_new() {
    let world = World::new(Mode::Bidirectional);
    world.save("a", json!({"value": "a"}));
    world.license.take_away("no license is installed");
    assert_eq!(halted(&world.run()), [HaltKind::License]);
    assert_eq!(world.journal.connection_row(world.id).identity, None);
    world.license.give_back();
    assert_eq!(world.run().counts.created_remote, 1);
}

#[test]
fn plans_work_and_the_halt_is_no_part_of_them() {
    let world = lapsed(Mode::Bidirectional);
    world.save("a", json!({"value": "edited"}));
    let stored = plan(&world);
    assert_eq!((stored.plan.steps.len(), stored.plan.halts.len()), (1, 0));
    assert_eq!(world.engine().license_halt().map(|halt| halt.kind), Some(HaltKind::License));
    world.license.give_back();
    assert_eq!(world.engine().license_halt(), None);
    let run = apply(&world, &stored);
    assert_eq!((run.state, run.counts.updated_remote), (RunState::Succeeded, 1));
}

#[test]
fn a_plan_that_was_made_with_a_license_needs_it_when_it_is_applied() {
    let world = World::new(Mode::Bidirectional);
    world.save("a", json!({"value": "a"}));
    let stored = plan(&world);
    world.license.take_away(WHY);
    let before = everything(&world);
    assert_eq!(halted(&apply(&world, &stored)), [HaltKind::License]);
    assert_eq!(everything(&world), before);
    world.license.give_back();
    assert_eq!(apply(&world, &stored).counts.created_remote, 1);
}

#[test]
fn a_license_that_ends_after_a_run_began_counts_and_so_does_one_that_comes() {
    for ends in [true, false] {
        let world = World::new(Mode::Push);
        world.save("a", json!({"value": "a"}));
        let (engine, cancel) = (world.engine(), CancellationToken::new());
        let run = world.clock.drive(async {
            let turn = |gone: bool| if gone { world.license.take_away(WHY) } else { world.license.give_back() };
            turn(!ends);
            let begun = engine.begin(world.id, world.request(Ask::default())).await.expect("it begins");
            turn(ends);
            engine.run(begun, &(), &cancel).await
        });
        assert_eq!(run.state, if ends { RunState::Halted } else { RunState::Succeeded });
        assert_eq!(world.version("a"), u64::from(!ends));
    }
}

#[test]
fn a_decision_is_refused_and_looking_at_the_conflict_is_not() {
    for resolution in [|| Resolution::KeepLocal, || Resolution::KeepRemote, || Resolution::KeepBoth] {
        let world = lapsed(Mode::Bidirectional);
        world.license.give_back();
        world.save("a", json!({"value": "here"}));
        world.put("a", json!({"value": "there"}));
        world.run();
        world.license.take_away(WHY);
        let (conflict, before) = (world.open_conflict(), everything(&world));
        let refused = world.resolve(&conflict, resolution()).expect_err("refused");
        assert!(matches!(refused, EngineError::Unlicensed(_)), "{refused:?}");
        assert!(refused.to_string().contains("plans still work, nothing is written and nothing is forgotten"));
        assert_eq!(everything(&world), before);
        let remote = world.clock.drive(world.engine().remote_of(conflict.id)).expect("Vault answers");
        assert_eq!(remote.expect("it is there").expose()["value"], json!("there"));
        world.license.give_back();
        world.resolve(&conflict, resolution()).expect("nobody moved");
    }
}

#[test]
fn a_renewal_goes_on_where_it_was_without_a_conflict_that_is_none() {
    let world = lapsed(Mode::Bidirectional);
    for round in 0..3 {
        world.save("a", json!({"value": format!("here {round}")}));
        world.put("b", json!({"value": format!("there {round}")}));
        assert_eq!(halted(&world.run()), [HaltKind::License]);
    }
    world.save("c", json!({"value": "new"}));
    world.license.give_back();
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    let counts = (run.counts.updated_remote, run.counts.updated_local, run.counts.created_remote, run.counts.conflicts);
    assert_eq!(counts, (1, 1, 1, 0));
    assert_eq!(world.secret("a"), Some(data(json!({"value": "here 2"}))));
    assert_eq!(world.record("b"), Some(data(json!({"value": "there 2"}))));
    assert!(world.open_conflicts().is_empty());
    assert!(world.journal.base_rows(world.id).contains_key(&at("c")));
}
