//! What starts by itself: one loop (`job::repeat`), and a file for each job.

mod anchors;
mod checkpoints;
mod deliveries;
mod due_runs;
mod job;
mod last_uses;

pub use checkpoints::sign_last;
use job::repeat;

use crate::{keys::rewrap, services::Services};

/// Starts every job, each in a task of its own, until the server closes.
pub fn start(services: &Services) {
    let jobs = [due_runs::job(), last_uses::job(), deliveries::job(), checkpoints::job()];
    for job in jobs.into_iter().chain(anchors::jobs(services)) {
        services.tasks.spawn(repeat(services.clone(), job));
    }
    services.tasks.spawn(rewrap(services.clone()));
}
