//! Deletes remote secrets. A deletion is soft, and removes exactly the version that was seen.
//!
//! KV v2 deletes by version number alone, and does not report which other versions exist. Therefore the
//! secret is looked at before the deletion, as for every step that names a version, and again after it. A
//! version that was written meanwhile stays alive. In that case the base must stay too. Otherwise the next
//! run would take that edit for a new secret, although it is a conflict with the deletion.
//!
//! **If the run is cut off between the deletion and its record**, the next run finds both sides gone and
//! forgets the base.

use vaultterm_reconcile::{RemoteExpect, RemoteStamp, SecretPath, Step, Version};

use super::{Apply, holds, planned_version};
use crate::{BaseChange, Clock, Journal, Outcome, Progress, Remote, problem::StepError};

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    pub(super) async fn delete_remote(&self, step: &Step, version: Version) -> Result<(), StepError> {
        let (stamp, _) = planned_version(step)?;
        if stamp.version != version {
            return Err(StepError::Stale("the step does not delete the version for which it was planned".to_owned()));
        }
        let request_id = self.delete_exactly(&step.path, stamp).await?;
        self.show_run(&step.path).await;
        let record_id = self.base.get(&step.path).map(|base| base.record_id);
        let audit = self.audit("deleted_remote", &step.path, record_id, None, Some(version)).by_request(request_id);
        self.record(Outcome { base: BaseChange::Remove, audit: Some(audit), ..self.outcome(&step.path) }).await
    }

    /// Deletes a version, and makes sure that it was the newest.
    pub(super) async fn delete_exactly(
        &self,
        path: &SecretPath,
        stamp: RemoteStamp,
    ) -> Result<Option<String>, StepError> {
        let request_id = self.session.calls.delete(path, stamp.version).await?;
        let sight = self.session.calls.look(path).await?;
        if holds(&RemoteExpect::Deleted { stamp }, &sight) {
            return Ok(request_id);
        }
        Err(StepError::Stale("the secret was written while it was deleted; what was written stays".to_owned()))
    }
}
