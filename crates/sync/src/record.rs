//! Records the outcomes of steps in the database in batches, with one transaction per batch.
//!
//! While a batch is being committed, the next one gathers. A batch therefore grows when the database is slow,
//! and a single outcome never waits. Each step waits for its answer.

use tokio::sync::{mpsc, oneshot};

use crate::{
    Committed, Journal, Lease, Outcome, RunId,
    brake::{Brake, Stopped},
};

/// The maximum number of outcomes per transaction.
const BATCH_MAX: usize = 200;

type Entry = (Outcome, oneshot::Sender<Committed>);

/// The end at which steps hand in their outcomes.
pub(crate) struct Recorder {
    outcomes: mpsc::UnboundedSender<Entry>,
}

/// The other end, with the outcomes that are not recorded yet. The number of steps in flight limits it.
pub(crate) struct Pending {
    outcomes: mpsc::UnboundedReceiver<Entry>,
}

/// Returns both ends.
pub(crate) fn recorder() -> (Recorder, Pending) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Recorder { outcomes: sender }, Pending { outcomes: receiver })
}

impl Recorder {
    /// Records an outcome and waits until it is on disk.
    pub(crate) async fn record(&self, outcome: Outcome) -> Result<Committed, Stopped> {
        let (sender, answer) = oneshot::channel();
        self.outcomes.send((outcome, sender)).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

impl Pending {
    /// Waits for an outcome, and records all that are there by then. Returns `false` if the recorder is gone
    /// and nothing is left, or if the database failed. In the second case it pulls the brake.
    pub(crate) async fn commit_next<J: Journal>(
        &mut self,
        journal: &J,
        lease: Lease,
        run_id: RunId,
        brake: &Brake,
    ) -> bool {
        let mut entries = Vec::new();
        if self.outcomes.recv_many(&mut entries, BATCH_MAX).await == 0 {
            return false;
        }
        let (outcomes, answers): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        match journal.commit(lease, run_id, outcomes).await {
            Ok(committed) => {
                for (answer, committed) in answers.into_iter().zip(committed) {
                    // A step that gave up meanwhile no longer waits for its answer.
                    let _ = answer.send(committed);
                }
                true
            }
            Err(error) => {
                brake.journal_failed(error);
                // Steps that wait for their record, or still hand one in, learn that it is too late.
                self.outcomes.close();
                while self.outcomes.try_recv().is_ok() {}
                false
            }
        }
    }
}
