//! Bounds how many denials of one caller the audit log gets one by one. The rest of a minute becomes one
//! entry with a count, so that a caller cannot fill the log, or keep its only writer busy, with requests that
//! are denied.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;
use vaultterm_ledger::Actor;

/// Denials of one caller in one window that are written one by one.
const ONE_BY_ONE: u64 = 20;
/// How long a window is, in microseconds.
const WINDOW_US: i64 = 60 * 1_000_000;

/// The denials of one caller that were not written one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Who asked.
    pub(crate) actor: Actor,
    /// From where, the last time.
    pub(crate) source_ip: Option<String>,
    /// How many denials.
    pub(crate) count: u64,
    /// What the last one would have needed.
    pub(crate) needs: String,
}

/// The callers that were denied something lately, by their person's id.
#[derive(Default)]
pub struct Denials(Mutex<HashMap<Uuid, Window>>);

struct Window {
    began_us: i64,
    written: u64,
    held: Option<Summary>,
}

impl Denials {
    /// Counts a denial. Returns whether it gets an entry of its own; if not, a summary counts it.
    pub(crate) fn count(&self, actor: &Actor, source_ip: Option<&str>, needs: &str, now_us: i64) -> bool {
        let mut windows = self.windows();
        let window = windows.entry(actor.id).or_insert(Window { began_us: now_us, written: 0, held: None });
        if window.written < ONE_BY_ONE {
            window.written += 1;
            return true;
        }
        let count = window.held.as_ref().map_or(0, |held| held.count) + 1;
        let source_ip = source_ip.map(str::to_owned);
        window.held = Some(Summary { actor: actor.clone(), source_ip, count, needs: needs.to_owned() });
        false
    }

    /// Closes the windows that are over, or all of them. Returns the summaries that are to be written.
    pub(crate) fn due(&self, now_us: i64, all: bool) -> Vec<Summary> {
        let mut summaries = Vec::new();
        self.windows().retain(|_, window| {
            // A clock that was set back ends a window as well.
            let over = all || !(0..WINDOW_US).contains(&now_us.saturating_sub(window.began_us));
            if over {
                summaries.extend(window.held.take());
            }
            !over
        });
        summaries
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Uuid, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::ActorKind;

    use super::*;

    fn actor(id: u128) -> Actor {
        Actor { kind: ActorKind::User, id: Uuid::from_u128(id), name: "ben@example.com".to_owned() }
    }

    #[test]
    fn the_first_denials_of_a_caller_are_written_one_by_one_and_the_rest_of_a_minute_as_one() {
        let denials = Denials::default();
        let written = (0..1_000).filter(|_| denials.count(&actor(1), Some("9.9.9.9"), "scope admin", 0)).count();
        assert_eq!(written, 20);
        assert!(denials.count(&actor(2), None, "scope admin", 5), "another caller is another matter");
        assert_eq!(denials.due(WINDOW_US - 1, false), []);
        let summary = Summary {
            actor: actor(1),
            source_ip: Some("9.9.9.9".to_owned()),
            count: 980,
            needs: "scope admin".to_owned(),
        };
        assert_eq!(denials.due(WINDOW_US, false), [summary]);
        assert!(denials.count(&actor(1), None, "scope admin", WINDOW_US), "the next minute begins");
        assert_eq!(denials.due(WINDOW_US + 5, false), []);
        assert_eq!(denials.windows().len(), 1);
    }

    #[test]
    fn a_shutdown_and_a_clock_that_was_set_back_lose_no_count() {
        let denials = Denials::default();
        for now_us in [0, 10 * WINDOW_US] {
            let written = (0..25).filter(|_| denials.count(&actor(1), None, "x", now_us)).count();
            assert_eq!(written, 20);
            let count: u64 = denials.due(now_us - 1, now_us == 0).iter().map(|summary| summary.count).sum();
            assert_eq!(count, 5);
        }
    }
}
