//! Decides when runs start by themselves. The function is pure. The server's scheduler calls it and starts
//! the runs.

use std::time::Duration;

use vaultterm_reconcile::UnixNanos;

use crate::{Connection, Run, RunState, Schedule, Trigger, moment::later};

/// The time that a local change waits for the next one, so that several quick edits make one run.
pub const DEBOUNCE: Duration = Duration::from_secs(2);
/// The pause after a first failed run. It doubles with each further failure.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(30);
/// The longest pause after failed runs.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60 * 60);

/// The number of runs in a row that may be cut off or fail before the next one waits. The servers are at fault, and not the
/// connection, unless the run itself ends every server that carries it out.
pub const CUT_OFF_FREE: u32 = 5;

/// The pause after a first refused login. It doubles with each further one. By its defaults, Vault locks a
/// role for 15 minutes after five refused logins that follow each other within 15 minutes. A schedule with
/// longer pauses never adds to that count, and finds the role unlocked.
pub const LOGIN_REST_FIRST: Duration = Duration::from_secs(30 * 60);
/// The longest pause after refused logins.
pub const LOGIN_REST_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// The state of a connection, as far as its schedule depends on it.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleFacts<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// The newest run. Resolutions do not count.
    pub last_run: Option<&'a Run>,
    /// The number of consecutive failed runs up to the newest run.
    pub failures: u32,
    /// The number of consecutive runs up to the newest that were refused at the login since the credential
    /// was last changed or used with success.
    pub logins_refused: u32,
    /// The time of the last change of the collection by another actor than a run of this connection, if no
    /// run has seen that change yet. Change numbers decide whether a run has seen it. The time, by the clock
    /// of the node that made the change, only determines how long to wait for further changes.
    pub changed: Option<UnixNanos>,
    /// The hints that wait, if there are any.
    pub hinted: Option<Hinted>,
}

/// Hints about changes in Vault that no run has followed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hinted {
    /// The number of consecutive runs that hints started and that failed, up to the newest.
    pub failures: u32,
    /// The end of the newest run that hints started.
    pub finished: Option<UnixNanos>,
}

/// Returns the trigger of a run that should start now, or `None` if none should.
///
/// A run that was cut off is continued at once, and after a pause if [`CUT_OFF_FREE`] in a row were. A run that applied a
/// stored plan is not continued.
///
/// No run starts on a paused connection, on one that no person has run before (its first plan needs a
/// person), on a halted one (its next plan needs a person), or while another run is in progress.
#[must_use]
pub fn due(facts: &ScheduleFacts<'_>, now: UnixNanos) -> Option<Trigger> {
    // A change from the future was made by a node whose clock is ahead. The schedule does not wait for that
    // moment.
    let changed = facts.changed.map(|changed| if changed > now { UnixNanos(i64::MIN) } else { changed });
    let facts = &ScheduleFacts { changed, ..*facts };
    next(facts).filter(|(at, _)| *at <= now).map(|(_, trigger)| trigger)
}

/// Returns when the next run should start if nothing changes, with its trigger.
#[must_use]
pub fn next(facts: &ScheduleFacts<'_>) -> Option<(UnixNanos, Trigger)> {
    let ScheduleFacts { connection, last_run, failures, logins_refused, changed, hinted } = *facts;
    let last = last_run.map(|run| (run.state, run.finished));
    if connection.paused || !connection.started || matches!(last, Some((RunState::Running | RunState::Halted, _))) {
        return None;
    }
    let finished = last.and_then(|(_, finished)| finished).unwrap_or(UnixNanos(i64::MIN));
    let rested = later(finished, backoff(failures).max(login_rest(logins_refused)));

    let schedule = connection.schedule;
    let pause = pause(schedule, last_run);
    let by_interval = pause.map(|pause| (later(finished, pause).max(rested), Trigger::Interval));
    let changed = changed.filter(|_| schedule.on_change);
    let by_change = changed.map(|changed| (later(changed, DEBOUNCE).max(rested), Trigger::Change));
    // A connection that a person runs by hand stays in the person's hands.
    let is_automatic = by_interval.is_some() || schedule.on_change;
    // A person chose what a stored plan does. Only the person can choose it again.
    let cut_off = last_run.filter(|run| run.was_cut_off() && is_automatic && run.plan_id.is_none());
    let by_takeover = cut_off.map(|_| {
        let rest = backoff(failures.saturating_sub(CUT_OFF_FREE)).max(login_rest(logins_refused));
        (later(finished, rest), Trigger::Takeover)
    });
    // A hint waits for no further ones: the feed sends several at once, and more of them gather while a run is in progress.
    let by_hint = hinted.map(|Hinted { failures, finished: ended }| {
        let ended = ended.unwrap_or(UnixNanos(i64::MIN));
        (later(ended, backoff(failures).max(login_rest(logins_refused))).max(rested), Trigger::Hint)
    });
    [by_takeover, by_hint, by_change, by_interval].into_iter().flatten().min_by_key(|(at, _)| *at)
}

/// Returns the pause between two runs at intervals, or `None` if no run starts at intervals. Where requests are limited, the
/// pause is at least as long as a look takes at that pace, so that looks use at most half of the budget.
#[must_use]
pub fn pause(schedule: Schedule, last_run: Option<&Run>) -> Option<Duration> {
    if schedule.interval_seconds == 0 {
        return None;
    }
    let interval = Duration::from_secs(schedule.interval_seconds.into());
    let requests = last_run.map_or(0, |run| run.requests);
    let rate = u64::from(schedule.requests_per_second_max);
    Some(requests.checked_div(rate).map_or(interval, |seconds| interval.max(Duration::from_secs(seconds))))
}

/// Returns how old what VaultTerm knows of Vault may become before the next look ends: the pause between two looks, and the
/// time that the last one took. `None` if no run starts at intervals, or none has ended.
#[must_use]
pub fn age_max(schedule: Schedule, last_run: Option<&Run>) -> Option<Duration> {
    let run = last_run?;
    let took = run.finished?.0.saturating_sub(run.started.0);
    Some(pause(schedule, last_run)? + Duration::from_nanos(u64::try_from(took).unwrap_or(0)))
}

/// Returns the pause after consecutive failed runs.
fn backoff(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        failures => BACKOFF_FIRST.saturating_mul(1 << (failures - 1).min(16)).min(BACKOFF_MAX),
    }
}

/// Returns the pause after consecutive refused logins. It is longer than the time for which Vault locks a
/// role and counts its refused logins.
#[must_use]
pub fn login_rest(logins_refused: u32) -> Duration {
    match logins_refused {
        0 => Duration::ZERO,
        refused => LOGIN_REST_FIRST.saturating_mul(1 << (refused - 1).min(16)).min(LOGIN_REST_MAX),
    }
}
