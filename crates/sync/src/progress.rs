//! The events that a run reports while it is in progress.

use vaultterm_reconcile::{Step, names};

use crate::{Run, RunProblem};

names!(
    /// The phase of a run.
    #[allow(missing_docs, reason = "the names say it all")]
    Phase, "phase" {
        Connect = "connect",
        Observe = "observe",
        Plan = "plan",
        Apply = "apply",
        Record = "record",
    }
);

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
    Problem(&'a RunProblem),
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
