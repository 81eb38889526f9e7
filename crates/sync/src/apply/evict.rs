//! Keeps the versions that a write evicts. Versions in Vault that no local history contains become revisions
//! of the record before the write that makes the server erase them.
//!
//! **If the run is cut off between keeping and writing**, the record has the same content as before under a
//! later revision. The next run plans the same step again, finds the versions in local history, and keeps
//! none of them twice.

use vaultterm_reconcile::{LocalExpect, RecordId, RemoteEntry, Revision, Step, Version, evicted, too_many};
use vaultterm_sealing::SecretFields;

use super::{Apply, planned_record};
use crate::{BaseChange, Clock, Journal, LocalChange, Outcome, Progress, Remote, StoredFields, problem::StepError};

/// The maximum number of revisions of a record that are compared, from the newest.
const REVISIONS_MAX: u64 = 64;

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    /// Keeps the versions that the write of a step evicts. Returns the step with the new revision of the
    /// record, or `None` if there was nothing to keep.
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
        let kept = versions.last().copied();
        let outcome = Outcome {
            local: LocalChange::Archive { record_id, expect, older, record_type, fields },
            audit: Some(self.audit("kept_local", &step.path, record_id, None, kept)),
            path: step.path.clone(),
            base: BaseChange::Keep,
            base_removed: None,
            // The write closes the conflict that a person decided, and this outcome does not.
            resolves: None,
            wrote_remote: false,
        };
        let revision = self.record_revision(outcome).await?;
        let revision = revision.ok_or_else(|| StepError::Stale("the record is gone".to_owned()))?;
        let mut step = step.clone();
        step.expect.local = LocalExpect::Live { record_id, revision };
        Ok(Some(step))
    }

    /// Reads versions that are about to be evicted, without those that a revision of the record contains.
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
            // A version that is no longer live cannot be lost.
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
                // A revision that does not open does not count as a copy.
                Err(_) => {}
            }
        }
        Ok(found.into_iter().map(|(_, fields)| fields).collect())
    }
}
