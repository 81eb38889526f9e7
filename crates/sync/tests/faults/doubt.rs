//! Writes whose outcome is unknown, and wrapped `SecretID`s.

use serde_json::json;
use vaultterm_sync::{FaultClass, RunState};
use vaultterm_testkit::{Operation, Rule, Verdict, fault, world::data};

use super::{count, fails, in_step, records};

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
    use Operation::{Connect, Delete, Look, Mark, Observe, Read, Write};
    for operation in [Connect, Observe, Look, Read, Write, Mark, Delete] {
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
    assert_eq!((run.state, run.problems[0].class.as_str()), (RunState::Failed, "login_refused"));
}
