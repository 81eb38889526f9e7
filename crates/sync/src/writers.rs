//! Adds to a plan who wrote the remote states, as far as the server names the writers. Nothing is decided by that.

use vaultterm_reconcile::{Action, ConflictKind, Plan, RemoteExpect, SecretPath};

use crate::{Clock, Journal, Remote, SeenInVault, brake::Stopped, session::Session};

/// The maximum number of paths of a plan whose writers are named.
const NAMED_MAX: usize = 500;
/// The maximum number of paths of which a run records what it saw.
const SEEN_MAX: usize = 5_000;
/// The words for a writer that the server does not name, where it cannot have been VaultTerm.
const OUTSIDE: &str = "somebody outside VaultTerm";

impl<J: Journal, R: Remote, K: Clock> Session<'_, J, R, K> {
    /// Names the writers of conflicts, and of the secrets that steps take over.
    pub(crate) async fn name_writers(&self, plan: &mut Plan) -> Result<(), Stopped> {
        for conflict in plan.conflicts.iter_mut().take(NAMED_MAX) {
            conflict.remote_writer = self.writer(&conflict.path).await?;
        }
        let taken = plan.steps.iter().filter(|step| takes_over(&step.action));
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

/// Returns whether a step takes something over that Vault holds.
const fn takes_over(action: &Action) -> bool {
    matches!(
        action,
        Action::CreateLocal { .. } | Action::UpdateLocal { .. } | Action::DeleteLocal | Action::Merge { .. }
    )
}

/// Returns what a plan saw in Vault where it is not what both sides agree on: at its conflicts, and where its steps take
/// something over. `bases_count` says that the bases are those that VaultTerm recorded last: only then a change since
/// them was somebody else's. `is_halted` says that one of the sides may have been shown empty: then no secret counts as
/// gone.
pub(crate) fn seen(plan: &Plan, bases_count: bool, is_halted: bool) -> Vec<SeenInVault> {
    let one = |path: &SecretPath, remote: &RemoteExpect, writer: Option<&String>, is_foreign: bool| {
        let (stamp, is_deleted) = match remote {
            RemoteExpect::Absent => (None, true),
            RemoteExpect::Deleted { stamp } => (Some(*stamp), true),
            RemoteExpect::Live { stamp, .. } => (Some(*stamp), false),
        };
        let outside = (is_foreign && bases_count && !plan.base_set_aside).then(|| OUTSIDE.to_owned());
        SeenInVault { path: path.clone(), stamp, is_deleted, writer: writer.cloned().or(outside) }
    };
    let conflicts = plan.conflicts.iter().map(|conflict| {
        // Without a base, and after a snapshot of Vault was restored, VaultTerm may have written it long ago.
        let is_foreign = !matches!(conflict.kind, ConflictKind::NoBase | ConflictKind::Rewound);
        one(&conflict.path, &conflict.expect.remote, conflict.remote_writer.as_ref(), is_foreign)
    });
    let steps = plan.steps.iter().filter(|step| takes_over(&step.action));
    let steps = steps.map(|step| one(&step.path, &step.expect.remote, plan.writers.get(&step.path), true));
    conflicts.chain(steps).filter(|seen| !is_halted || seen.stamp.is_some()).take(SEEN_MAX).collect()
}
