//! The mark that a run leaves in Vault: the manager of a secret, and the run that last touched it.
//!
//! The number of a run is recorded before any secret carries it. A database that finds a higher number in
//! Vault therefore knows that it went back in time (`vaultterm_reconcile::RunMark`). One secret per run is
//! enough. Steps that set a mark anyway include the number. If none does, the first step that changed
//! something in Vault leaves the number with one additional request.

use std::sync::atomic::{AtomicBool, Ordering};

use vaultterm_reconcile::{Mode, Options, Plan, RecordId, RecordType, RunMark, Step};

use crate::{Clock, Journal, Lease, Mark, Remote, brake::Stopped, session::Session};

/// The number of the current run, and whether Vault shows it already.
#[derive(Debug)]
pub(crate) struct RunNumber {
    mark: Option<RunMark>,
    shown: AtomicBool,
}

impl RunNumber {
    /// Draws the number of a run that is about to carry out a plan, and records it. The number is higher
    /// than all that were seen. A run that changes nothing in Vault has no number. `in_part` says that the run did not
    /// look at the whole connection.
    pub(crate) async fn draw<J: Journal, R: Remote, K: Clock>(
        session: &Session<'_, J, R, K>,
        lease: Lease,
        plan: &Plan,
        in_part: bool,
    ) -> Result<Self, Stopped> {
        let known = session.newest_run().await?;
        let newest = RunMark { number: known.number.max(plan.newest_run_seen), ..known };
        let mark = leaves_marks(&session.connection.options, &plan.steps)
            .then(|| if in_part { newest.next_between() } else { newest.next_run() });
        Self::recorded(session, lease, known, newest, mark).await
    }

    /// Draws the number of a decision that `steps` are about to carry out.
    pub(crate) async fn draw_for_decision<J: Journal, R: Remote, K: Clock>(
        session: &Session<'_, J, R, K>,
        lease: Lease,
        steps: &[Step],
    ) -> Result<Self, Stopped> {
        let known = session.newest_run().await?;
        let mark = leaves_marks(&session.connection.options, steps).then(|| known.next_between());
        Self::recorded(session, lease, known, known, mark).await
    }

    async fn recorded<J: Journal, R: Remote, K: Clock>(
        session: &Session<'_, J, R, K>,
        lease: Lease,
        known: RunMark,
        newest: RunMark,
        mark: Option<RunMark>,
    ) -> Result<Self, Stopped> {
        let number = mark.unwrap_or(newest).number;
        if number > known.number {
            let recorded = session.journal.record_newest_run(lease, number).await;
            recorded.map_err(|error| session.brake.journal_failed(error))?;
        }
        Ok(Self { mark, shown: AtomicBool::new(false) })
    }

    /// Returns the mark of a record. The mark also shows the run.
    pub(crate) fn of(&self, record_id: RecordId, record_type: RecordType) -> Option<Mark> {
        self.shown.store(true, Ordering::Relaxed);
        self.mark.map(|run| Mark { record: Some((record_id, record_type)), run })
    }

    /// Returns a mark that only shows the run, or `None` if Vault shows it already.
    pub(crate) fn alone(&self) -> Option<Mark> {
        if self.shown.swap(true, Ordering::Relaxed) { None } else { self.mark.map(|run| Mark { record: None, run }) }
    }

    /// Records that a mark failed, so that the next step that changes something in Vault leaves one.
    pub(crate) fn failed(&self) {
        self.shown.store(false, Ordering::Relaxed);
    }
}

fn leaves_marks(options: &Options, steps: &[Step]) -> bool {
    options.annotate && options.mode != Mode::Pull && steps.iter().any(Step::changes_remote)
}
