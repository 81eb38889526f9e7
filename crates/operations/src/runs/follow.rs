//! Following a run: what it tells, from an event on.

use std::sync::Arc;

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use uuid::Uuid;
use vaultterm_store::{CollectionRole, Scope};
use vaultterm_sync::RunState;

use super::feed::{LiveEvent, LiveRun, Told};
use crate::{access, caller::Caller, refusal::Refusal, services::Services};

/// Streams what a run tells after an event; everything that is kept after the event 0. The stream ends with
/// the run, and when the server shuts down. Of a run that this process does not know, it tells how the run
/// ended, if it did.
///
/// # Errors
/// [`Refusal`].
pub async fn follow(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    after: u64,
) -> Result<BoxStream<'static, LiveEvent>, Refusal> {
    access::any_scope(services, caller, &[Scope::SyncPlan, Scope::SyncRun, Scope::RecordsRead]).await?;
    let id = access::run(services, caller, id, CollectionRole::Viewer).await?;
    let run = services.store.run(id).await?.ok_or_else(|| Refusal::not_found("run"))?;
    let told = match services.runs.find(run.id) {
        Some(live) => events(live, after),
        None => {
            let ended = run.state != RunState::Running;
            let event = LiveEvent { id: u64::MAX, told: Arc::new(Told::Finished(Box::new(run))) };
            stream::iter(ended.then_some(event)).boxed()
        }
    };
    // A stream would keep the server from shutting down.
    Ok(told.take_until(services.closing.clone().cancelled_owned()).boxed())
}

/// Streams events as they come, until the run ended.
fn events(live: Arc<LiveRun>, after: u64) -> BoxStream<'static, LiveEvent> {
    let batches = stream::unfold((live, after), |(live, after)| async move {
        let events = live.after(after).await;
        let last = events.last()?.id;
        Some((stream::iter(events), (live, last)))
    });
    batches.flatten().boxed()
}
