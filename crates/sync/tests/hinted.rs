//! Hints that come while a run looks at the whole connection: the run follows them at once, and leaves to its own plan what only
//! a look at everything can judge.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::{HaltKind, Mode, SecretPath};
use vaultterm_sync::{FaultClass, Nobody, People, Run, RunRequest, RunState, Trigger};
use vaultterm_testkit::{
    Operation, Rule, Verdict, World, fault,
    world::{Ask, PREFIX, at, data},
};

/// The secrets of a world.
const SECRETS: usize = 20;

/// Returns a world in step.
fn in_step(mode: Mode) -> World {
    let world = World::new(mode);
    for n in 0..SECRETS {
        world.put(&format!("key-{n:02}"), json!({"value": n.to_string()}));
        if mode != Mode::Pull {
            world.save(&format!("key-{n:02}"), json!({"value": n.to_string()}));
        }
    }
    let run = world.run();
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    drop(world.kv.take_log());
    world
}

fn hint(world: &World, paths: &[&str]) {
    paths.iter().for_each(|path| world.hints.add(world.id, at(path)));
}

fn waiting(world: &World) -> BTreeSet<SecretPath> {
    world.hints.waiting(world.id)
}

/// Somebody who reads all the time.
struct Reader;

impl People for Reader {
    fn asked_ago(&self) -> Option<Duration> {
        Some(Duration::from_millis(5))
    }
}

/// Runs the connection as its schedule does.
fn scheduled(world: &World, people: Arc<dyn People>) -> Run {
    let engine = world.engine().beside(people);
    let request = RunRequest { trigger: Trigger::Interval, ..world.request(Ask::default()) };
    world.clock.drive(async {
        let begun = engine.begin(world.id, request).await.expect("the run begins");
        engine.run(begun, &(), &CancellationToken::new()).await
    })
}

/// Runs the connection beside people. As soon as the run has looked at three secrets, another client changes one at the
/// beginning of the listing, and a hint tells so.
fn run_with_a_late_change(world: &World, path: &'static str, people: Arc<dyn People>) -> Run {
    let (mut looks, other) = (0, world.clone());
    world.kv.before_each_request(move |request, mount| {
        looks += u32::from(request.operation == Operation::Look);
        if looks == 3 && request.operation == Operation::Look {
            let now = other.clock.tick();
            mount.put(&format!("{PREFIX}/{path}"), data(json!({"value": "late"})), None, now).expect("no cas");
            other.hints.add(other.id, at(path));
        }
    });
    let run = scheduled(world, people);
    world.kv.before_each_request(|_, _| ());
    run
}

#[test]
fn a_change_is_here_before_the_look_at_everything_ends() {
    let (nobody, reader): (Arc<dyn People>, Arc<dyn People>) = (Arc::new(Nobody), Arc::new(Reader));
    for (mode, people) in [(Mode::Pull, &nobody), (Mode::Bidirectional, &nobody), (Mode::Bidirectional, &reader)] {
        let world = in_step(mode);
        // Each secret needs a request, so the look takes a while.
        world.kv.set_names_only();
        // The look is one of the requests in flight, and takes nobody's place.
        world.journal.edit_connection(world.id, |connection| connection.concurrency_max = 1);
        let run = run_with_a_late_change(&world, "key-00", Arc::clone(people));
        assert_eq!((run.state, run.counts.updated_local), (RunState::Succeeded, 1), "{mode:?}: {run:#?}");
        assert_eq!(run.counts.unchanged, SECRETS as u64);
        assert_eq!(world.record("key-00"), Some(data(json!({"value": "late"}))));
        assert!(waiting(&world).is_empty(), "it was followed");
        let log = world.kv.take_log();
        let read = log.iter().position(|request| request.operation == Operation::Read).expect("the value is read");
        let last = log.iter().position(|request| request.operation == Operation::Look && request.path == "key-19");
        assert!(Some(read) < last, "{log:#?}");
        let again = world.run();
        assert_eq!((again.state, again.counts.unchanged), (RunState::Succeeded, SECRETS as u64), "{again:#?}");
    }
}

#[test]
fn a_hinted_record_is_written_once() {
    for mode in [Mode::Push, Mode::Bidirectional] {
        let world = in_step(mode);
        world.save("key-03", json!({"value": "here"}));
        world.save("new", json!({"value": "here"}));
        hint(&world, &["key-03", "new"]);
        let run = scheduled(&world, Arc::new(Nobody));
        let counts = run.counts;
        assert_eq!((run.state, counts.updated_remote, counts.created_remote), (RunState::Succeeded, 1, 1), "{run:#?}");
        assert_eq!((world.version("key-03"), world.version("new")), (2, 1));
        assert!(waiting(&world).is_empty());
    }
}

#[test]
fn a_conflict_at_a_hinted_path_is_listed_once_and_counted_once() {
    let world = in_step(Mode::Bidirectional);
    world.save("key-01", json!({"value": "here"}));
    world.put("key-01", json!({"value": "there"}));
    hint(&world, &["key-01", "key-02"]);
    let run = scheduled(&world, Arc::new(Nobody));
    assert_eq!((run.state, run.counts.conflicts), (RunState::Succeeded, 1), "{run:#?}");
    assert_eq!(world.open_conflict().conflict.path, at("key-01"));
    assert!(waiting(&world).contains(&at("key-01")), "it tells who wrote the secret, until a run at this path took it");
}

#[test]
fn deletions_wait_for_the_plan_of_the_whole_connection() {
    let world = in_step(Mode::Bidirectional);
    for n in 0..15 {
        world.delete(&format!("key-{n:02}"));
    }
    world.put("key-16", json!({"value": "there"}));
    hint(&world, &["key-00", "key-16"]);
    let run = scheduled(&world, Arc::new(Nobody));
    assert_eq!(run.state, RunState::Halted, "{run:#?}");
    assert_eq!(run.halts[0].kind, HaltKind::MassDeletion);
    assert!(world.record("key-00").is_some(), "nothing is deleted before a person looked");
    assert_eq!(run.counts.updated_local, 1, "what a hint told is counted");
    assert_eq!(world.record("key-16"), Some(data(json!({"value": "there"}))));
    assert!(waiting(&world).contains(&at("key-00")), "nobody has followed that hint to its end");
}

#[test]
fn a_hint_that_a_guard_would_halt_changes_nothing() {
    let world = in_step(Mode::Bidirectional);
    world.put("key-00", json!({"value": "there"}));
    hint(&world, &["key-00"]);
    world.journal.raise_guard(world.id, "the database was restored");
    let halted = scheduled(&world, Arc::new(Nobody));
    assert_eq!((halted.state, halted.counts.updated_local), (RunState::Halted, 0), "{halted:#?}");
    assert_eq!(world.record("key-00"), Some(data(json!({"value": "0"}))));
    assert!(!waiting(&world).is_empty());

    let world = in_step(Mode::Bidirectional);
    world.put("key-00", json!({"value": "there"}));
    hint(&world, &["key-00"]);
    world.license.take_away("it expired");
    let halted = scheduled(&world, Arc::new(Nobody));
    assert_eq!((halted.state, halted.counts.updated_local), (RunState::Halted, 0), "{halted:#?}");
    assert!(!waiting(&world).is_empty());
}

#[test]
fn a_run_that_a_person_starts_follows_no_hint_because_a_guard_may_have_halted_the_connection() {
    let world = in_step(Mode::Bidirectional);
    (0..15).for_each(|n| world.delete(&format!("key-{n:02}")));
    assert_eq!(scheduled(&world, Arc::new(Nobody)).state, RunState::Halted);
    world.put("key-16", json!({"value": "there"}));
    hint(&world, &["key-16"]);
    let halted = world.run();
    assert_eq!((halted.state, halted.counts.updated_local), (RunState::Halted, 0), "{halted:#?}");
    assert_eq!(world.record("key-16"), Some(data(json!({"value": "16"}))), "nothing is written before a person looked");
}

#[test]
fn a_hinted_path_that_fails_again_and_again_stops_no_look_that_is_answered() {
    let world = in_step(Mode::Bidirectional);
    world.put("key-01", json!({"value": "there"}));
    let fails = Verdict::FailBefore(fault(FaultClass::Unavailable));
    world.kv.script(Rule::next(Operation::Look, fails).at("key-00").always());
    hint(&world, &["key-00"]);
    let run = scheduled(&world, Arc::new(Nobody));
    assert_eq!((run.state, run.counts.updated_local), (RunState::Succeeded, 1), "{run:#?}");
    assert_eq!(run.counts.unchanged, SECRETS as u64 - 1);
    assert!(waiting(&world).contains(&at("key-00")), "nobody has looked there");
}

/// After a hint was followed, a replica shows the state before it.
#[test]
fn a_replica_that_lags_behind_a_hint_is_not_taken_for_a_secret_that_went_back() {
    let world = in_step(Mode::Pull);
    world.kv.set_stale_reads(true);
    let before = world.kv.mount(|mount, _| mount.clone());
    world.put("key-00", json!({"value": "there"}));
    let newest = world.kv.mount(|mount, _| mount.clone());
    hint(&world, &["key-00"]);
    let mut was_read = false;
    world.kv.before_each_request(move |request, mount| {
        let at_it = request.path == "key-00";
        was_read |= at_it && request.operation == Operation::Read;
        let lags = was_read && at_it && request.operation == Operation::Look;
        *mount = if lags { before.clone() } else { newest.clone() };
    });
    let run = scheduled(&world, Arc::new(Nobody));
    world.kv.before_each_request(|_, _| ());
    assert_eq!((run.state, run.halts.len(), run.counts.updated_local), (RunState::Succeeded, 0, 1), "{run:#?}");
    assert_eq!(world.record("key-00"), Some(data(json!({"value": "there"}))));
    let next = scheduled(&world, Arc::new(Nobody));
    assert_eq!((next.state, next.counts.unchanged), (RunState::Succeeded, SECRETS as u64), "{next:#?}");
}

#[test]
fn the_license_is_checked_before_each_hint() {
    let world = in_step(Mode::Bidirectional);
    world.kv.set_names_only();
    let (mut looks, other) = (0, world.clone());
    world.kv.before_each_request(move |request, mount| {
        looks += u32::from(request.operation == Operation::Look);
        if looks == 3 && request.operation == Operation::Look {
            other.license.take_away("it expired");
            let now = other.clock.tick();
            mount.put(&format!("{PREFIX}/key-00"), data(json!({"value": "late"})), None, now).expect("no cas");
            hint(&other, &["key-00"]);
        }
    });
    let run = scheduled(&world, Arc::new(Nobody));
    assert_eq!((run.state, run.counts.updated_local), (RunState::Halted, 0), "{run:#?}");
    assert!(!waiting(&world).is_empty());
}

#[test]
fn the_first_look_at_a_connection_follows_no_hint() {
    let world = World::new(Mode::Bidirectional);
    world.put("a", json!({"value": "there"}));
    hint(&world, &["a"]);
    let run = scheduled(&world, Arc::new(Nobody));
    assert_eq!((run.state, run.counts.created_local), (RunState::Succeeded, 1), "{run:#?}");
    assert!(!waiting(&world).is_empty(), "the hint is answered by the end of the run");
}

#[test]
fn a_run_that_dies_while_it_follows_a_hint_is_continued_and_writes_nothing_twice() {
    let (mut at_await, mut died) = (0, 0);
    loop {
        at_await += 1;
        let world = in_step(Mode::Bidirectional);
        world.put("key-00", json!({"value": "there"}));
        world.save("key-01", json!({"value": "here"}));
        world.save("new", json!({"value": "here"}));
        hint(&world, &["key-00", "key-01", "new"]);
        world.fuse.set(at_await);
        let engine = world.engine();
        let request = RunRequest { trigger: Trigger::Interval, ..world.request(Ask::default()) };
        let running = async {
            let begun = engine.begin(world.id, request).await.expect("the run begins");
            engine.run(begun, &(), &CancellationToken::new()).await
        };
        let survived = world.clock.drive_with_fuse(&world.fuse, running).is_some();
        world.fuse.disarm();
        if survived {
            break;
        }
        died += 1;
        world.clock.advance(Duration::from_secs(61));
        hint(&world, &["key-00", "key-01", "new"]);
        let next = scheduled(&world, Arc::new(Nobody));
        assert_eq!(next.state, RunState::Succeeded, "died at await {at_await}: {next:#?}");
        assert_eq!(world.open_conflicts().len(), 0, "died at await {at_await}");
        assert_eq!(world.record("key-00"), Some(data(json!({"value": "there"}))));
        for path in ["key-01", "new"] {
            assert_eq!(world.secret(path), Some(data(json!({"value": "here"}))), "died at await {at_await}");
        }
        assert_eq!((world.version("key-01"), world.version("new")), (2, 1), "died at await {at_await}");
    }
    assert!(died > 50, "{died}");
}
