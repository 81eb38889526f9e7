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

names!(
    /// A part of the work of a run, for those who measure. It is finer than a phase, which is part of the API.
    #[allow(missing_docs, reason = "the names say it all")]
    Stage, "stage" {
        Connect = "connect",
        Observe = "observe",
        Inquire = "inquire",
        Plan = "plan",
        Apply = "apply",
        Record = "record",
    }
);

impl From<Phase> for Stage {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Connect => Self::Connect,
            Phase::Observe => Self::Observe,
            Phase::Plan => Self::Plan,
            Phase::Apply => Self::Apply,
            Phase::Record => Self::Record,
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
    Problem(&'a RunProblem),
    /// The run has ended.
    Finished(&'a Run),
}

/// A listener for events.
pub trait Progress: Send + Sync {
    /// Takes an event. It must not block.
    fn tell(&self, event: Event<'_>);

    /// Learns that a part of the work begins, and that the one before has ended. A part that goes on already may be told
    /// again. It must not block.
    fn begins(&self, stage: Stage) {
        let _ = stage;
    }
}

impl Progress for () {
    fn tell(&self, _: Event<'_>) {}
}
