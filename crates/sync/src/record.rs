//! Recording: what steps did goes into the database in batches, one transaction each.
//!
//! While one batch is being committed the next one gathers, so a batch is as large as the
//! database is slow, and a lone outcome never waits. Steps wait for their answer.

use tokio::sync::{mpsc, oneshot};

use crate::{
    Committed, Journal, Lease, Outcome, RunId,
    brake::{Brake, Stopped},
};

/// Outcomes per transaction, at most.
const BATCH_MAX: usize = 200;

type Entry = (Outcome, oneshot::Sender<Committed>);

/// Where steps hand in what they did.
pub(crate) struct Recorder {
    outcomes: mpsc::UnboundedSender<Entry>,
}

/// The other end: what was handed in and is not recorded yet. Bounded by the steps in flight.
pub(crate) struct Pending {
    outcomes: mpsc::UnboundedReceiver<Entry>,
}

/// Makes both ends.
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
    /// Waits for something to record, and records all there is by then. Answers `false` when
    /// the recorder is gone and nothing is left, or when the database failed (the brake is
    /// pulled then).
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
                    // A step that gave up meanwhile does not want to know.
                    let _ = answer.send(committed);
                }
                true
            }
            Err(error) => {
                brake.journal_failed(error);
                // Whoever waits for its record, or still wants one, learns that it is too late.
                self.outcomes.close();
                while self.outcomes.try_recv().is_ok() {}
                false
            }
        }
    }
}
