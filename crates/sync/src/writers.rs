//! Adds to a plan who wrote the remote states, as far as the server names the writers. Nothing is decided by that.

use std::collections::BTreeMap;

use vaultterm_reconcile::{Action, ConflictKind, Plan, RemoteExpect, SecretPath};

use crate::{Clock, HintedWriter, Journal, Remote, SeenInVault, brake::Stopped, session::Session};

/// The maximum number of paths of a plan whose writers are named.
const NAMED_MAX: usize = 500;
/// The maximum number of paths of which a run records what it saw.
const SEEN_MAX: usize = 5_000;
/// The time that Vault may need to answer a write, in nanoseconds.
const ANSWERED_WITHIN_NS: i64 = 2_000_000_000;
/// The words for a writer that the server does not name, where it cannot have been VaultTerm.
const OUTSIDE: &str = "somebody outside VaultTerm";

impl<J: Journal, R: Remote, K: Clock> Session<'_, J, R, K> {
    /// Names the writers of conflicts, and of the secrets that steps take over: as a hint names them, or else the server.
    pub(crate) async fn name_writers(&self, plan: &mut Plan) -> Result<(), Stopped> {
        let taken = plan.steps.iter().filter(|step| takes_over(&step.action));
        let taken: Vec<_> = taken.take(NAMED_MAX).map(|step| (step.path.clone(), step.expect.remote)).collect();
        let asked = plan.conflicts.iter().take(NAMED_MAX).map(|conflict| &conflict.path);
        let asked: Vec<SecretPath> = asked.chain(taken.iter().map(|(path, _)| path)).cloned().collect();
        if asked.is_empty() {
            return Ok(());
        }
        let hints = self.journal.hinted_writers(self.connection.id, &asked).await;
        let hints = hints.map_err(|error| self.brake.journal_failed(error))?;
        for conflict in plan.conflicts.iter_mut().take(NAMED_MAX) {
            conflict.remote_writer = self.writer(&hints, &conflict.path, &conflict.expect.remote).await?;
        }
        for (path, remote) in taken {
            if let Some(writer) = self.writer(&hints, &path, &remote).await? {
                plan.writers.insert(path, writer);
            }
        }
        Ok(())
    }

    async fn writer(
        &self,
        hints: &BTreeMap<SecretPath, HintedWriter>,
        path: &SecretPath,
        remote: &RemoteExpect,
    ) -> Result<Option<String>, Stopped> {
        let hint = hints.get(path).filter(|hint| is_about(hint, remote));
        match hint.and_then(|hint| hint.writer.clone()) {
            Some(writer) => Ok(Some(writer)),
            None => self.brake.unless_stopped(self.calls.writer(path)).await,
        }
    }
}

/// Returns whether a hint is about the state that was found, and not about an earlier or a later one.
fn is_about(hint: &HintedWriter, remote: &RemoteExpect) -> bool {
    match (remote, hint.version) {
        (RemoteExpect::Live { stamp, .. }, Some(version)) => version == stamp.version,
        (RemoteExpect::Live { stamp, .. }, None) => hint.changed.is_some_and(|changed| {
            let after = changed.0.saturating_sub(stamp.version_created.0);
            (0..=ANSWERED_WITHIN_NS).contains(&after)
        }),
        // A deletion makes no version. A later hint about a write would name one.
        (RemoteExpect::Deleted { .. } | RemoteExpect::Absent, version) => version.is_none(),
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
