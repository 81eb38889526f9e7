//! Writes when tokens were last used: the requests only note it.

use std::time::Duration;

use crate::app::App;

/// How often it is written.
const EVERY: Duration = Duration::from_secs(5);

/// Runs until the server closes. What is noted then is written when the store is closed.
pub(crate) async fn run(app: App) {
    loop {
        tokio::select! {
            () = app.closing.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = app.store.write_last_uses().await {
            tracing::warn!(%error, "when tokens were last used could not be written yet");
        }
    }
}
