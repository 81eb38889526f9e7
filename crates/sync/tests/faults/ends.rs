//! Leases, a database that fails, and runs that are cancelled.

use std::{sync::Arc, sync::Mutex, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::HaltKind;
use vaultterm_sync::{EngineError, Event, FaultClass, Progress, RemoteFault, Run, RunState};
use vaultterm_testkit::{Operation, Rule, Verdict, fault, world::Ask};

use super::{count, fails, in_step, records};

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
    let world = records(400);
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
    assert_eq!(run.problems.last().map(|problem| problem.class.as_str()), Some("lease_lost"), "{run:#?}");
    let written = (0..400).filter(|n| world.version(&format!("key-{n}")) > 0).count();
    assert!(written <= 168, "{written} secrets were written, more than the steps that were under way");
    assert_eq!(world.journal.run_row(run.id).map(|row| row.state), Some(run.state), "the run says how it ended");
    assert!(world.journal.is_leased(world.id), "the other holder keeps the lease");

    world.journal.clear_leases();
    world.kv.heal();
    assert_eq!(world.run().state, RunState::Succeeded);
    in_step(&world, 400);
    assert!((0..400).all(|n| world.version(&format!("key-{n}")) == 1), "no second version");
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
    assert_eq!(run.problems.last().map(|problem| problem.class.as_str()), Some("lease_lost"), "{run:#?}");
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
    let world = records(2);
    assert_eq!(world.run().state, RunState::Succeeded);
    world.delete_metadata("key-0");
    // A run looks for the missing secret, and reads nothing from the database meanwhile.
    let journal = world.journal.clone();
    world.kv.before_each_request(move |request, _| journal.set_broken(request.operation == Operation::Look));
    world.kv.script(Rule::next(Operation::Look, Verdict::Hang));
    let run = world.run();
    assert_eq!(run.problems.last().map(|problem| problem.class.as_str()), Some("lease_lost"), "{run:#?}");
    let took = run.finished.expect("finished").0 - run.started.0;
    // The first renewal after the lease ended finds that out. No write is sent after 30 seconds in any case.
    assert!((30_000_000_000..33_000_000_000).contains(&took), "{took}");
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
    assert_eq!(run.problems.last().map(|problem| problem.class.as_str()), Some("database"), "{run:#?}");
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
    assert_eq!((problem.path.as_str(), problem.class.as_str()), ("", "token_not_revoked"));
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
    let acknowledge = HaltKind::ALL.iter().copied().collect();
    let ask = Ask { plan_id: Some(plan.id), acknowledge, ..Ask::default() };
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
