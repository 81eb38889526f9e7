//! Faults of the remote, the database and the lease, and cancelling.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{HaltKind, Mode};
use vaultterm_sync::{EngineError, Event, FaultClass, Progress, RemoteFault, Run, RunState};
use vaultterm_testkit::{
    Operation, Rule, Verdict, World, fault,
    world::{Ask, data},
};

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
        for operation in [Operation::Connect, Operation::Observe, Operation::Write, Operation::Annotate] {
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
        assert_eq!((run.problems[0].path.as_str(), run.problems[0].class.0.as_str()), ("key-0", class.as_str()));
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
        assert_eq!(run.problems[0].class.0, told);
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
        assert_eq!(run.problems[0].class.0, class.as_str());
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
    assert_eq!(run.problems.last().map(|problem| problem.class.0.as_str()), Some("remote_sealed"));
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
    assert_eq!((run.state, run.problems[0].class.0.as_str()), (RunState::Failed, "login_refused"));
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
    world.kv.script(fails(Operation::Annotate, FaultClass::Denied));
    let run = world.run();
    assert_eq!((run.state, run.counts.created_remote), (RunState::Partial, 1));
    assert_eq!(run.problems[0].class.0, "denied");
    assert_eq!(world.run().state, RunState::Succeeded);
    assert!(world.marks("key-0").contains_key("vaultterm-instance"), "the next run marks it");
    in_step(&world, 1);
}

// ---- unknown outcomes ----------------------------------------------------------------------

#[test]
fn a_write_whose_answer_was_lost_is_recognised_and_not_sent_again() {
    let world = records(1);
    world.kv.script(Rule::next(Operation::Write, Verdict::FailAfter(fault(FaultClass::Unknown))));
    let run = world.run();
    assert_eq!((run.state, run.counts.created_remote), (RunState::Succeeded, 1), "{run:#?}");
    assert_eq!(count(&world, Operation::Write), 1);
    assert_eq!(world.version("key-0"), 1);
    in_step(&world, 1);
}

#[test]
fn a_write_that_never_arrived_is_sent_once_more() {
    let world = records(1);
    world.kv.script(fails(Operation::Write, FaultClass::Unknown));
    let run = world.run();
    assert_eq!((run.state, run.counts.created_remote), (RunState::Succeeded, 1), "{run:#?}");
    assert_eq!(count(&world, Operation::Write), 2);
    in_step(&world, 1);
}

#[test]
fn a_write_that_never_arrives_is_not_sent_for_ever() {
    let world = records(1);
    world.kv.script(fails(Operation::Write, FaultClass::Unknown).always());
    let run = world.run();
    assert_eq!((run.state, run.counts.failed), (RunState::Partial, 1), "{run:#?}");
    assert_eq!(count(&world, Operation::Write), 2);
}

#[test]
fn a_write_that_arrives_late_is_recognised_by_the_second_one() {
    let world = records(1);
    world.kv.script(fails(Operation::Write, FaultClass::Unknown));
    let mut writes = 0;
    world.kv.before_each_request(move |request, mount| {
        writes += i32::from(request.operation == Operation::Write);
        if request.operation == Operation::Write && writes == 2 {
            let late = data(json!({"value": "0"}));
            mount.put("team/app/key-0", late, None, vaultterm_reconcile::UnixNanos(1)).expect("a write without cas");
        }
    });
    let run = world.run();
    assert_eq!((run.state, run.counts.created_remote), (RunState::Succeeded, 1), "{run:#?}");
    assert_eq!(world.version("key-0"), 1);
    in_step(&world, 1);
}

#[test]
fn a_write_without_doubt_that_somebody_else_beat_is_not_taken_for_ours_even_when_the_value_is_the_same() {
    let world = records(1);
    world.kv.before_each_request(|request, mount| {
        if request.operation == Operation::Write && mount.key("team/app/key-0").is_none() {
            let theirs = data(json!({"value": "0"}));
            mount.put("team/app/key-0", theirs, None, vaultterm_reconcile::UnixNanos(1)).expect("a write without cas");
        }
    });
    let run = world.run();
    assert_eq!((run.counts.stale, run.counts.created_remote), (1, 0), "{run:#?}");
    world.kv.heal();
    assert_eq!(world.run().counts.adopted, 1);
    in_step(&world, 1);
}

#[test]
fn a_write_in_doubt_that_somebody_else_beat_is_stale() {
    let world = records(1);
    world.kv.script(fails(Operation::Write, FaultClass::Unknown));
    world.kv.before_each_request(|request, mount| {
        if request.operation == Operation::Look && mount.key("team/app/key-0").is_none() {
            let theirs = data(json!({"value": "theirs"}));
            mount.put("team/app/key-0", theirs, None, vaultterm_reconcile::UnixNanos(1)).expect("a write without cas");
        }
    });
    let run = world.run();
    assert_eq!((run.state, run.counts.stale), (RunState::Partial, 1), "{run:#?}");
    assert_eq!((world.version("key-0"), world.secret("key-0")), (1, Some(data(json!({"value": "theirs"})))));
}

#[test]
fn a_write_in_doubt_that_others_wrote_over_is_stale_even_when_the_value_is_the_same() {
    let world = records(1);
    world.kv.script(Rule::next(Operation::Write, Verdict::FailAfter(fault(FaultClass::Unknown))));
    world.kv.before_each_request(|request, mount| {
        if request.operation == Operation::Look && mount.key("team/app/key-0").is_some_and(|key| key.current == 1) {
            for value in ["another", "0"] {
                let theirs = data(json!({ "value": value }));
                mount.put("team/app/key-0", theirs, None, vaultterm_reconcile::UnixNanos(1)).expect("no cas");
            }
        }
    });
    assert_eq!(world.run().counts.stale, 1);
    world.kv.heal();
    assert_eq!(world.run().counts.adopted, 1);
    in_step(&world, 1);
}

#[test]
fn answers_lost_on_the_way_back_do_no_harm_anywhere() {
    use Operation::{Annotate, Connect, Delete, Look, Observe, Read, Write};
    for operation in [Connect, Observe, Look, Read, Write, Annotate, Delete] {
        let world = records(10);
        assert_eq!(world.run().state, RunState::Succeeded);
        world.save("key-0", json!({"value": "edited"}));
        world.put("key-1", json!({"value": "edited"}));
        world.trash("key-2");
        world.delete("key-3");
        world.save("new", json!({"value": "new"}));
        let class = if operation == Write { FaultClass::Unknown } else { FaultClass::Unavailable };
        world.kv.script(Rule::next(operation, Verdict::FailAfter(fault(class))).times(2));
        let run = world.run();
        assert_eq!(run.state, RunState::Succeeded, "{operation:?}: {run:#?}");
        assert_eq!((world.version("key-0"), world.version("new")), (2, 1), "{operation:?}");
        in_step(&world, 9);
    }
}

// ---- a wrapped SecretID --------------------------------------------------------------------

#[test]
fn a_wrapped_secret_id_is_unwrapped_once_and_stored_before_anything_can_fail() {
    let world = records(1);
    world.kv.wrap_secret_id("wrapping-token");
    world.journal.set_wrapping_token(world.id, "wrapping-token");
    world.kv.script(fails(Operation::Connect, FaultClass::Denied));
    assert_eq!(world.run().state, RunState::Failed);
    assert!(world.journal.secret_id(world.id).is_some(), "the SecretID is stored although the login failed");
    assert_eq!(world.run().state, RunState::Succeeded);
}

#[test]
fn a_wrapping_token_that_was_used_before_is_refused() {
    let world = records(1);
    world.journal.set_wrapping_token(world.id, "used");
    let run = world.run();
    assert_eq!((run.state, run.problems[0].class.0.as_str()), (RunState::Failed, "login_refused"));
}

// ---- leases, the database, cancelling ------------------------------------------------------

#[test]
fn one_run_at_a_time_holds_a_connection() {
    let world = records(1);
    let engine = world.engine();
    let begun = world.clock.drive(engine.begin(world.id, world.request(Ask::default()))).expect("the first run begins");
    let refused = world.run_as(Ask::default());
    assert!(matches!(refused, Err(EngineError::RunInProgress)), "{refused:?}");
    let run = world.clock.drive(engine.run(begun, &(), &CancellationToken::new()));
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(world.run().state, RunState::Succeeded);
}

#[test]
fn a_run_that_lost_its_lease_stops_writing_and_says_so() {
    let world = records(200);
    let journal = world.journal.clone();
    let id = world.id;
    let mut writes = 0;
    world.kv.before_each_request(move |request, _| {
        writes += i32::from(request.operation == Operation::Write);
        if request.operation == Operation::Write && writes == 50 {
            journal.steal_lease(id);
        }
    });
    let run = world.run();
    assert_eq!(run.problems.last().map(|problem| problem.class.0.as_str()), Some("lease_lost"), "{run:#?}");
    let written = (0..200).filter(|n| world.version(&format!("key-{n}")) > 0).count();
    assert!(written < 150, "{written} secrets were written");
    assert_eq!(world.journal.run_row(run.id).map(|row| row.state), Some(run.state), "the run says how it ended");
    assert!(world.journal.is_leased(world.id), "the other holder keeps the lease");

    world.journal.clear_leases();
    world.kv.heal();
    assert_eq!(world.run().state, RunState::Succeeded);
    in_step(&world, 200);
    assert!((0..200).all(|n| world.version(&format!("key-{n}")) == 1), "no second version");
}

#[test]
fn a_run_that_waits_for_an_answer_ends_when_its_lease_is_taken() {
    let world = records(1);
    let (journal, id) = (world.journal.clone(), world.id);
    world.kv.before_each_request(move |request, _| {
        if request.operation == Operation::Observe {
            journal.steal_lease(id);
        }
    });
    world.kv.script(Rule::next(Operation::Observe, Verdict::Hang));
    let run = world.run();
    assert_eq!(run.problems.last().map(|problem| problem.class.0.as_str()), Some("lease_lost"), "{run:#?}");
}

#[test]
fn a_long_run_renews_its_lease() {
    let world = records(1);
    let limited = RemoteFault { retry_after: Some(Duration::from_secs(50)), ..fault(FaultClass::RateLimited) };
    world.kv.script(Rule::next(Operation::Write, Verdict::FailBefore(limited)).times(5));
    let run = world.run();
    let took = run.finished.expect("finished").0 - run.started.0;
    assert!(took > 240_000_000_000, "the run took longer than a lease holds");
    assert_eq!(run.state, RunState::Succeeded);
}

#[test]
fn how_far_a_long_run_is_stands_in_its_row_while_it_goes_on() {
    let world = records(2);
    for gone in ["d", "e"] {
        world.save(gone, json!({"value": gone}));
    }
    assert_eq!(world.run().state, RunState::Succeeded);
    world.save("key-0", json!({"value": "edited"}));
    ["d", "e"].iter().for_each(|gone| world.trash(gone));
    // The deletion of `e` waits twice, and that of `d` is recorded in between.
    let limited = RemoteFault { retry_after: Some(Duration::from_secs(5)), ..fault(FaultClass::RateLimited) };
    world.kv.script(Rule::next(Operation::Look, Verdict::FailBefore(limited)).at("e").times(2));
    let engine = world.engine();
    let begun = world.clock.drive(engine.begin(world.id, world.request(Ask::default()))).expect("begins");
    let (journal, id, seen) = (world.journal.clone(), begun.run.id, Arc::new(Mutex::new(Vec::new())));
    let note = Arc::clone(&seen);
    world.kv.before_each_request(move |request, _| {
        if request.operation == Operation::Delete {
            note.lock().expect("one thread").push((request.path.clone(), journal.run_row(id).expect("its row")));
        }
    });
    let run = world.clock.drive(engine.run(begun, &(), &CancellationToken::new()));
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    let seen = seen.lock().expect("one thread");
    let [(first, early), (second, late)] = &seen[..] else { panic!("{seen:#?}") };
    assert_eq!((first.as_str(), second.as_str()), ("d", "e"));
    // Not every step is recorded: nothing is reported in the first second. (A step counts from the next
    // report on.)
    assert_eq!((early.state, early.counts.updated_remote, early.requests), (RunState::Running, 0, 0));
    assert_eq!((late.state, late.counts.updated_remote, late.counts.deleted_remote), (RunState::Running, 1, 0));
    assert!(late.requests > 5 && late.requests < run.requests, "{} of {}", late.requests, run.requests);
}

#[test]
fn a_lease_that_cannot_be_renewed_for_as_long_as_it_holds_is_lost_and_not_sooner() {
    let world = records(1);
    let journal = world.journal.clone();
    world.kv.before_each_request(move |request, _| journal.set_broken(request.operation == Operation::Observe));
    world.kv.script(Rule::next(Operation::Observe, Verdict::Hang));
    let run = world.run();
    assert_eq!(run.problems.last().map(|problem| problem.class.0.as_str()), Some("lease_lost"), "{run:#?}");
    let took = run.finished.expect("finished").0 - run.started.0;
    assert!((60_000_000_000..61_000_000_000).contains(&took), "{took}");
}

#[test]
fn a_run_that_was_left_behind_is_closed_by_the_next_one() {
    let world = records(1);
    let begun = world.clock.drive(world.engine().begin(world.id, world.request(Ask::default()))).expect("begins");
    let left = begun.run.id;
    drop(begun);
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.run().state, RunState::Succeeded);
    assert_eq!(world.journal.run_row(left).map(|row| row.state), Some(RunState::Failed));
}

#[test]
fn a_database_that_fails_ends_the_run_and_nothing_is_written_twice() {
    let world = records(100);
    let journal = world.journal.clone();
    let mut writes = 0;
    world.kv.before_each_request(move |request, _| {
        writes += i32::from(request.operation == Operation::Write);
        if writes == 30 {
            journal.set_broken(true);
        }
    });
    let run = world.run();
    assert_eq!(run.problems.last().map(|problem| problem.class.0.as_str()), Some("database"), "{run:#?}");
    assert_eq!(world.kv.sessions_open(), 0, "the token is revoked");
    world.journal.set_broken(false);
    world.kv.heal();
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.run().state, RunState::Succeeded);
    in_step(&world, 100);
    assert!((0..100).all(|n| world.version(&format!("key-{n}")) == 1), "no second version");
}

#[test]
fn a_cancelled_run_finishes_what_is_in_flight_and_records_it() {
    let world = records(500);
    let cancel = CancellationToken::new();
    let pressed = cancel.clone();
    let mut writes = 0;
    world.kv.before_each_request(move |request, _| {
        writes += i32::from(request.operation == Operation::Write);
        if writes == 20 {
            pressed.cancel();
        }
    });
    let run: Run = world.clock.drive(world.running(Ask::default(), cancel)).expect("the run begins");
    assert_eq!(run.state, RunState::Cancelled);
    let written = (0..500).filter(|n| world.version(&format!("key-{n}")) > 0).count();
    assert!((20..200).contains(&written), "{written}");
    assert_eq!(run.counts.created_remote, written as u64);
    assert_eq!(world.journal.base_rows(world.id).len(), written, "all that was written is recorded");
    assert_eq!(world.kv.sessions_open(), 0);
    world.kv.heal();
    assert_eq!(world.run().counts.created_remote, 500 - written as u64);
}

#[test]
fn a_run_that_is_cancelled_after_its_last_step_has_succeeded() {
    let world = records(2);
    let cancel = CancellationToken::new();
    let pressed = cancel.clone();
    world.kv.before_each_request(move |request, _| {
        if request.operation == Operation::Close {
            pressed.cancel();
        }
    });
    let run = world.clock.drive(world.running(Ask::default(), cancel)).expect("the run begins");
    assert_eq!((run.state, run.counts.created_remote), (RunState::Succeeded, 2));
}

#[test]
fn a_token_that_cannot_be_revoked_is_a_problem_of_the_run() {
    let world = records(2);
    world.kv.script(fails(Operation::Close, FaultClass::Denied).always());
    let run = world.run();
    assert_eq!((run.state, run.counts.created_remote), (RunState::Partial, 2));
    let [problem] = run.problems.as_slice() else { panic!("{:#?}", run.problems) };
    assert_eq!((problem.path.as_str(), problem.class.0.as_str()), ("", "token_not_revoked"));
    assert!(problem.detail.contains("could not be revoked"), "{problem:?}");
    world.kv.heal();
    assert_eq!(world.run().state, RunState::Succeeded);
}

#[test]
fn an_ignored_namespace_halts_plan_and_run_and_nobody_can_acknowledge_it() {
    let world = records(2);
    world.kv.script(fails(Operation::Connect, FaultClass::NamespaceIgnored).always());
    let plan = world.clock.drive(world.engine().plan(world.id)).expect("a plan can be made");
    let kinds: Vec<_> = plan.plan.halts.iter().map(|halt| halt.kind).collect();
    assert_eq!((kinds, plan.plan.steps.len()), (vec![HaltKind::NamespaceIgnored], 0));
    for run in [world.run(), world.run_acknowledging(HaltKind::ALL)] {
        let kinds: Vec<_> = run.halts.iter().map(|halt| halt.kind).collect();
        assert_eq!((run.state, kinds), (RunState::Halted, vec![HaltKind::NamespaceIgnored]));
    }
    let ask = Ask { plan_id: Some(plan.id), acknowledge: HaltKind::ALL.iter().copied().collect() };
    assert_eq!(world.run_as(ask).expect("a run").state, RunState::Halted);
    assert_eq!(world.version("key-0"), 0, "nothing was written");
    world.kv.heal();
    assert_eq!(world.run().counts.created_remote, 2);
}

/// Records the progress of a run.
#[derive(Default)]
struct Heard(Mutex<Vec<(u64, u64, &'static str)>>);

impl Progress for Heard {
    fn tell(&self, event: Event<'_>) {
        if let Event::Progress { done, total, phase } = event {
            self.0.lock().expect("one thread").push((done, total, phase.as_str()));
        }
    }
}

#[test]
fn a_run_keeps_a_thousand_problems_and_counts_the_others() {
    let world = records(1_005);
    world.kv.script(fails(Operation::Write, FaultClass::Denied).always());
    let run = world.run();
    assert_eq!((run.state, run.counts.failed, run.problems.len()), (RunState::Partial, 1_005, 1_000));
}

#[test]
fn a_run_tells_how_far_it_is() {
    let world = records(3);
    world.kv.script(fails(Operation::Write, FaultClass::Denied).at("key-1"));
    let (engine, heard) = (world.engine(), Heard::default());
    let begun = world.clock.drive(engine.begin(world.id, world.request(Ask::default()))).expect("begins");
    world.clock.drive(engine.run(begun, &heard, &CancellationToken::new()));
    let heard = heard.0.into_inner().expect("one thread");
    let told = [
        (0, 0, "connect"),
        (0, 0, "observe"),
        (0, 0, "plan"),
        (0, 3, "apply"),
        (1, 3, "apply"),
        (2, 3, "apply"),
        (3, 3, "apply"),
        (3, 3, "record"),
    ];
    assert_eq!(heard, told);
}

#[test]
fn a_run_that_is_cancelled_while_it_waits_does_not_wait_on() {
    let world = records(1);
    let cancel = CancellationToken::new();
    let pressed = cancel.clone();
    world.kv.script(fails(Operation::Observe, FaultClass::Sealed).always());
    world.kv.before_each_request(move |request, _| {
        if request.operation == Operation::Observe {
            pressed.cancel();
        }
    });
    let run = world.clock.drive(world.running(Ask::default(), cancel)).expect("the run begins");
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(count(&world, Operation::Observe), 1);
}

/// A server spawns runs on a runtime with several threads.
#[test]
fn the_futures_of_the_engine_may_move_between_threads() {
    fn movable<T: Send>(_: &T) {}
    let world = records(1);
    movable(&world.running(Ask::default(), CancellationToken::new()));
    let engine = world.engine();
    movable(&engine.plan(world.id));
    let conflict = vaultterm_sync::ConflictId(uuid::Uuid::nil());
    let by = vaultterm_sync::ResolvedBy {
        actor: vaultterm_testkit::world::actor(),
        reason: None,
        request_id: None,
        source_ip: None,
    };
    movable(&engine.resolve(conflict, vaultterm_sync::Resolution::KeepLocal, None, &by));
}
