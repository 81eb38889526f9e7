//! The traces: who makes them, and the task that sends them.

use std::time::Duration;

use uuid::Uuid;
use vaultterm_traces::{Delivery, Traces, deliver};

use crate::server_config::TracesConfig;

/// How long the last spans may take to be sent when the server stops.
const END_WITHIN: Duration = Duration::from_secs(3);

/// The traces of a server.
#[derive(Default)]
pub(super) struct Traced {
    /// Makes them.
    pub(super) traces: Traces,
    delivery: Option<Delivery>,
}

impl Traced {
    /// Begins to send traces, if a collector is named. A collector that does not answer does not keep the server from starting.
    pub(super) fn start(config: Option<&TracesConfig>, node: Uuid) -> Self {
        let Some(config) = config else { return Self::default() };
        let (traces, spans) = Traces::new(config.sampling, || vaultterm_sync::system_time().0);
        tracing::info!(collector = config.collector.origin(), sampler = %config.sampling.sampler, "traces are sent");
        let delivery = deliver(spans, config.collector.clone(), config.identity(node));
        Self { traces, delivery: Some(delivery) }
    }

    /// Sends the last spans.
    pub(super) async fn end(self) {
        if let Some(delivery) = self.delivery {
            delivery.end(END_WITHIN).await;
        }
    }
}
