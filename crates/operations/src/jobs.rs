//! What starts by itself: one loop (`job::repeat`), and a file for each job.

mod anchors;
mod checkpoints;
mod deliveries;
mod due_runs;
mod imports;
mod job;
mod last_uses;
mod neighbours;
mod rewrap;

pub use checkpoints::sign_last;
use job::repeat;

use crate::services::Services;

/// Starts every job, each in a task of its own, until the server closes.
pub fn start(services: &Services) {
    let jobs =
        [due_runs::job(), last_uses::job(), deliveries::job(), checkpoints::job(), rewrap::job(), imports::job()];
    let alone = !services.is_shared;
    for job in jobs.into_iter().chain(anchors::jobs(services)).chain(neighbours::jobs()) {
        if !(alone && job.only_in_company) {
            services.tasks.spawn(repeat(services.clone(), job));
        }
    }
}
