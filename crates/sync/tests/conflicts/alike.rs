//! One answer for all conflicts of a kind, as a plan.

use std::collections::BTreeSet;

use vaultterm_sync::{ResolutionName, StoredPlan};
use vaultterm_testkit::world::Ask;

use super::*;

/// Returns a world with three conflicts of one kind, and a fourth of another kind.
fn four() -> World {
    let world = World::new(Mode::Bidirectional);
    world.save("gone", json!({"v": "0"}));
    succeed(&world);
    world.trash("gone");
    world.put("gone", json!({"v": "there"}));
    for path in ["a", "b", "c"] {
        world.save(path, json!({"v": "here"}));
        world.put(path, json!({"v": "there"}));
    }
    assert_eq!(succeed(&world).counts.conflicts, 4);
    world
}

fn alike(world: &World, answer: ResolutionName) -> Result<StoredPlan, EngineError> {
    let open = world.open_conflicts();
    let model = open.iter().find(|row| row.conflict.path == at("a")).expect("a conflict at a");
    let reason = Some("Vault is right".to_owned());
    world.clock.drive(world.engine().plan_alike(model.id, answer, reason))
}

fn apply(world: &World, plan: &StoredPlan, skip: &[&str]) -> Run {
    let skip: BTreeSet<_> = skip.iter().map(|path| at(path)).collect();
    world.run_as(Ask { plan_id: Some(plan.id), skip, ..Ask::default() }).expect("a run")
}

#[test]
fn one_answer_decides_all_conflicts_of_the_kind_and_no_other() {
    for (answer, value) in [(ResolutionName::KeepRemote, "there"), (ResolutionName::KeepLocal, "here")] {
        let world = four();
        let plan = alike(&world, answer).expect("a plan");
        let paths: Vec<_> = plan.plan.steps.iter().map(|step| step.path.as_str()).collect();
        assert_eq!(paths, ["a", "b", "c"]);
        assert_eq!(world.open_conflicts().len(), 4, "a plan decides nothing");
        let run = apply(&world, &plan, &[]);
        assert_eq!((run.state, run.counts.skipped), (RunState::Succeeded, 0), "{run:#?}");
        for path in ["a", "b", "c"] {
            assert_eq!(both(&world, path), (Some(data(json!({"v": value}))), Some(data(json!({"v": value})))));
        }
        assert_eq!(world.open_conflict().conflict.path, at("gone"));
        let decided = world.journal.audit().into_iter().filter(|line| line.action.as_str() == "HCV_CONFLICT_RESOLVED");
        assert_eq!(decided.count(), 3);
        assert_eq!(succeed(&world).counts.conflicts, 1, "nothing is left to do");
    }
}

#[test]
fn a_conflict_that_moved_is_left_out_when_planned_and_stale_when_applied() {
    let world = four();
    world.put("b", json!({"v": "again"}));
    let plan = alike(&world, ResolutionName::KeepRemote).expect("a plan");
    assert_eq!((plan.decisions.len(), plan.plan.skips[0].path.as_str()), (2, "b"));
    world.save("c", json!({"v": "later"}));
    let run = apply(&world, &plan, &["a"]);
    assert_eq!((run.state, run.counts.stale, run.counts.updated_local), (RunState::Partial, 1, 0));
    assert_eq!(world.record("c"), Some(data(json!({"v": "later"}))));
    assert_eq!(world.open_conflicts().len(), 4);
}

#[test]
fn an_answer_that_depends_on_the_single_conflict_is_refused() {
    let world = four();
    for answer in [ResolutionName::KeepBoth, ResolutionName::Merge] {
        assert!(matches!(alike(&world, answer), Err(EngineError::NotResolvable(_))));
    }
    world.journal.raise_guard(world.id, "the database was restored");
    assert!(matches!(alike(&world, ResolutionName::KeepLocal), Err(EngineError::NotResolvable(_))));
}
