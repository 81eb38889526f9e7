//! Adds to a plan who wrote the remote states, as far as the server names the writers. Nothing is decided by that.

use vaultterm_reconcile::{Action, Plan, SecretPath};

use crate::{Clock, Journal, Remote, brake::Stopped, session::Session};

/// The maximum number of paths of a plan whose writers are named.
const NAMED_MAX: usize = 500;

impl<J: Journal, R: Remote, K: Clock> Session<'_, J, R, K> {
    /// Names the writers of conflicts, and of the secrets that steps take over.
    pub(crate) async fn name_writers(&self, plan: &mut Plan) -> Result<(), Stopped> {
        for conflict in plan.conflicts.iter_mut().take(NAMED_MAX) {
            conflict.remote_writer = self.writer(&conflict.path).await?;
        }
        let taken = plan.steps.iter().filter(|step| {
            matches!(
                step.action,
                Action::CreateLocal { .. } | Action::UpdateLocal { .. } | Action::DeleteLocal | Action::Merge { .. }
            )
        });
        let taken: Vec<SecretPath> = taken.take(NAMED_MAX).map(|step| step.path.clone()).collect();
        for path in taken {
            if let Some(writer) = self.writer(&path).await? {
                plan.writers.insert(path, writer);
            }
        }
        Ok(())
    }

    async fn writer(&self, path: &SecretPath) -> Result<Option<String>, Stopped> {
        self.brake.unless_stopped(self.calls.writer(path)).await
    }
}
