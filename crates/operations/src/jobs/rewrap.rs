//! Moves what a retired record key sealed to the new one. Where the server that began a rotation dies, another one goes on.

use std::time::Duration;

use super::job::Job;
use crate::{keys::rewrap_all, services::Services};

/// How often a server looks for a rotation that has begun, here or at another server.
const EVERY: Duration = Duration::from_secs(1);

pub(super) fn job() -> Job {
    let work = |services: Services| {
        let moved = async move {
            rewrap_all(&services).await;
            true
        };
        Box::pin(moved) as _
    };
    Job::new("rewrap", EVERY, work).at_once()
}
