//! When runs start by themselves.

use std::time::Duration;

use uuid::Uuid;
use vaultterm_reconcile::{Counts, Mode, UnixNanos};
use vaultterm_sync::{
    CollectionId, Connection, ConnectionId, EngineProblem, PlanId, Run, RunId, RunPart, RunProblem, RunState, Schedule,
    Trigger,
    schedule::{CUT_OFF_FREE, DEBOUNCE, Hinted, ScheduleFacts, age_max, due, login_rest, next, pause},
};
use vaultterm_testkit::world::{actor, connection};

const NOW: UnixNanos = UnixNanos(1_767_225_600_000_000_000);
const SECOND: i64 = 1_000_000_000;

fn ago(seconds: i64) -> UnixNanos {
    UnixNanos(NOW.0 - seconds * SECOND)
}

/// Returns a connection with an interval of 300 seconds and `on_change`.
fn scheduled() -> Connection {
    connection(ConnectionId(Uuid::nil()), CollectionId(Uuid::nil()), Mode::Bidirectional)
}

fn run(state: RunState, finished: Option<UnixNanos>) -> Run {
    Run {
        id: RunId(Uuid::nil()),
        connection_id: ConnectionId(Uuid::nil()),
        plan_id: None,
        state,
        trigger: Trigger::Interval,
        actor: actor(),
        counts: Counts::default(),
        halts: Vec::new(),
        problems: Vec::new(),
        started: ago(1_000),
        finished,
        requests: 0,
        part: RunPart::default(),
    }
}

fn due_after(connection: &Connection, run: Option<&Run>, failures: u32, changed: Option<UnixNanos>) -> Option<Trigger> {
    due(&ScheduleFacts { connection, last_run: run, failures, logins_refused: 0, changed, hinted: None }, NOW)
}

/// Returns the facts of a connection after a run, with nothing else to say.
fn after<'a>(connection: &'a Connection, run: &'a Run) -> ScheduleFacts<'a> {
    ScheduleFacts { connection, last_run: Some(run), failures: 0, logins_refused: 0, changed: None, hinted: None }
}

#[test]
fn the_interval_counts_from_the_end_of_the_last_run() {
    let connection = scheduled();
    for (finished, expected) in [(299, None), (300, Some(Trigger::Interval)), (9_000, Some(Trigger::Interval))] {
        let last = run(RunState::Succeeded, Some(ago(finished)));
        assert_eq!(due_after(&connection, Some(&last), 0, None), expected, "{finished}");
    }
    let last = run(RunState::Partial, Some(ago(100)));
    let facts = after(&connection, &last);
    assert_eq!(next(&facts), Some((UnixNanos(NOW.0 + 200 * SECOND), Trigger::Interval)));
}

#[test]
fn an_interval_of_zero_is_none() {
    let mut connection = scheduled();
    connection.schedule.interval_seconds = 0;
    let last = run(RunState::Succeeded, Some(ago(9_000)));
    assert_eq!(due_after(&connection, Some(&last), 0, None), None);
    assert_eq!(due_after(&connection, Some(&last), 0, Some(ago(5))), Some(Trigger::Change));
}

#[test]
fn a_change_starts_a_run_once_no_other_followed_for_two_seconds() {
    let connection = scheduled();
    let last = run(RunState::Succeeded, Some(ago(60)));
    assert_eq!(DEBOUNCE, Duration::from_secs(2));
    assert_eq!(due_after(&connection, Some(&last), 0, Some(ago(1))), None);
    assert_eq!(due_after(&connection, Some(&last), 0, Some(ago(2))), Some(Trigger::Change));
}

#[test]
fn a_change_by_a_node_whose_clock_is_ahead_does_not_wait_for_that_moment() {
    let connection = scheduled();
    let last = run(RunState::Succeeded, Some(ago(60)));
    assert_eq!(due_after(&connection, Some(&last), 0, Some(ago(-3_600))), Some(Trigger::Change));
}

#[test]
fn a_change_starts_nothing_when_on_change_is_off() {
    let mut connection = scheduled();
    connection.schedule.on_change = false;
    let last = run(RunState::Succeeded, Some(ago(60)));
    assert_eq!(due_after(&connection, Some(&last), 0, Some(ago(60))), None);
}

#[test]
fn a_connection_that_nobody_ran_or_somebody_paused_does_not_run() {
    for change in
        [(|connection| connection.paused = true) as fn(&mut Connection), |connection| connection.started = false]
    {
        let mut connection = scheduled();
        change(&mut connection);
        let last = run(RunState::Succeeded, Some(ago(9_000)));
        assert_eq!(due_after(&connection, Some(&last), 0, Some(ago(9_000))), None);
        assert_eq!(due_after(&connection, None, 0, None), None);
    }
}

#[test]
fn a_halted_or_running_connection_waits() {
    let connection = scheduled();
    for last in [run(RunState::Halted, Some(ago(9_000))), run(RunState::Running, None)] {
        assert_eq!(due_after(&connection, Some(&last), 0, Some(ago(9_000))), None, "{:?}", last.state);
    }
}

#[test]
fn failed_runs_are_repeated_ever_more_rarely_up_to_a_bound() {
    let mut connection = scheduled();
    connection.schedule.interval_seconds = 1;
    let last = run(RunState::Failed, Some(NOW));
    let waits: Vec<_> = [1, 2, 3, 20, u32::MAX]
        .into_iter()
        .map(|failures| {
            let changed = Some(ago(60));
            let facts = ScheduleFacts {
                connection: &connection,
                last_run: Some(&last),
                failures,
                logins_refused: 0,
                changed,
                hinted: None,
            };
            let (at, _) = next(&facts).expect("it is repeated");
            Duration::from_nanos(u64::try_from(at.0 - NOW.0).expect("later"))
        })
        .collect();
    assert_eq!(waits, [30, 60, 120, 3_600, 3_600].map(Duration::from_secs));
}

#[test]
fn a_started_connection_without_a_run_is_due_at_once() {
    assert_eq!(due_after(&scheduled(), None, 0, None), Some(Trigger::Interval));
}

/// By its defaults, Vault locks a role for 15 minutes after five refused logins that follow each other within
/// 15 minutes.
const LOCKOUT: Duration = Duration::from_secs(15 * 60);

#[test]
fn refused_logins_are_repeated_more_rarely_than_vault_counts_them_whatever_the_interval_and_the_changes() {
    let mut connection = scheduled();
    connection.schedule.interval_seconds = 1;
    let last = run(RunState::Failed, Some(NOW));
    let waits: Vec<_> = [1, 2, 3, 4, 5, 20, u32::MAX]
        .into_iter()
        .map(|refused| {
            let changed = Some(ago(60));
            let facts = ScheduleFacts {
                connection: &connection,
                last_run: Some(&last),
                failures: refused,
                logins_refused: refused,
                changed,
                hinted: None,
            };
            let (at, _) = next(&facts).expect("it is repeated");
            let wait = Duration::from_nanos(u64::try_from(at.0 - NOW.0).expect("later"));
            assert_eq!(due(&facts, UnixNanos(at.0 - 1)), None);
            assert!(wait > LOCKOUT && wait == login_rest(refused));
            wait.as_secs() / 60
        })
        .collect();
    assert_eq!(waits, [30, 60, 120, 240, 360, 360, 360]);
}

#[test]
fn a_login_that_was_not_refused_adds_no_wait() {
    assert_eq!(login_rest(0), Duration::ZERO);
}

/// Returns a run that its server did not end.
fn cut_off(state: RunState, class: EngineProblem) -> Run {
    let problem = RunProblem { path: String::new(), class: class.into(), detail: String::new(), hint: None };
    Run { problems: vec![problem], ..run(state, Some(ago(1))) }
}

#[test]
fn a_run_that_was_cut_off_is_continued_at_once_and_later_if_many_in_a_row_were() {
    let connection = scheduled();
    for last in [
        cut_off(RunState::Failed, EngineProblem::LeaseLost),
        cut_off(RunState::Partial, EngineProblem::LeaseLost),
        cut_off(RunState::Cancelled, EngineProblem::ServerStopped),
    ] {
        assert_eq!(due_after(&connection, Some(&last), 1, None), Some(Trigger::Takeover), "{last:?}");
        assert_eq!(due_after(&connection, Some(&last), CUT_OFF_FREE, None), Some(Trigger::Takeover), "{last:?}");
        assert_eq!(due_after(&connection, Some(&last), CUT_OFF_FREE + 1, None), None, "too many in a row wait");
        let earlier = Run { finished: Some(ago(40)), ..last };
        assert_eq!(due_after(&connection, Some(&earlier), CUT_OFF_FREE + 1, None), Some(Trigger::Takeover));
        let of_a_plan = Run { plan_id: Some(PlanId(Uuid::nil())), finished: Some(ago(1)), ..earlier };
        assert_eq!(due_after(&connection, Some(&of_a_plan), 1, None), None, "a person chose what it does");
    }
    for last in [
        run(RunState::Failed, Some(ago(1))),
        run(RunState::Cancelled, Some(ago(1))),
        cut_off(RunState::Failed, EngineProblem::Database),
    ] {
        assert_eq!(due_after(&connection, Some(&last), 0, None), None, "{last:?} was not cut off");
    }
}

#[test]
fn a_run_that_was_cut_off_on_a_connection_that_a_person_runs_by_hand_waits_for_the_person() {
    let mut connection = scheduled();
    connection.schedule.interval_seconds = 0;
    connection.schedule.on_change = false;
    let last = cut_off(RunState::Failed, EngineProblem::LeaseLost);
    assert_eq!(due_after(&connection, Some(&last), 1, None), None);
    connection.schedule.on_change = true;
    assert_eq!(due_after(&connection, Some(&last), 1, None), Some(Trigger::Takeover));
}

#[test]
fn where_requests_are_limited_looks_use_at_most_half_of_the_budget() {
    let mut connection = scheduled();
    connection.schedule.requests_per_second_max = 10;
    for (requests, seconds) in [(0, 300), (3_000, 300), (10_106, 1_010)] {
        let last = Run { requests, ..run(RunState::Succeeded, Some(ago(0))) };
        let expected = Some((UnixNanos(NOW.0 + seconds * SECOND), Trigger::Interval));
        assert_eq!(next(&after(&connection, &last)), expected, "{requests}");
    }
    connection.schedule.interval_seconds = 0;
    assert_eq!(pause(connection.schedule, None), None);
}

#[test]
fn what_is_known_of_vault_is_at_most_as_old_as_the_pause_and_a_look_together() {
    let connection = scheduled();
    let last = Run { started: ago(130), ..run(RunState::Succeeded, Some(ago(90))) };
    assert_eq!(age_max(connection.schedule, Some(&last)), Some(Duration::from_secs(300 + 40)));
    assert_eq!(age_max(connection.schedule, None), None);
    let manual = Schedule { interval_seconds: 0, ..connection.schedule };
    assert_eq!(age_max(manual, Some(&last)), None);
}

#[test]
fn a_hint_starts_a_run_at_once_but_not_on_what_a_person_must_look_at() {
    let hinted = Some(Hinted { failures: 0, finished: None });
    for (state, expected) in [
        (RunState::Succeeded, Some(Trigger::Hint)),
        (RunState::Partial, Some(Trigger::Hint)),
        (RunState::Halted, None),
        (RunState::Running, None),
    ] {
        let (connection, last) = (scheduled(), run(state, Some(ago(1))));
        assert_eq!(due(&ScheduleFacts { hinted, ..after(&connection, &last) }, NOW), expected, "{state:?}");
        let paused = Connection { paused: true, ..connection };
        assert_eq!(due(&ScheduleFacts { hinted, ..after(&paused, &last) }, NOW), None);
    }
}

#[test]
fn runs_that_hints_started_rest_after_failures() {
    let (connection, last) = (scheduled(), run(RunState::Succeeded, Some(ago(100))));
    let hinted = |failures, ended| Some(Hinted { failures, finished: Some(ago(ended)) });
    for (hinted, expected) in [
        (hinted(0, 0), Some(Trigger::Hint)),
        (hinted(1, 29), None),
        (hinted(1, 30), Some(Trigger::Hint)),
        (hinted(2, 59), None),
        (hinted(2, 60), Some(Trigger::Hint)),
    ] {
        assert_eq!(due(&ScheduleFacts { hinted, ..after(&connection, &last) }, NOW), expected, "{hinted:?}");
    }
}

/// Hints that never end must not keep the rest of a connection from being looked at.
#[test]
fn a_look_at_everything_has_its_turn_among_hints() {
    let (connection, last) = (scheduled(), run(RunState::Succeeded, Some(ago(301))));
    let hinted = Some(Hinted { failures: 0, finished: Some(ago(0)) });
    assert_eq!(due(&ScheduleFacts { hinted, ..after(&connection, &last) }, NOW), Some(Trigger::Interval));
}
