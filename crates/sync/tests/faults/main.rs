//! Faults of the remote, the database and the lease, and cancelling.

mod doubt;
mod ends;

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::Mode;
use vaultterm_sync::{EngineError, FaultClass, RemoteFault, RunState};
use vaultterm_testkit::{Operation, Rule, Verdict, World, fault, world::Ask};

/// Returns a world with new records to push.
fn records(count: usize) -> World {
    let world = World::new(Mode::Bidirectional);
    for n in 0..count {
        world.save(&format!("key-{n}"), json!({"value": n.to_string()}));
    }
    world
}

fn fails(operation: Operation, class: FaultClass) -> Rule {
    Rule::next(operation, Verdict::FailBefore(fault(class)))
}

fn count(world: &World, operation: Operation) -> usize {
    world.kv.take_log().iter().filter(|request| request.operation == operation).count()
}

fn in_step(world: &World, secrets: u64) {
    world.kv.heal();
    let run = world.run();
    assert_eq!((run.state, run.counts.unchanged), (RunState::Succeeded, secrets), "{run:#?}");
}

// ---- retries -------------------------------------------------------------------------------

#[test]
fn what_heals_by_waiting_is_repeated() {
    use FaultClass::{RateLimited, Sealed, StaleReplica, Unavailable};
    for class in [Unavailable, StaleReplica, RateLimited, Sealed] {
        for operation in [Operation::Connect, Operation::Observe, Operation::Write, Operation::Mark] {
            let world = records(1);
            world.kv.script(fails(operation, class).times(2));
            let run = world.run();
            assert_eq!(run.state, RunState::Succeeded, "{class:?} at {operation:?}: {run:#?}");
            assert_eq!(world.version("key-0"), 1);
        }
    }
}

#[test]
fn what_does_not_heal_by_waiting_is_asked_once() {
    use FaultClass::{Denied, Invalid, Protocol, Redirected};
    for class in [Denied, Invalid, Protocol, Redirected] {
        let world = records(1);
        world.kv.script(fails(Operation::Write, class).always());
        let run = world.run();
        assert_eq!((run.state, run.counts.failed), (RunState::Partial, 1), "{class:?}");
        assert_eq!((run.problems[0].path.as_str(), run.problems[0].class.as_str()), ("key-0", class.as_str()));
        assert_eq!(count(&world, Operation::Write), 1, "{class:?}");
        in_step_after_one_more_run(&world);
    }
}

fn in_step_after_one_more_run(world: &World) {
    world.kv.heal();
    assert_eq!(world.run().state, RunState::Succeeded);
    in_step(world, 1);
}

#[test]
fn a_server_is_given_the_time_it_asks_for() {
    let world = records(1);
    let wait = Duration::from_secs(17);
    let limited = RemoteFault { retry_after: Some(wait), ..fault(FaultClass::RateLimited) };
    world.kv.script(Rule::next(Operation::Write, Verdict::FailBefore(limited)));
    let run = world.run();
    let took = run.finished.expect("finished").0 - run.started.0;
    assert!(u128::try_from(took).expect("time goes forward") >= wait.as_nanos());
    assert_eq!(run.state, RunState::Succeeded);
}

/// The connection allows eight requests under way at once.
#[test]
fn half_as_many_requests_are_under_way_after_the_server_limited_the_rate() {
    let world = records(30);
    world.kv.script(fails(Operation::Write, FaultClass::RateLimited));
    assert_eq!(world.run().state, RunState::Succeeded);
    let crowds = world.kv.take_crowds();
    let full = crowds.iter().position(|crowd| *crowd == 8).expect("all that the connection allows");
    assert!(crowds[full + 1..full + 8].iter().all(|crowd| *crowd <= 5), "{crowds:?}");
    assert!(crowds[full + 1..].contains(&8), "and as many as before again, after answers: {crowds:?}");
}

#[test]
fn one_failing_path_never_stops_the_others() {
    let world = records(50);
    world.kv.script(fails(Operation::Write, FaultClass::Unavailable).at("key-7").always());
    world.kv.script(fails(Operation::Write, FaultClass::Invalid).at("key-8").always());
    let run = world.run();
    assert_eq!((run.state, run.counts.created_remote, run.counts.failed), (RunState::Partial, 48, 2), "{run:#?}");
    let failed: Vec<_> = run.problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(failed, ["key-7", "key-8"]);
    world.kv.heal();
    assert_eq!(world.run().counts.created_remote, 2);
    in_step(&world, 50);
}

#[test]
fn a_secret_that_could_not_be_read_is_a_failure_and_one_that_may_not_be_read_is_a_skip() {
    for (class, state, failed) in
        [(FaultClass::Protocol, RunState::Partial, 1), (FaultClass::Denied, RunState::Succeeded, 0)]
    {
        let world = records(2);
        assert_eq!(world.run().state, RunState::Succeeded);
        world.put("key-0", json!({"value": "theirs"}));
        world.save("key-1", json!({"value": "ours"}));
        world.kv.script(fails(Operation::Read, class).always());
        let run = world.run();
        let counts = run.counts;
        assert_eq!((run.state, counts.failed, counts.skipped), (state, failed, 1 - failed), "{class:?}: {run:#?}");
        assert_eq!(counts.updated_remote, 1, "the others go on");
        assert_eq!(run.problems[0].path, "key-0");
        let told = if failed == 1 { class.as_str() } else { "skipped" };
        assert_eq!(run.problems[0].class.as_str(), told);
        world.kv.heal();
        assert_eq!(world.run().counts.updated_local, 1);
        in_step(&world, 2);
    }
}

#[test]
fn a_server_that_is_gone_for_good_ends_the_run_rather_than_every_path() {
    for class in [FaultClass::Sealed, FaultClass::Unavailable] {
        let world = records(500);
        world.kv.script(fails(Operation::Write, class).always());
        let run = world.run();
        assert_eq!(run.state, RunState::Failed, "{class:?}");
        assert_eq!((run.problems.len(), run.problems[0].path.as_str()), (1, ""), "{:?}", run.problems);
        assert_eq!(run.problems[0].class.as_str(), class.as_str());
        let writes = count(&world, Operation::Write);
        assert!(writes < 100, "{writes} writes were tried");
    }
}

#[test]
fn a_server_that_seals_in_the_middle_leaves_a_partial_run_that_the_next_one_completes() {
    let world = records(100);
    let mut left = 60;
    let kv = world.kv.clone();
    // The server is sealed from within a request, and this takes effect with the next one.
    let sealing = CancellationToken::new();
    let sealed = sealing.clone();
    world.kv.before_each_request(move |request, _| {
        left -= i32::from(request.operation == Operation::Write);
        if left == 0 {
            sealed.cancel();
        }
    });
    let run = world.clock.drive(async {
        let run = world.running(Ask::default(), CancellationToken::new());
        let seal = async {
            sealing.cancelled().await;
            kv.set_sealed(true);
        };
        futures_util::future::join(run, seal).await.0.expect("the run begins")
    });
    assert_eq!(run.state, RunState::Partial, "{run:#?}");
    assert_eq!(run.problems.last().map(|problem| problem.class.as_str()), Some("remote_sealed"));
    world.kv.heal();
    world.kv.set_sealed(false);
    assert_eq!(world.run().state, RunState::Succeeded);
    in_step(&world, 100);
    assert!((0..100).all(|n| world.version(&format!("key-{n}")) == 1), "no second version");
}

#[test]
fn a_refused_login_is_tried_once_and_said_once() {
    let world = records(3);
    world.kv.set_secret_id("another");
    let run = world.run();
    assert_eq!((run.state, run.problems[0].class.as_str()), (RunState::Failed, "login_refused"));
    assert_eq!(count(&world, Operation::Connect), 1);
    let planned = world.clock.drive(world.engine().plan(world.id));
    assert!(matches!(planned, Err(EngineError::Remote(fault)) if fault.class == FaultClass::LoginRefused));
}

#[test]
fn a_login_that_is_refused_in_the_middle_ends_the_run() {
    let world = records(300);
    world.kv.script(fails(Operation::Write, FaultClass::LoginRefused).always());
    let run = world.run();
    assert_eq!((run.state, run.problems.len()), (RunState::Failed, 1), "{run:#?}");
    assert!(count(&world, Operation::Write) <= 8, "no more than were in flight");
}

#[test]
fn a_mark_that_is_refused_is_a_problem_and_the_value_travels() {
    let world = records(1);
    world.kv.script(fails(Operation::Mark, FaultClass::Denied));
    let run = world.run();
    assert_eq!((run.state, run.counts.created_remote), (RunState::Partial, 1));
    assert_eq!(run.problems[0].class.as_str(), "denied");
    assert_eq!(world.run().state, RunState::Succeeded);
    assert!(world.marks("key-0").contains_key("vaultterm-instance"), "the next run marks it");
    in_step(&world, 1);
}
