//! The listener for the metrics.

use vaultterm_server::MetricsListener;

use crate::{failure::Failure, server_config::MetricsListen};

/// Binds the listener. Nobody may have asked for metrics, so a default address that is in use does not stop the server.
pub(super) fn listener(wanted: Option<MetricsListen>) -> Result<Option<MetricsListener>, Failure> {
    let Some(MetricsListen { address, chosen }) = wanted else { return Ok(None) };
    match MetricsListener::bind(address) {
        Ok(listener) => {
            tracing::info!(address = %listener.address(), "metrics are told");
            Ok(Some(listener))
        }
        Err(error) if !chosen => {
            tracing::warn!(%address, %error, "no metrics are told: set VAULTTERM_METRICS_LISTEN to another address, or to off");
            Ok(None)
        }
        Err(error) => Err(Failure::local(format!("cannot listen on {address} for the metrics"))
            .because(&error)
            .hint("set VAULTTERM_METRICS_LISTEN to another address, or to off")),
    }
}
