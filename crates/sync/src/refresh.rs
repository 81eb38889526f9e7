//! Looks again at the path of a conflict whose decision was refused because a side had moved, so that the person sees
//! what is there now and need not wait for the next run.

use std::collections::BTreeSet;

use vaultterm_reconcile::{Action, Conflict, Expect, HaltKind, LocalExpect, Plan, RemoteExpect, SecretPath};

use crate::{
    Clock, ConflictStatus, Journal, JournalError, Lease, OtherConflicts, Remote, RunId, StoredConflict, brake::Stopped,
    observe::live_stamp, retry::CallError, session::Session, writers,
};

/// What a second look found at the path of a conflict.
enum Found<'a> {
    /// The conflict is still there, with these states.
    Open(&'a Conflict),
    /// Both sides hold the same.
    Agreed,
    /// A run goes on at the path without a decision.
    Clear,
    /// The look does not tell, because the path could not be judged.
    Unknown,
}

impl<J: Journal, R: Remote, K: Clock> Session<'_, J, R, K> {
    /// Stores the states that both sides show now in an open conflict, or closes it if a run would close it. Returns
    /// what was found in words, or `None` if nothing can be said or the conflict is closed already.
    pub(crate) async fn look_at_conflict_again(
        &self,
        lease: Lease,
        run_id: RunId,
        stored: &StoredConflict,
    ) -> Result<Option<String>, CallError> {
        let known = self.journal.conflict(stored.id).await.map_err(|error| self.stopped_by(error))?;
        if known.is_none_or(|known| known.status != ConflictStatus::Open) {
            return Ok(None);
        }
        let Conflict { path, expect, .. } = &stored.conflict;
        let named = BTreeSet::from([path.clone()]);
        let (mut plan, mut looked) = self.plan(&named, &BTreeSet::new(), |_| ()).await?;
        // A secret that is gone may be one of many: only a look at everything shows whether a run would halt.
        if looked.remote.sights.get(path).is_none_or(|sight| live_stamp(sight).is_none()) {
            (plan, looked) = self.plan(&BTreeSet::new(), &BTreeSet::new(), |_| ()).await?;
        }
        let seen = writers::seen(&plan, self.connection.guarded.is_none(), !plan.halts.is_empty());
        let recorded = self.journal.record_seen(lease, looked.looked_at.as_ref(), &seen).await;
        recorded.map_err(|error| self.stopped_by(error))?;
        let (found, others, said) = match found(&plan, path) {
            Found::Unknown => return Ok(None),
            Found::Open(now) => (vec![now.clone()], OtherConflicts::Stay, moved(expect, &now.expect)),
            Found::Agreed => {
                let said = "both sides hold the same by now, so the conflict is closed; nothing was written";
                (Vec::new(), OtherConflicts::ConvergedAt { paths: named }, Some(said.to_owned()))
            }
            Found::Clear => {
                let said = "a side changed while you decided, and no decision is needed any more: the next run brings both \
                            sides in step; nothing was written";
                (Vec::new(), OtherConflicts::ConvergedAt { paths: named }, Some(said.to_owned()))
            }
        };
        let recorded = self.journal.record_conflicts(lease, run_id, &found, &others).await;
        recorded.map_err(|error| self.stopped_by(error))?;
        Ok(said)
    }

    fn stopped_by(&self, error: JournalError) -> Stopped {
        self.brake.journal_failed(error)
    }
}

/// Returns what a plan says about the path of a conflict.
fn found<'a>(plan: &'a Plan, path: &SecretPath) -> Found<'a> {
    // A run that halts changes no conflict. Too many deletions elsewhere say nothing against this path.
    if plan.halts.iter().any(|halt| halt.kind != HaltKind::MassDeletion)
        || plan.skips.iter().any(|skip| skip.path == path.as_str())
    {
        return Found::Unknown;
    }
    if let Some(conflict) = plan.conflicts.iter().find(|conflict| conflict.path == *path) {
        return Found::Open(conflict);
    }
    let steps = || plan.steps.iter().filter(|step| step.path == *path);
    let agreed = |action: &Action| matches!(action, Action::Adopt { .. } | Action::Forget);
    if steps().all(|step| agreed(&step.action)) { Found::Agreed } else { Found::Clear }
}

/// Says how a conflict moved while a person decided it. Returns `None` if it did not.
fn moved(before: &Expect, now: &Expect) -> Option<String> {
    let here = (before.local != now.local).then(|| match now.local {
        LocalExpect::Live { revision, .. } => {
            format!("the record changed while you decided: revision {} is shown now", revision.0)
        }
        LocalExpect::Absent => "the record was deleted while you decided".to_owned(),
    });
    let there = (before.remote != now.remote).then(|| match now.remote {
        RemoteExpect::Live { stamp, .. } => {
            format!("Vault moved again while you decided: version {} is shown now", stamp.version.0)
        }
        RemoteExpect::Deleted { .. } | RemoteExpect::Absent => {
            "the secret was deleted in Vault while you decided".to_owned()
        }
    });
    let said: Vec<String> = here.into_iter().chain(there).collect();
    (!said.is_empty()).then(|| format!("{}; nothing was written", said.join("; ")))
}
