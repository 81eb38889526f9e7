//! A process that is paused while the world goes on without it.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::Mode;
use vaultterm_sync::{EngineError, FaultClass, RemoteFault, RunRequest, RunState};
use vaultterm_testkit::{Operation, Rule, Verdict, World, fault, world::Ask};

/// Returns a world with records to create, change and delete, and a wait that is long enough for a renewal of
/// the lease.
fn busy_for_long() -> World {
    let world = World::new(Mode::Bidirectional);
    for n in 0..6 {
        world.save(&format!("key-{n}"), json!({"value": n.to_string()}));
    }
    assert_eq!(world.run().state, RunState::Succeeded);
    world.save("key-0", json!({"value": "edited"}));
    world.save("new", json!({"value": "1"}));
    world.rename("key-1", "moved");
    world.trash("key-2");
    let limited = RemoteFault { retry_after: Some(Duration::from_secs(50)), ..fault(FaultClass::RateLimited) };
    world.kv.script(Rule::next(Operation::Write, Verdict::FailBefore(limited)));
    world
}

#[test]
fn a_run_that_was_paused_for_longer_than_its_lease_sends_nothing_more_to_vault() {
    /// The number of awaits before the lease is requested.
    const BEFORE_THE_LEASE: u64 = 2;
    let (mut at, mut stopped) = (BEFORE_THE_LEASE, 0);
    loop {
        at += 1;
        let world = busy_for_long();
        world.fuse.set(at);
        let mut run = std::pin::pin!(world.running(Ask::default(), CancellationToken::new()));
        if world.clock.drive_with_fuse(&world.fuse, run.as_mut()).is_some() {
            break;
        }
        world.fuse.disarm();
        world.clock.advance(Duration::from_secs(61));
        world.journal.steal_lease(world.id);
        let sent = world.kv.changes_sent();
        let run = world.clock.drive(run);
        assert_eq!(world.kv.changes_sent(), sent, "paused at await {at}: {run:#?}");
        stopped +=
            u32::from(run.is_ok_and(|run| run.problems.iter().any(|problem| problem.class.as_str() == "lease_lost")));
    }
    assert!(stopped > 50, "most of the pauses stop the run: {stopped} of {at}");
}

#[test]
fn a_due_run_does_not_begin_if_another_node_ran_since_it_was_decided_on() {
    let world = World::new(Mode::Push);
    world.save("a", json!({"value": "1"}));
    let seen = world.run().id;
    let due = || RunRequest { follows: Some(seen), ..world.request(Ask::default()) };
    let engine = world.engine();
    let begun = world.clock.drive(engine.begin(world.id, due())).expect("nobody ran since");
    let ran = world.clock.drive(engine.run(begun, &(), &CancellationToken::new()));
    assert_eq!(ran.state, RunState::Succeeded);
    // Another node looked at the same moment, and is later.
    let late = world.clock.drive(engine.begin(world.id, due()));
    assert!(matches!(late, Err(EngineError::RunInProgress)), "{late:?}");
    // The lease is free again, and a person may run in any case.
    assert_eq!(world.run().state, RunState::Succeeded);
}
