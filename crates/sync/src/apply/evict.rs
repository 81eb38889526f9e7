//! Keeping what a write evicts: versions of Vault that no local history holds become revisions of the
//! record before the write that makes the server erase them.
//!
//! **Cut off between keeping and writing**, the record holds what it held before under a later
//! revision. The next run plans the same step again, finds the versions in local history, and keeps
//! nothing twice.

use vaultterm_reconcile::{LocalExpect, RecordId, RemoteEntry, Revision, Step, Version, evicted, too_many};
use vaultterm_sealing::SecretFields;

use super::{Apply, planned_record};
use crate::{BaseChange, Clock, Journal, LocalChange, Outcome, Progress, Remote, StoredFields, problem::StepError};

/// Revisions of a record that are compared, from the newest.
const REVISIONS_MAX: u64 = 64;

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    /// Keeps what the write of a step evicts. Answers the step on the revision that the record has
    /// then; `None` when there was nothing to keep.
    pub(super) async fn keep_evicted(&self, step: &Step, entry: &RemoteEntry) -> Result<Option<Step>, StepError> {
        let base = self.base.get(&step.path);
        if evicted(entry, base, None).is_empty() {
            return Ok(None);
        }
        let versions = evicted(entry, base, self.session.versions_max().await?);
        if let Some(reason) = too_many(&versions) {
            return Err(StepError::Waits(reason));
        }
        let (record_id, expect) = planned_record(step)?;
        let older = self.missing_here(step, &versions, record_id, expect).await?;
        if older.is_empty() {
            return Ok(None);
        }
        let StoredFields { fields, record_type } = self.session.local_fields(record_id, expect).await?;
        let kept = (versions.last().copied(), None);
        let outcome = Outcome {
            local: LocalChange::Archive { record_id, expect, older, record_type, fields },
            audit: Some(self.audit("kept_local", &step.path, record_id, None, kept)),
            path: step.path.clone(),
            base: BaseChange::Keep,
            base_removed: None,
            // The conflict that a person decided is closed by what is written, not by this.
            resolves: None,
        };
        let revision = self.record_revision(outcome).await?;
        let revision = revision.ok_or_else(|| StepError::Stale("the record is gone".to_owned()))?;
        let mut step = step.clone();
        step.expect.local = LocalExpect::Live { record_id, revision };
        Ok(Some(step))
    }

    /// Reads versions that are about to be evicted; leaves out what a revision of the record holds.
    async fn missing_here(
        &self,
        step: &Step,
        versions: &[Version],
        record_id: RecordId,
        newest: Revision,
    ) -> Result<Vec<SecretFields>, StepError> {
        let key = self.session.journal.digest_key();
        let mut found = Vec::new();
        for version in versions {
            // One that is not live any more cannot get lost.
            if let Some(read) = self.session.calls.read(&step.path, *version).await? {
                let content = read.fields.content(key);
                if found.iter().all(|(known, _)| *known != content) {
                    found.push((content, read.fields));
                }
            }
        }
        let oldest = newest.0.saturating_sub(REVISIONS_MAX).max(1);
        for revision in (oldest..=newest.0).rev().map(Revision) {
            if found.is_empty() {
                break;
            }
            match self.session.local_fields(record_id, revision).await {
                Ok(stored) => {
                    let content = stored.fields.content(key);
                    found.retain(|(missing, _)| *missing != content);
                }
                Err(StepError::Stopped) => return Err(StepError::Stopped),
                // A revision that does not open holds nothing that could be relied on.
                Err(_) => {}
            }
        }
        Ok(found.into_iter().map(|(_, fields)| fields).collect())
    }
}
