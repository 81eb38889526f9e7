//! Records the outcomes of steps in the database in batches, with one transaction per batch.
//!
//! While a batch is being committed, the next one gathers. It also waits a short time for more outcomes, because a large
//! batch costs the database little more than a small one. It never waits for steps that are not under way, so a single
//! outcome is recorded at once. Each step waits for its answer.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::sync::{mpsc, oneshot};

use crate::{Clock, Committed, Journal, Lease, Outcome, Remote, RunId, brake::Stopped, session::Session};

/// The maximum number of outcomes per transaction.
const BATCH_MAX: usize = 200;
/// The number of outcomes for which a batch waits, and how long it waits for them. Steps in flight are more than these, so
/// that Vault has something to do meanwhile.
const GATHERED: usize = 48;
/// The number while people are here. To record so few takes little longer than to record one, and changes far fewer pages of the
/// database than to record each alone. From time to time SQLite copies the changed pages from its log into the file, and nobody
/// can change anything meanwhile.
const GATHERED_BESIDE_PEOPLE: usize = 8;
const GATHERED_WITHIN: Duration = Duration::from_millis(20);

type Entry = (Outcome, oneshot::Sender<Committed>);

/// The end at which steps hand in their outcomes.
pub(crate) struct Recorder {
    outcomes: mpsc::UnboundedSender<Entry>,
    under_way: Arc<AtomicUsize>,
}

/// The other end, with the outcomes that are not recorded yet. The number of steps in flight limits it.
pub(crate) struct Pending {
    outcomes: mpsc::UnboundedReceiver<Entry>,
    under_way: Arc<AtomicUsize>,
}

/// A step that may still hand in an outcome. It is over when this is dropped.
pub(crate) struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Returns both ends.
pub(crate) fn recorder() -> (Recorder, Pending) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let under_way = Arc::<AtomicUsize>::default();
    (Recorder { outcomes: sender, under_way: Arc::clone(&under_way) }, Pending { outcomes: receiver, under_way })
}

impl Recorder {
    /// Notes that a step begins.
    pub(crate) fn begin(&self) -> UnderWay {
        self.under_way.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(&self.under_way))
    }

    /// Records an outcome and waits until it is on disk.
    pub(crate) async fn record(&self, outcome: Outcome) -> Result<Committed, Stopped> {
        let (sender, answer) = oneshot::channel();
        self.outcomes.send((outcome, sender)).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

impl Pending {
    /// Waits for an outcome and a short time for more, and records all that are there by then. Returns `false` if the
    /// recorder is gone and nothing is left, or if the database failed. In the second case it pulls the brake.
    pub(crate) async fn commit_next<J: Journal, R: Remote, K: Clock>(
        &mut self,
        session: &Session<'_, J, R, K>,
        lease: Lease,
        run_id: RunId,
    ) -> bool {
        let mut entries = Vec::new();
        if self.outcomes.recv_many(&mut entries, BATCH_MAX).await == 0 {
            return false;
        }
        self.gather(&mut entries, session).await;
        let (outcomes, answers): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        match session.journal.commit(lease, run_id, outcomes).await {
            Ok(committed) => {
                for (answer, committed) in answers.into_iter().zip(committed) {
                    // A step that gave up meanwhile no longer waits for its answer.
                    let _ = answer.send(committed);
                }
                true
            }
            Err(error) => {
                session.brake.journal_failed(error);
                // Steps that wait for their record, or still hand one in, learn that it is too late.
                self.outcomes.close();
                while self.outcomes.try_recv().is_ok() {}
                false
            }
        }
    }

    /// Waits for more outcomes of steps that are under way. While people are here, they are fewer, and what comes while
    /// somebody is answered is recorded with them.
    async fn gather<J: Journal, R: Remote, K: Clock>(
        &mut self,
        entries: &mut Vec<Entry>,
        session: &Session<'_, J, R, K>,
    ) {
        let has_people = session.calls.room.has_people();
        let enough = if has_people { GATHERED_BESIDE_PEOPLE } else { GATHERED };
        let mut time = pin!(session.clock.sleep(GATHERED_WITHIN));
        while entries.len() < enough.min(self.under_way.load(Relaxed)) {
            let more = pin!(self.outcomes.recv_many(entries, BATCH_MAX - entries.len()));
            match select(more, time.as_mut()).await {
                Either::Left((0, _)) | Either::Right(_) => break,
                Either::Left(_) => {}
            }
        }
        if has_people {
            session.calls.room.pause(session.clock).await;
            while entries.len() < BATCH_MAX
                && let Ok(entry) = self.outcomes.try_recv()
            {
                entries.push(entry);
            }
        }
    }
}
