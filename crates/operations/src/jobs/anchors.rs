//! Deliveries to the anchors of the audit log: a job for each.

use std::{sync::Arc, time::Duration};

use super::job::Job;
use crate::{
    anchors::{Anchor, deliver_within},
    services::Services,
};

/// How long a delivery may take.
const WITHIN: Duration = Duration::from_secs(60);

pub(super) fn jobs(services: &Services) -> Vec<Job> {
    services.anchors.iter().map(|anchor| job(Arc::clone(anchor))).collect()
}

fn job(anchor: Arc<Anchor>) -> Job {
    let name = format!("anchor {}", anchor.name());
    let work = move |services: Services| {
        let anchor = Arc::clone(&anchor);
        let delivered = async move {
            tokio::select! {
                () = services.closing.cancelled() => true,
                delivered = deliver_within(&anchor, &services, WITHIN) => delivered,
            }
        };
        Box::pin(delivered) as _
    };
    Job::new(name, Duration::from_secs(1), work).at_once()
}
