//! When runs start by themselves. A pure function: the server's scheduler asks it, and starts
//! what it says.

use std::time::Duration;

use vaultterm_reconcile::UnixNanos;

use crate::{Connection, Run, RunState, Trigger, moment::later};

/// How long a local change waits for the next one, so that a burst of edits is one run.
pub const DEBOUNCE: Duration = Duration::from_secs(2);
/// The wait after a first failed run; each further one is twice as long.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(30);
/// The longest wait after failed runs.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60 * 60);

/// The wait after a first refused login; each further one is twice as long. Vault locks a role after five
/// refused logins of which no two are more than 15 minutes apart, and for 15 minutes (its defaults): a schedule that
/// waits longer never adds to the count, and finds the role open again.
pub const LOGIN_REST_FIRST: Duration = Duration::from_secs(30 * 60);
/// The longest wait after refused logins.
pub const LOGIN_REST_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// How a connection stands, as far as its schedule is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// Its newest run; resolutions are none.
    pub last_run: Option<&'a Run>,
    /// How many runs failed in a row, the newest included.
    pub failures: u32,
    /// How many runs in a row were refused at the login, the newest included, since the credential was last
    /// changed or proved good.
    pub logins_refused: u32,
    /// When its collection was last changed by somebody else than a run of this connection, if that
    /// change is in no run yet. Whether it is, change numbers tell; this moment, by the clock of the
    /// node that made the change, only says how long to wait for the next change.
    pub changed: Option<UnixNanos>,
}

/// Decides whether a run should start now, and why; `None` when it should not.
///
/// A paused connection does not run, nor one that nobody ran before (its first plan wants a
/// person), nor one that is halted (its next plan does), nor one that runs.
#[must_use]
pub fn due(standing: &Standing<'_>, now: UnixNanos) -> Option<Trigger> {
    // A change from the future was made by a node whose clock is ahead: nobody waits for that moment.
    let changed = standing.changed.map(|changed| if changed > now { UnixNanos(i64::MIN) } else { changed });
    let standing = &Standing { changed, ..*standing };
    next(standing).filter(|(at, _)| *at <= now).map(|(_, trigger)| trigger)
}

/// Tells when the next run should start if nothing changes, and why.
#[must_use]
pub fn next(standing: &Standing<'_>) -> Option<(UnixNanos, Trigger)> {
    let Standing { connection, last_run, failures, logins_refused, changed } = *standing;
    let last = last_run.map(|run| (run.state, run.finished));
    if connection.paused || !connection.started || matches!(last, Some((RunState::Running | RunState::Halted, _))) {
        return None;
    }
    let finished = last.and_then(|(_, finished)| finished).unwrap_or(UnixNanos(i64::MIN));
    let rested = later(finished, backoff(failures).max(login_rest(logins_refused)));

    let schedule = connection.schedule;
    let interval = Duration::from_secs(schedule.interval_seconds.into());
    let by_interval = (!interval.is_zero()).then(|| (later(finished, interval).max(rested), Trigger::Interval));
    let changed = changed.filter(|_| schedule.on_change);
    let by_change = changed.map(|changed| (later(changed, DEBOUNCE).max(rested), Trigger::Change));
    [by_change, by_interval].into_iter().flatten().min_by_key(|(at, _)| *at)
}

/// Tells how long to rest after failed runs in a row.
fn backoff(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        failures => BACKOFF_FIRST.saturating_mul(1 << (failures - 1).min(16)).min(BACKOFF_MAX),
    }
}

/// Tells how long to rest after logins that were refused in a row: beyond the time for which Vault locks a role and
/// counts its refused logins.
#[must_use]
pub fn login_rest(logins_refused: u32) -> Duration {
    match logins_refused {
        0 => Duration::ZERO,
        refused => LOGIN_REST_FIRST.saturating_mul(1 << (refused - 1).min(16)).min(LOGIN_REST_MAX),
    }
}
