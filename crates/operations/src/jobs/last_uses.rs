//! Writes when tokens were last used: the requests only note it.

use std::time::Duration;

use super::job::Job;

/// How often it is written. What is noted since is written when the store is closed.
const EVERY: Duration = Duration::from_secs(5);

pub(super) fn job() -> Job {
    let work = |services: crate::services::Services| {
        let written = async move {
            let written = services.store.write_last_uses().await;
            if let Err(error) = &written {
                tracing::warn!(%error, "the times at which tokens were last used could not be written yet");
            }
            written.is_ok()
        };
        Box::pin(written) as _
    };
    // Each server notes the uses that it saw.
    Job::new("last uses", EVERY, work).on_each_server()
}
