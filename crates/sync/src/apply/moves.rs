//! Moves a secret after its record: writes the new path, deletes the old one, and records both.
//!
//! **If the run is cut off after the write**, the next run finds the new path equal on both sides and adopts
//! it. It also finds that the record is gone from the old path, and deletes the secret there for the same
//! reason as now. **If the run is cut off after the deletion**, the next run adopts the new path and forgets
//! the old base. Recording between the write and the deletion would leave an old secret without a base, and a
//! run in both directions would import it again.

use vaultterm_reconcile::{BaseEntry, RemoteExpect, SecretPath, Step, UnixNanos, Version};

use super::{Apply, linked, planned_record, write::Written};
use crate::{BaseChange, Clock, Journal, Outcome, Progress, Remote, problem::StepError};

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    pub(super) async fn move_remote(
        &self,
        step: &Step,
        from: &SecretPath,
        from_base: &BaseEntry,
        cas: Version,
        key_created: Option<UnixNanos>,
    ) -> Result<(), StepError> {
        let (record_id, revision) = planned_record(step)?;
        let as_agreed = RemoteExpect::Live { stamp: from_base.stamp, expires: None };
        self.remote_still_holds(from, &as_agreed).await?;
        let stored = self.session.local_fields(record_id, revision).await?;
        let record_type = stored.record_type;
        let Written { stamp, expires, request_id } = self.put(&step.path, &stored.fields, cas, key_created).await?;
        self.mark(step, record_id, record_type).await;

        // The new path is linked in every case. If the old secret was edited meanwhile, its base stays, and
        // the next run shows the edit as a conflict with the move.
        let deleted = self.delete_exactly(from, from_base.stamp).await;
        let base_removed = deleted.is_ok().then(|| from.clone());
        let audit = self
            .audit("moved_remote", &step.path, record_id, Some(revision), Some(stamp.version))
            .by_request(request_id);
        self.record(Outcome {
            base: BaseChange::Set(linked(record_id, revision, record_type, stamp, expires)),
            base_removed,
            wrote_remote: true,
            audit: Some(audit),
            ..self.outcome(&step.path)
        })
        .await?;
        deleted.map(drop)
    }
}
