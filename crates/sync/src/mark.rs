//! The mark that a run leaves in Vault: whose a secret is, and which run touched it last.
//!
//! The number of a run is recorded before anything carries it, so that a database which finds a
//! higher one knows that it went back in time (`vaultterm_reconcile::RunMark`). One secret per run
//! is enough: steps that mark anyway carry it along, and where none does, the first one that changed
//! something in Vault leaves it, with one request more.

use std::sync::atomic::{AtomicBool, Ordering};

use vaultterm_reconcile::{Mode, Options, RecordId, RecordType, RunMark, Step};

use crate::{Clock, Journal, Lease, Remote, brake::Stopped, session::Session};

/// What is written to a secret's `custom_metadata`. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The record that the secret belongs to, and its type: `managed-by`, `vaultterm-instance`,
    /// `vaultterm-record`, `vaultterm-type`.
    pub record: Option<(RecordId, RecordType)>,
    /// `vaultterm-run`.
    pub run: RunMark,
}

/// The number of the run that is going on, and whether Vault shows it already.
#[derive(Debug)]
pub(crate) struct RunNumber {
    mark: Option<RunMark>,
    shown: AtomicBool,
}

impl RunNumber {
    /// Draws the number of a run that is about to carry out `steps`, above every one that was seen,
    /// and records it. A run that changes nothing in Vault has none.
    pub(crate) async fn draw<J: Journal, R: Remote, K: Clock>(
        session: &Session<'_, J, R, K>,
        lease: Lease,
        (steps, seen): (&[Step], u64),
    ) -> Result<Self, Stopped> {
        let known = session.newest_run().await?;
        let newest = RunMark { number: known.number.max(seen), ..known };
        let mark = leaves_marks(&session.connection.options, steps).then(|| newest.next_run());
        Self::recorded(session, lease, known, (newest, mark)).await
    }

    /// Draws the number of a decision that is about to be carried out by `steps`.
    pub(crate) async fn draw_for_decision<J: Journal, R: Remote, K: Clock>(
        session: &Session<'_, J, R, K>,
        lease: Lease,
        steps: &[Step],
    ) -> Result<Self, Stopped> {
        let known = session.newest_run().await?;
        let mark = leaves_marks(&session.connection.options, steps).then(|| known.next_decision());
        Self::recorded(session, lease, known, (known, mark)).await
    }

    async fn recorded<J: Journal, R: Remote, K: Clock>(
        session: &Session<'_, J, R, K>,
        lease: Lease,
        known: RunMark,
        (newest, mark): (RunMark, Option<RunMark>),
    ) -> Result<Self, Stopped> {
        let number = mark.unwrap_or(newest).number;
        if number > known.number {
            let recorded = session.journal.record_newest_run(lease, number).await;
            recorded.map_err(|error| session.brake.journal_failed(error))?;
        }
        Ok(Self { mark, shown: AtomicBool::new(false) })
    }

    /// Makes the mark of a record. It shows the run as well.
    pub(crate) fn of(&self, record_id: RecordId, record_type: RecordType) -> Option<Mark> {
        self.shown.store(true, Ordering::Relaxed);
        self.mark.map(|run| Mark { record: Some((record_id, record_type)), run })
    }

    /// Makes a mark that only shows the run; `None` when Vault shows it already.
    pub(crate) fn alone(&self) -> Option<Mark> {
        if self.shown.swap(true, Ordering::Relaxed) { None } else { self.mark.map(|run| Mark { record: None, run }) }
    }

    /// A mark did not get through: the next step that changes something in Vault leaves one.
    pub(crate) fn failed(&self) {
        self.shown.store(false, Ordering::Relaxed);
    }
}

fn leaves_marks(options: &Options, steps: &[Step]) -> bool {
    options.annotate && options.mode != Mode::Pull && steps.iter().any(Step::changes_remote)
}
