//! Applying: carrying out steps exactly as planned. Nothing is decided here.
//!
//! Each step checks what it was planned on as late as it can: remote writes by `cas`, remote
//! reads by version and creation time, deletions by looking once more afterwards, local changes
//! by the journal's guards. A number is no identity (it is used again after a metadata delete),
//! so whatever names one is also looked at just before. What moved is stale and waits for the
//! next run.
//!
//! Every step is safe to be cut off at any await: see the comments in `write.rs`, `moves.rs`
//! and `delete.rs` for why the next run ends up at the same place.
//!
//! Start reading at [`Apply::carry_out`].

mod delete;
mod evict;
mod local;
mod moves;
mod write;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use vaultterm_ledger::RemoteRef;
use vaultterm_reconcile::{
    Action, BaseEntry, Expect, Link, LocalExpect, LocalSnapshot, RecordId, RecordType, RemoteExpect, RemoteHead,
    RemoteSight, RemoteStamp, Revision, SecretPath, Step, UnixNanos, Version,
};

use crate::{
    BaseChange, Clock, Committed, Journal, LocalChange, Outcome, Progress, Remote, Resolved, SyncedAudit,
    mark::RunNumber, pool::Pool, problem::StepError, record::Recorder, session::Session, tally::Tally,
};

/// Everything that carrying out steps needs.
pub(crate) struct Apply<'a, J, R, K, P> {
    pub(crate) session: &'a Session<'a, J, R, K>,
    pub(crate) recorder: Recorder,
    pub(crate) tally: &'a Tally<'a, P>,
    /// What this run leaves in Vault for later ones.
    pub(crate) number: RunNumber,
    /// What was agreed on before the first step.
    pub(crate) base: &'a BTreeMap<SecretPath, BaseEntry>,
    /// The local side before the first step.
    pub(crate) local: &'a LocalSnapshot,
    /// Whether the plan is older than this session, so that each step first compares both
    /// sides with what it was planned on.
    pub(crate) verify: bool,
    /// The decision that the steps carry out, when they resolve a conflict.
    pub(crate) decided: Option<Decided>,
    /// Bases that this run has moved already, and moves once more.
    pub(crate) moved: Moved,
}

/// Bases that a run moves twice: first to a remote value that was kept, then to what was written over it.
#[derive(Default)]
pub(crate) struct Moved(Mutex<BTreeMap<SecretPath, BaseEntry>>);

/// A decision on a conflict, as far as steps need it.
pub(crate) struct Decided {
    /// The conflict's path.
    pub(crate) path: SecretPath,
    /// What closes the conflict; goes with the first thing that is recorded at its path.
    pub(crate) resolved: Mutex<Option<Resolved>>,
    /// Values that a person gave for fields of a merge.
    pub(crate) given: BTreeMap<String, Value>,
    /// Who decided.
    pub(crate) by: String,
}

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    /// Carries out the steps, many at a time: first what writes, then what deletes, so that
    /// nothing is gone on one side before it is safe on the other.
    pub(crate) async fn carry_out(&self, steps: &[Step]) {
        let (deletes, writes): (Vec<_>, Vec<_>) = steps.iter().partition(|step| deletes(&step.action));
        for phase in [writes, deletes] {
            let mut pool = Pool::new(self.session.in_flight());
            for step in phase {
                if !self.session.brake.is_free() {
                    break;
                }
                pool.add(self.carry_out_one(step)).await;
            }
            while pool.next().await.is_some() {}
        }
    }

    async fn carry_out_one(&self, step: &Step) {
        match self.step(step).await {
            Ok(()) => self.tally.done(step),
            Err(error) => self.tally.not_done(step, &error),
        }
    }

    /// Carries out one step.
    ///
    /// # Errors
    /// [`StepError`]; a remote write may have happened all the same, and is recognised by the
    /// next run.
    pub(crate) async fn step(&self, step: &Step) -> Result<(), StepError> {
        let sight = if self.verify {
            Some(self.still_holds(&step.path, &step.expect).await?)
        } else if names_a_version(&step.action) {
            Some(self.remote_still_holds(&step.path, &step.expect.remote).await?)
        } else {
            None
        };
        let kept = match &sight {
            Some(RemoteSight::Seen(entry)) if step.action.writes_remote() => self.keep_evicted(step, entry).await?,
            _ => None,
        };
        let step = kept.as_ref().unwrap_or(step);
        match &step.action {
            Action::CreateRemote { cas, key_created } => self.create_remote(step, *cas, *key_created).await,
            Action::UpdateRemote { cas, archive: false } => self.update_remote(step, *cas).await,
            Action::UpdateRemote { cas, archive: true } => self.overwrite_remote(step, *cas).await,
            Action::Merge { fields, record_type, cas } => self.merge(step, fields, *record_type, *cas).await,
            Action::MoveRemote { from, from_base, cas, key_created } => {
                self.move_remote(step, (from, from_base), *cas, *key_created).await
            }
            Action::DeleteRemote { version } => self.delete_remote(step, *version).await,
            Action::CreateLocal { restores, record_type } => self.create_local(step, *restores, *record_type).await,
            Action::UpdateLocal { record_type } => self.update_local(step, *record_type).await,
            Action::DeleteLocal => self.delete_local(step).await,
            Action::Adopt { record_type } => self.adopt(step, *record_type).await,
            Action::Accept => self.accept(step).await,
            Action::KeepAccepted => self.keep_accepted(step).await,
            Action::CopyLocal { from } => self.copy_local(step, from).await,
            Action::Forget => self.forget(step).await,
            Action::Unlink => self.unlink(step).await,
        }
    }

    /// Compares both sides with what was planned on.
    pub(crate) async fn still_holds(&self, path: &SecretPath, expect: &Expect) -> Result<RemoteSight, StepError> {
        if local_state(self.local, path) != expect.local {
            return Err(StepError::Stale("the record was changed since the plan was made".to_owned()));
        }
        self.remote_still_holds(path, &expect.remote).await
    }

    async fn remote_still_holds(&self, path: &SecretPath, expect: &RemoteExpect) -> Result<RemoteSight, StepError> {
        let sight = self.session.calls.look(path).await?;
        if holds(expect, &sight) {
            return Ok(sight);
        }
        Err(StepError::Stale("the secret was changed since the plan was made".to_owned()))
    }

    /// Makes an outcome that changes nothing yet.
    fn outcome(&self, path: &SecretPath) -> Outcome {
        Outcome {
            path: path.clone(),
            local: LocalChange::None,
            base: BaseChange::Keep,
            base_removed: None,
            audit: None,
            resolves: self.decided.as_ref().and_then(|decided| decided.take(path)),
        }
    }

    /// Records an outcome.
    async fn record(&self, mut outcome: Outcome) -> Result<(), StepError> {
        self.count_held(&mut outcome);
        self.record_revision(outcome).await.map(drop)
    }

    /// Puts into a base that moves from which version on local history holds everything.
    fn count_held(&self, outcome: &mut Outcome) {
        let BaseChange::Set(entry) = &mut outcome.base else { return };
        let mut moved = self.moved.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = moved.remove(&outcome.path);
        entry.held_since = BaseEntry::held_since(before.as_ref().or(self.base.get(&outcome.path)), &entry.stamp);
        if matches!(outcome.local, LocalChange::Rebase { .. }) {
            moved.insert(outcome.path.clone(), entry.clone());
        }
    }

    /// Records an outcome; answers the record's revision now, where there is one.
    async fn record_revision(&self, outcome: Outcome) -> Result<Option<Revision>, StepError> {
        match self.recorder.record(outcome).await? {
            Committed::Done(revision) => Ok(revision),
            Committed::Stale => Err(StepError::Stale("the record was changed while it was synchronized".to_owned())),
        }
    }

    /// Says what was synchronized, for the audit.
    fn audit(
        &self,
        what: &'static str,
        path: &SecretPath,
        record_id: impl Into<Option<RecordId>>,
        revision: Option<Revision>,
        (version, request_id): (Option<Version>, Option<String>),
    ) -> SyncedAudit {
        let Session { connection, identity, .. } = self.session;
        let parts = [connection.mount.as_str(), connection.path.as_str(), path.as_str()];
        let remote = RemoteRef {
            cluster: identity.cluster_id.clone(),
            path: parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"),
            version: version.map(|version| version.0),
            request_id,
        };
        SyncedAudit { what, record_id: record_id.into(), revision, remote }
    }
}

impl Decided {
    fn take(&self, path: &SecretPath) -> Option<Resolved> {
        if *path != self.path {
            return None;
        }
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A step that removes something without writing something else.
fn deletes(action: &Action) -> bool {
    matches!(action, Action::DeleteRemote { .. } | Action::DeleteLocal)
}

/// A step that tells Vault the number of a version that it was planned on.
fn names_a_version(action: &Action) -> bool {
    match action {
        Action::UpdateRemote { .. } | Action::Merge { .. } | Action::DeleteRemote { .. } => true,
        Action::CreateRemote { cas, .. } | Action::MoveRemote { cas, .. } => *cas != Version::NONE,
        _ => false,
    }
}

/// Tells what the local side holds at a path, as a step would expect it.
pub(crate) fn local_state(local: &LocalSnapshot, path: &SecretPath) -> LocalExpect {
    match local.live.get(path) {
        None => LocalExpect::Absent,
        Some(entry) => LocalExpect::Live { record_id: entry.record_id, revision: entry.revision },
    }
}

/// Tells whether a sight shows what was expected.
pub(crate) fn holds(expect: &RemoteExpect, sight: &RemoteSight) -> bool {
    match (expect, sight) {
        (_, RemoteSight::Unreadable(_)) => false,
        (RemoteExpect::Absent, RemoteSight::ProvenAbsent) => true,
        (RemoteExpect::Absent, RemoteSight::Seen(entry)) => matches!(entry.head, RemoteHead::Empty { .. }),
        (RemoteExpect::Deleted { stamp }, RemoteSight::Seen(entry)) => {
            matches!(entry.head, RemoteHead::Deleted { stamp: found, .. } if found == *stamp)
        }
        (RemoteExpect::Live { stamp, .. }, RemoteSight::Seen(entry)) => {
            matches!(entry.head, RemoteHead::Live { stamp: found, .. } if found == *stamp)
        }
        (RemoteExpect::Deleted { .. } | RemoteExpect::Live { .. }, RemoteSight::ProvenAbsent) => false,
    }
}

/// The record that a step was planned on.
fn planned_record(step: &Step) -> Result<(RecordId, Revision), StepError> {
    match step.expect.local {
        LocalExpect::Live { record_id, revision } => Ok((record_id, revision)),
        LocalExpect::Absent => Err(malformed(step, "a record")),
    }
}

/// The live version that a step was planned on.
fn planned_version(step: &Step) -> Result<(RemoteStamp, Option<UnixNanos>), StepError> {
    match step.expect.remote {
        RemoteExpect::Live { stamp, expires } => Ok((stamp, expires)),
        RemoteExpect::Absent | RemoteExpect::Deleted { .. } => Err(malformed(step, "a live secret")),
    }
}

/// A plan that came out of the database, or out of the planner, with a step that lacks what
/// its action needs: refused like any other state that does not hold.
fn malformed(step: &Step, lacks: &str) -> StepError {
    tracing::error!(path = %step.path, lacks, "a step was planned without what it acts on");
    StepError::Stale(format!("the step was planned without {lacks}"))
}

/// A base that links both sides.
fn linked(
    record_id: RecordId,
    revision: Revision,
    record_type: RecordType,
    stamp: RemoteStamp,
    expires: Option<UnixNanos>,
) -> BaseEntry {
    // What was held before is put in when it is recorded.
    let held_since = stamp.version;
    BaseEntry { record_id, revision, record_type, stamp, expires, link: Link::Linked, held_since, accepted: None }
}
