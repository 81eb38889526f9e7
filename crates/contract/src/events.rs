//! The events that the stream of a run sends. The data of `step` is a `StepView`, of `problem` a `ProblemView`, of
//! `finished` a `RunView`.

use serde::{Deserialize, Serialize};
use vaultterm_reconcile::names;
use vaultterm_sync::Phase;

names!(
    /// What an event of a run tells.
    RunEventName, "event" {
        /// How far the run is.
        Progress = "progress",
        /// A step was carried out and recorded.
        Step = "step",
        /// A path was not done.
        Problem = "problem",
        /// The run ended. This is the last event.
        Finished = "finished",
        /// The run was cut off, because its server stopped or lost its lease, and the run in the data continues it. Its events
        /// follow.
        Continued = "continued",
        /// This server stops. Ask again, with the id of the last event.
        Closing = "closing",
    }
);

/// How far a run is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ProgressView {
    /// Steps done.
    pub done: u64,
    /// Steps in all.
    pub total: u64,
    /// Where the run is.
    pub phase: Phase,
}
