//! Starting runs: the one way, for people and for the scheduler.

use vaultterm_sync::{ConnectionId, EngineError, Run, RunRequest};

use crate::app::App;

impl App {
    /// Begins a run and leaves it to a task of its own. Answers the run as it was recorded.
    pub(crate) async fn start_run(&self, id: ConnectionId, request: RunRequest) -> Result<Run, EngineError> {
        let begun = self.engine.begin(id, request).await?;
        let run = begun.run.clone();
        let feed = self.live.guarded(run.id, &self.closing);
        let app = self.clone();
        self.tasks.spawn(async move {
            let ended = app.engine.run(begun, &*feed.run, &feed.run.cancel).await;
            tracing::info!(
                run = %ended.id,
                connection = %ended.connection_id,
                state = ?ended.state,
                requests = ended.requests,
                "run ended"
            );
        });
        Ok(run)
    }
}
