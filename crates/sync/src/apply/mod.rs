//! Carries out steps exactly as they were planned. Nothing is decided here.
//!
//! Each step checks as late as possible that the state on which it was planned still holds. Remote writes use
//! `cas`, remote reads compare version and creation time, deletions look at the secret once more afterwards,
//! and local changes rely on the journal's guards. A version number is not an identity, because it is used
//! again after a metadata delete. Therefore a step that names a number also looks at the secret just before.
//! A path that changed is stale and waits for the next run.
//!
//! A step may be cut off at any await. The comments in `write.rs`, `moves.rs` and `delete.rs` explain why the
//! next run then reaches the same result.
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

/// The number of steps for which what they write is read together.
const READ_AHEAD: usize = 32;

/// Everything that steps need.
pub(crate) struct Apply<'a, J, R, K, P> {
    pub(crate) session: &'a Session<'a, J, R, K>,
    pub(crate) recorder: Recorder,
    pub(crate) tally: &'a Tally<'a, P>,
    /// The number that this run leaves in Vault for later runs.
    pub(crate) number: RunNumber,
    /// The bases before the first step.
    pub(crate) base: &'a BTreeMap<SecretPath, BaseEntry>,
    /// The local side before the first step.
    pub(crate) local: &'a LocalSnapshot,
    /// Whether the plan is older than this session. Each step then first compares both sides with the planned
    /// state.
    pub(crate) verify: bool,
    /// The decisions that the steps carry out, if they resolve conflicts.
    pub(crate) decided: Vec<Decided>,
    /// The bases that this run has moved once and will move again.
    pub(crate) moved: Moved,
}

/// The bases that a run moves twice: first to a remote value that was kept, then to the value that was
/// written over it.
#[derive(Default)]
pub(crate) struct Moved(Mutex<BTreeMap<SecretPath, BaseEntry>>);

/// The parts of a decision on a conflict that steps need.
pub(crate) struct Decided {
    /// The path of the conflict.
    path: SecretPath,
    /// The closing of the conflict. It goes with the first outcome that is recorded at its path.
    resolved: Mutex<Option<Resolved>>,
    /// The values that a person gave for fields of a merge.
    given: BTreeMap<String, Value>,
    /// The person who decided.
    by: String,
}

impl<J: Journal, R: Remote, K: Clock, P: Progress> Apply<'_, J, R, K, P> {
    /// Carries out the steps, many at a time. Steps that write come before steps that delete, so that a value
    /// is never gone on one side before it is safe on the other.
    pub(crate) async fn carry_out(&self, steps: &[Step]) {
        let (deletes, writes): (Vec<_>, Vec<_>) = steps.iter().partition(|step| deletes(&step.action));
        for phase in [writes, deletes] {
            let mut pool = Pool::new(self.session.in_flight());
            for part in phase.chunks(READ_AHEAD) {
                pool.meanwhile(self.read_ahead(part)).await;
                for step in part {
                    if !self.session.brake.is_free() {
                        break;
                    }
                    pool.add(self.carry_out_one(step)).await;
                }
            }
            while pool.next().await.is_some() {}
        }
    }

    async fn carry_out_one(&self, step: &Step) {
        let _under_way = self.recorder.begin();
        match self.step(step).await {
            Ok(()) => self.tally.done(step),
            Err(error) => self.tally.not_done(step, &error),
        }
        if let Some(revision) = written_from(step) {
            self.session.ahead.forget(revision);
        }
    }

    /// Reads together what the next steps write to Vault, because each statement is a message to the database and back.
    async fn read_ahead(&self, steps: &[&Step]) {
        let wanted: Vec<_> = steps.iter().filter_map(|step| written_from(step)).collect();
        if wanted.len() > 1 && self.session.brake.is_free() {
            // If the database fails, each step reads for itself and says so.
            self.session.ahead.keep(self.session.journal.fields_of(&wanted).await.unwrap_or_default());
        }
    }

    /// Carries out one step.
    ///
    /// # Errors
    /// [`StepError`]. A remote write may have happened all the same, and the next run recognises it.
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
                self.move_remote(step, from, from_base, *cas, *key_created).await
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

    /// Compares both sides with the planned state.
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

    /// Returns the decision on the conflict at a path, if there is one.
    fn decided_at(&self, path: &SecretPath) -> Option<&Decided> {
        self.decided.iter().find(|decided| decided.path == *path)
    }

    /// Returns an outcome that changes nothing yet.
    fn outcome(&self, path: &SecretPath) -> Outcome {
        Outcome {
            path: path.clone(),
            local: LocalChange::None,
            base: BaseChange::Keep,
            base_removed: None,
            audit: None,
            resolves: self.decided_at(path).and_then(Decided::take),
            wrote_remote: false,
        }
    }

    /// Records an outcome.
    async fn record(&self, mut outcome: Outcome) -> Result<(), StepError> {
        self.count_held(&mut outcome);
        self.record_revision(outcome).await.map(drop)
    }

    /// Sets in a moved base the version from which on local history contains everything.
    fn count_held(&self, outcome: &mut Outcome) {
        let BaseChange::Set(entry) = &mut outcome.base else { return };
        let mut moved = self.moved.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = moved.remove(&outcome.path);
        let before = before.as_ref().or(self.base.get(&outcome.path));
        entry.held_since = BaseEntry::held_since(before, &entry.stamp, outcome.wrote_remote);
        if matches!(outcome.local, LocalChange::Rebase { .. }) {
            moved.insert(outcome.path.clone(), entry.clone());
        }
    }

    /// Records an outcome. Returns the current revision of the record, if there is one.
    async fn record_revision(&self, outcome: Outcome) -> Result<Option<Revision>, StepError> {
        match self.recorder.record(outcome).await? {
            Committed::Done(revision) => Ok(revision),
            Committed::Stale => Err(StepError::Stale("the record was changed while it was synchronized".to_owned())),
        }
    }

    /// Returns the audit entry of a synchronized secret, without the request id of Vault.
    fn audit(
        &self,
        what: &'static str,
        path: &SecretPath,
        record_id: impl Into<Option<RecordId>>,
        revision: Option<Revision>,
        version: Option<Version>,
    ) -> SyncedAudit {
        let Session { connection, identity, .. } = self.session;
        let parts = [connection.mount.as_str(), connection.path.as_str(), path.as_str()];
        let remote = RemoteRef {
            cluster: identity.cluster_id.clone(),
            path: parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"),
            version: version.map(|version| version.0),
            request_id: None,
        };
        SyncedAudit { what, record_id: record_id.into(), revision, remote }
    }
}

impl SyncedAudit {
    /// Adds the request id that Vault gave to the request that changed the secret.
    fn by_request(mut self, request_id: Option<String>) -> Self {
        self.remote.request_id = request_id;
        self
    }
}

impl Decided {
    /// Returns a decision that no step has carried out yet.
    pub(crate) fn new(path: SecretPath, resolved: Resolved, given: BTreeMap<String, Value>, by: String) -> Self {
        Self { path, resolved: Mutex::new(Some(resolved)), given, by }
    }

    fn take(&self) -> Option<Resolved> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Returns the revision of a record that a step writes to Vault.
fn written_from(step: &Step) -> Option<(RecordId, Revision)> {
    if step.action.writes_remote() { planned_record(step).ok() } else { None }
}

/// Returns whether an action removes something without writing something else.
fn deletes(action: &Action) -> bool {
    matches!(action, Action::DeleteRemote { .. } | Action::DeleteLocal)
}

/// Returns whether a step names the number of a version to Vault.
fn names_a_version(action: &Action) -> bool {
    match action {
        Action::UpdateRemote { .. } | Action::Merge { .. } | Action::DeleteRemote { .. } => true,
        Action::CreateRemote { cas, .. } | Action::MoveRemote { cas, .. } => *cas != Version::NONE,
        _ => false,
    }
}

/// Returns the state of the local side at a path, in the form of a step's expectation.
pub(crate) fn local_state(local: &LocalSnapshot, path: &SecretPath) -> LocalExpect {
    match local.live.get(path) {
        None => LocalExpect::Absent,
        Some(entry) => LocalExpect::Live { record_id: entry.record_id, revision: entry.revision },
    }
}

/// Returns whether a sight shows the expected state.
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

/// Returns the record and the revision on which a step was planned.
fn planned_record(step: &Step) -> Result<(RecordId, Revision), StepError> {
    match step.expect.local {
        LocalExpect::Live { record_id, revision } => Ok((record_id, revision)),
        LocalExpect::Absent => Err(malformed(step, "a record")),
    }
}

/// Returns the live version on which a step was planned.
fn planned_version(step: &Step) -> Result<(RemoteStamp, Option<UnixNanos>), StepError> {
    match step.expect.remote {
        RemoteExpect::Live { stamp, expires } => Ok((stamp, expires)),
        RemoteExpect::Absent | RemoteExpect::Deleted { .. } => Err(malformed(step, "a live secret")),
    }
}

/// Returns the error for a step that lacks what its action needs, whether the plan came from the database or
/// from the planner. It is refused like any other state that does not hold.
fn malformed(step: &Step, lacks: &str) -> StepError {
    tracing::error!(path = %step.path, lacks, "a step lacks the object on which it acts");
    StepError::Stale(format!("the step lacks {lacks}"))
}

/// Returns a base that links both sides.
fn linked(
    record_id: RecordId,
    revision: Revision,
    record_type: RecordType,
    stamp: RemoteStamp,
    expires: Option<UnixNanos>,
) -> BaseEntry {
    // `count_held` sets the right value when the base is recorded.
    let held_since = stamp.version;
    BaseEntry { record_id, revision, record_type, stamp, expires, link: Link::Linked, held_since, accepted: None }
}
