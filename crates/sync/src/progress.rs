//! The events that a run reports while it is in progress.

use vaultterm_reconcile::Step;

use crate::{Problem, Run};

/// The phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Phase {
    Connect,
    Observe,
    Plan,
    Apply,
    Record,
}

impl Phase {
    /// Returns the name used in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Observe => "observe",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Record => "record",
        }
    }
}

/// An event of a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// The progress of the run.
    Progress {
        /// The number of steps that are done.
        done: u64,
        /// The number of all steps.
        total: u64,
        /// The phase.
        phase: Phase,
    },
    /// A step was carried out and recorded.
    Step(&'a Step),
    /// A path was not synchronized.
    Problem(&'a Problem),
    /// The run has ended.
    Finished(&'a Run),
}

/// A listener for events.
pub trait Progress: Send + Sync {
    /// Takes an event. It must not block.
    fn tell(&self, event: Event<'_>);
}

impl Progress for () {
    fn tell(&self, _: Event<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_have_names() {
        let all = [Phase::Connect, Phase::Observe, Phase::Plan, Phase::Apply, Phase::Record];
        assert_eq!(all.map(Phase::as_str), ["connect", "observe", "plan", "apply", "record"]);
    }
}
