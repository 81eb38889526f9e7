//! Pushing the audit log to webhooks: in order, at least once, none left out.
//!
//! A message is up to 100 entries. Where it ends is stored before it is sent and the cursor moves
//! after it was taken, so that a message is sent again as it was, under the same id, until then.
//! One delivery at a time for each webhook, each in a task of its own: none waits for another.
//!
//! What is due, and when to try again, is decided in `due.rs`; `delivery.rs` goes on from there.

mod delivery;
mod due;
mod message;
mod sender;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;
use vaultterm_store::StoreError;

pub(crate) use delivery::{Tried, try_out};
pub(crate) use sender::Sender;

use crate::app::App;

/// How often it is asked what is due.
const TICK: Duration = Duration::from_secs(1);
/// The longest wait after the database failed.
const REST_MAX: Duration = Duration::from_secs(60);

/// The webhooks that something is being sent to.
#[derive(Clone, Default)]
struct Busy(Arc<Mutex<BTreeSet<Uuid>>>);

/// A webhook's turn, over when it is dropped.
struct Turn {
    busy: Busy,
    id: Uuid,
}

impl Busy {
    /// Takes a webhook's turn, unless somebody has it.
    fn take(&self, id: Uuid) -> Option<Turn> {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(id).then(|| Turn { busy: self.clone(), id })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Runs until the server closes.
pub(crate) async fn run(app: App) {
    let (busy, mut rest) = (Busy::default(), TICK);
    loop {
        tokio::select! {
            () = app.closing.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        rest = match tick(&app, &busy).await {
            Ok(()) => TICK,
            Err(error) => {
                tracing::error!(%error, "the webhooks could not be read from the database");
                (rest * 2).min(REST_MAX)
            }
        };
    }
}

/// Begins every delivery that is due.
async fn tick(app: &App, busy: &Busy) -> Result<(), StoreError> {
    let webhooks = app.store.every_webhook().await?;
    if webhooks.is_empty() {
        return Ok(());
    }
    let (now_us, end) = (app.now_us(), app.store.log_end().await?);
    if webhooks.iter().any(|webhook| webhook.old_until_us.is_some_and(|until| until <= now_us)) {
        app.store.forget_old_webhook_secrets(now_us).await?;
    }
    for webhook in webhooks.into_iter().filter(|webhook| due::is_due(webhook, end.seq, now_us)) {
        let Some(turn) = busy.take(webhook.id) else { continue };
        let app = app.clone();
        app.tasks.clone().spawn(async move {
            let _turn = turn;
            let closing = app.closing.clone();
            tokio::select! {
                // What was on its way is sent again by the next server.
                () = closing.cancelled() => {}
                () = delivery::deliver(&app, webhook.id) => {}
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Busy;

    #[test]
    fn a_webhook_has_one_delivery_at_a_time() {
        let (busy, id) = (Busy::default(), Uuid::now_v7());
        let turn = busy.take(id).expect("nobody has it");
        assert!(busy.take(id).is_none());
        assert!(busy.take(Uuid::now_v7()).is_some(), "others do not wait");
        drop(turn);
        assert!(busy.take(id).is_some());
    }
}
