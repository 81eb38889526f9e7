//! A stored plan is applied exactly as it was shown. Paths that changed since are left for the next run.

use serde_json::json;
use vaultterm_reconcile::{Action, Mode};
use vaultterm_sync::RunState;
use vaultterm_testkit::world::data;

use crate::{house::House, vault_side::writes};

async fn prepared() -> House {
    let house = House::new(Mode::Bidirectional).await;
    house.save("kept", json!({"value": "0"})).await;
    house.save("moved", json!({"value": "0"})).await;
    house.succeed().await;
    house.save("kept", json!({"value": "1"})).await;
    house.save("moved", json!({"value": "1"})).await;
    house.put("new", json!({"value": "1"})).await;
    house
}

#[tokio::test]
async fn a_plan_writes_nothing_and_holds_no_value() {
    let house = prepared().await;
    house.save("kept", json!({"value": "a-value-to-be-found"})).await;
    let (before, entries) = (house.print().await, house.asked());
    let stored = house.plan().await;
    assert_eq!(house.print().await, before);
    assert_eq!(writes(&house.asked_since(entries)), Vec::<String>::new());
    let actions: Vec<_> = stored.plan.steps.iter().map(|step| (step.path.as_str(), step.action.as_str())).collect();
    assert_eq!(actions, [("kept", "update_remote"), ("moved", "update_remote"), ("new", "create_local")]);
    let shown = serde_json::to_string(&stored).unwrap();
    assert!(shown.contains("kept") && !shown.contains("a-value-to-be-found"), "{shown}");
}

#[tokio::test]
async fn a_stored_plan_does_what_it_says_and_no_more() {
    let house = prepared().await;
    let stored = house.plan().await;
    house.put("later", json!({"value": "not in the plan"})).await;
    let run = house.apply(stored.id).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!((run.counts.updated_remote, run.counts.created_local), (2, 1));
    assert_eq!(house.record("later").await, None);
    for path in ["kept", "moved", "new"] {
        house.in_step(path, json!({"value": "1"})).await;
    }
    house.succeed().await;
    house.in_step("later", json!({"value": "not in the plan"})).await;
    house.rests().await;
}

#[tokio::test]
async fn what_moved_on_either_side_since_the_plan_is_stale_and_nothing_is_overwritten() {
    let house = prepared().await;
    let stored = house.plan().await;
    assert!(matches!(stored.plan.steps[1].action, Action::UpdateRemote { .. }));
    house.put("moved", json!({"value": "written meanwhile"})).await;
    house.put("new", json!({"value": "2"})).await;
    let run = house.apply(stored.id).await;
    assert_eq!((run.state, run.counts.stale, run.counts.updated_remote), (RunState::Partial, 2, 1), "{run:#?}");
    let stale: Vec<_> = run.problems.iter().map(|problem| (problem.path.as_str(), problem.class.as_str())).collect();
    assert_eq!(stale, [("moved", "stale"), ("new", "stale")]);
    assert_eq!(house.secret("moved").await, Some(data(json!({"value": "written meanwhile"}))));
    house.in_step("kept", json!({"value": "1"})).await;
    // The next run looks again and finds that both sides edited it.
    assert_eq!(house.succeed().await.counts.conflicts, 1);
}
