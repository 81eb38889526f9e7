//! A process that is paused while the world goes on without it.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::Mode;
use vaultterm_sync::{
    Clock as _, EngineError, FaultClass, Journal as _, People, RemoteFault, RunRequest, RunState, new_id,
};
use vaultterm_testkit::{Fuse, MemoryJournal, Operation, Rule, Verdict, World, fault, world::Ask};

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

#[test]
fn steps_that_are_under_way_are_recorded_together_and_a_single_one_at_once() {
    for (secrets, commits) in [(1, 1), (3, 1), (60, 2)] {
        let world = World::new(Mode::Pull);
        for n in 0..secrets {
            world.put(&format!("key-{n}"), json!({"value": n.to_string()}));
        }
        let began = world.clock.now().0;
        let run = world.run();
        assert_eq!((run.state, run.counts.created_local), (RunState::Succeeded, secrets), "{run:#?}");
        assert_eq!(world.journal.commits(), commits, "{secrets} secrets");
        assert!(world.clock.now().0 - began < 1_000_000, "nobody waited");
    }
}

/// Somebody who reads on, and is not being answered at the moment.
struct Somebody;

impl People for Somebody {
    fn asked_ago(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }
}

#[test]
fn few_steps_are_recorded_together_while_people_are_here() {
    for (secrets, commits) in [(1, 1), (60, 8)] {
        let world = World::new(Mode::Pull);
        for n in 0..secrets {
            world.put(&format!("key-{n}"), json!({"value": n.to_string()}));
        }
        let engine = world.engine().beside(Arc::new(Somebody));
        let begun = world.clock.drive(engine.begin(world.id, world.request(Ask::default()))).expect("it begins");
        let run = world.clock.drive(engine.run(begun, &(), &CancellationToken::new()));
        assert_eq!((run.state, run.counts.created_local), (RunState::Succeeded, secrets), "{run:#?}");
        assert_eq!(world.journal.commits(), commits, "{secrets} secrets");
    }
}

#[test]
fn what_was_carried_over_is_recorded_soon_while_another_step_waits_for_vault() {
    let world = World::new(Mode::Pull);
    for path in ["first", "late"] {
        world.put(path, json!({"value": path}));
    }
    let limited = RemoteFault { retry_after: Some(Duration::from_secs(50)), ..fault(FaultClass::RateLimited) };
    world.kv.script(Rule::next(Operation::Read, Verdict::FailBefore(limited)).at("late"));
    let mut run = std::pin::pin!(world.running(Ask::default(), CancellationToken::new()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let recorded = || world.record("first").is_some();
    for _ in 0..1_000 {
        assert!(run.as_mut().poll(&mut context).is_pending(), "the late secret is not there yet");
    }
    assert!(!recorded(), "the batch waits for the step that is under way");
    world.clock.advance(Duration::from_millis(20));
    for _ in 0..1_000 {
        assert!(run.as_mut().poll(&mut context).is_pending(), "the late secret is not there yet");
    }
    assert!(recorded(), "but not for long");
    assert_eq!(world.clock.drive(run).expect("it began").counts.created_local, 2);
}

/// Forgets the bases, as a run on another node does, unless the plan is made and records under the lease what it saw.
fn forget(world: &World, journal: &MemoryJournal) {
    let lease = world.clock.drive(journal.acquire_lease(world.id, new_id(), Duration::from_secs(60)));
    let Some(lease) = lease.expect("the journal answers") else { return };
    let identity = journal.connection_row(world.id).identity.expect("a run looked at the server");
    world.clock.drive(journal.set_base_aside(lease, &identity)).expect("it has the lease");
    world.clock.drive(journal.release_lease(lease)).expect("it has the lease");
}

#[test]
fn a_plan_knows_what_both_sides_agreed_on_before_it_asks_vault() {
    let mut asked_early = 0;
    for at in 1.. {
        let mut world = World::new(Mode::Bidirectional);
        world.save("a", json!({"value": "1"}));
        assert_eq!(world.run().state, RunState::Succeeded);
        drop(world.kv.take_log());
        let (journal, database) = (world.journal.clone(), Fuse::new());
        world.journal = journal.with_fuse(database.clone());
        let engine = world.engine();
        database.set(at);
        let mut plan = std::pin::pin!(engine.plan(world.id));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if (0..200).any(|_| plan.as_mut().poll(&mut context).is_ready()) {
            break;
        }
        // The database does not answer any more. The bases change now, if Vault was asked meanwhile.
        if world.kv.take_log().iter().any(|request| request.operation == Operation::Observe) {
            forget(&world, &journal);
            asked_early += 1;
        }
        database.disarm();
        let made = world.clock.drive(plan).expect("a plan").plan;
        assert_eq!((made.counts().unchanged, made.steps.len()), (1, 0), "paused at await {at}: {made:#?}");
    }
    assert!(asked_early > 0, "the records are read while Vault is asked");
}
