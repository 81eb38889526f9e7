//! The local side as the engine sees it: records, base, conflicts, plans, runs, leases.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::Duration,
};

use uuid::Uuid;
use vaultterm_ledger::RemoteRef;
use vaultterm_reconcile::{
    BaseEntry, Conflict, LocalSnapshot, RecordId, RecordType, RemoteStamp, Revision, SecretPath, UnixNanos,
};
use vaultterm_sealing::{DigestKey, SecretFields, SecretText};

use crate::{
    CollectionId, ConflictId, Connection, ConnectionId, ConnectionSecrets, Decision, PlanId, RemoteIdentity, Run,
    RunId, StoredConflict, StoredPlan,
};

/// Why the journal could not answer.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The lease is lost: another run holds the connection. Nothing was written.
    #[error("the lease of the connection was lost to another run")]
    LeaseLost,
    /// The connection is paused: no run begins on it. Nothing was written.
    #[error("the connection is paused")]
    Paused,
    /// One stored value does not open (it was changed, or its key is missing). Concerns that
    /// value alone.
    #[error("{0}")]
    Unreadable(String),
    /// The database failed.
    #[error("the database could not be used")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The right to run on a connection. A later lease has a higher fence, and commits under a
/// lower one are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The connection.
    pub connection_id: ConnectionId,
    /// Who holds it: one random id per run or resolution.
    pub holder: Uuid,
    /// Fencing number.
    pub fence: u64,
}

/// One stored revision.
#[derive(Debug)]
pub struct StoredFields {
    /// The values.
    pub fields: SecretFields,
    /// The type at that revision.
    pub record_type: RecordType,
}

/// Where a revision came from; kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person or program through the API.
    Person,
    /// Imported from this connection's remote.
    Remote(ConnectionId),
    /// A merge of both, or the record's side kept on top of an archived remote value.
    Merge(ConnectionId),
    /// A remote value kept before it is overwritten.
    Archive(ConnectionId),
}

/// What one path's step did, to be recorded in one transaction.
#[derive(Debug)]
pub struct Outcome {
    /// The path.
    pub path: SecretPath,
    /// The local change.
    pub local: LocalChange,
    /// What happens to the base of `path`. Where it moves, and no decision closes the conflict at the
    /// path, an open conflict there has converged and is closed in the same transaction.
    pub base: BaseChange,
    /// For a move: the old path, whose base is removed in the same transaction. (A move that
    /// could not delete the old secret leaves both bases, which then name the same record.)
    pub base_removed: Option<SecretPath>,
    /// What the audit says (`HCV_SECRET_SYNCED`); `None` for a base that merely moved.
    pub audit: Option<SyncedAudit>,
    /// The conflict that this outcome settles as a person decided; closed and audited
    /// (`HCV_CONFLICT_RESOLVED`) in the same transaction. One that is no longer open makes the
    /// outcome stale.
    pub resolves: Option<Resolved>,
}

/// A conflict and the decision that closes it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The conflict.
    pub id: ConflictId,
    /// The decision, for the audit.
    pub decision: Decision,
}

/// The facts of `HCV_SECRET_SYNCED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedAudit {
    /// `created_remote`, `updated_local` … as in the run's counts.
    pub what: &'static str,
    /// The record; `None` for a secret that never was one (a foreign one that a person had
    /// deleted).
    pub record_id: Option<RecordId>,
    /// Its revision afterwards, when it is live.
    pub revision: Option<Revision>,
    /// The remote side.
    pub remote: RemoteRef,
}

/// A guarded local change. A guard that does not hold makes the path stale. Where a guard
/// names a revision, it also asks that the record still lives at the path of the outcome: a
/// record that was renamed meanwhile is another path's business.
#[derive(Debug)]
pub enum LocalChange {
    /// Nothing changes; the revision that a base to be set names must exist.
    None,
    /// A new record, if no live record stands at the path.
    Create {
        /// Its id, drawn by the engine.
        record_id: RecordId,
        /// Its type.
        record_type: RecordType,
        /// Its values.
        fields: SecretFields,
    },
    /// The next revision of a record, if `expect` is its current one.
    Update {
        /// The record.
        record_id: RecordId,
        /// The guard; the new revision is the one after it.
        expect: Revision,
        /// The type.
        record_type: RecordType,
        /// The values.
        fields: SecretFields,
        /// Where they come from.
        origin: Origin,
    },
    /// Two revisions at once, if `expect` is the record's current one: first the remote value
    /// ([`Origin::Archive`]), then what the record holds on top of it.
    ///
    /// Together with a base that names the first of the two, this turns "both sides differ"
    /// into "changed locally" in one transaction: no remote value is overwritten before local
    /// history holds it, and whatever happens afterwards, the next run has a true base.
    Rebase {
        /// The record.
        record_id: RecordId,
        /// The guard; the remote value becomes the revision after it, `fields` the next.
        expect: Revision,
        /// The remote value.
        remote: SecretFields,
        /// The type, of both revisions.
        record_type: RecordType,
        /// What the record holds then: what it held before, or a merge.
        fields: SecretFields,
        /// Where `fields` come from.
        origin: Origin,
    },
    /// Values of Vault become revisions ([`Origin::Archive`]), the oldest first, and what the record
    /// holds comes on top of them, if `expect` is the record's current revision: a write is about to
    /// make Vault erase them.
    Archive {
        /// The record.
        record_id: RecordId,
        /// The guard; the values become the revisions after it.
        expect: Revision,
        /// The values that Vault is about to erase.
        older: Vec<SecretFields>,
        /// The type, of all these revisions.
        record_type: RecordType,
        /// What the record holds, as before.
        fields: SecretFields,
    },
    /// A trashed record comes back with a new revision, if the path of the outcome is the one it
    /// was trashed at and no live record stands there.
    Restore {
        /// The record.
        record_id: RecordId,
        /// The type.
        record_type: RecordType,
        /// The values.
        fields: SecretFields,
    },
    /// The record goes to the trash, if `expect` is its current revision.
    Trash {
        /// The record.
        record_id: RecordId,
        /// The guard.
        expect: Revision,
    },
}

/// What happens to a base entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseChange {
    /// It stays.
    Keep,
    /// It becomes this. When `local` creates or restores a record, the revision that was
    /// assigned is put in place of the one given.
    Set(BaseEntry),
    /// It is forgotten.
    Remove,
}

/// What came of recording one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Recorded; the record's revision now, where there is one.
    Done(Option<Revision>),
    /// The local guard did not hold: nothing of this outcome was recorded.
    Stale,
}

/// What becomes of the open conflicts that were not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherConflicts {
    /// The whole scope was judged: they converged, but for those at paths that could not be
    /// judged (skipped, unreadable).
    Converged {
        /// The paths that could not be judged.
        but: BTreeSet<SecretPath>,
    },
    /// Only some paths were judged: they stay as they are.
    Stay,
}

/// The database, as far as the engine needs it. Every method is one transaction.
pub trait Journal: Send + Sync {
    /// Loads a connection with its secrets.
    ///
    /// # Errors
    /// [`JournalError::Database`], as for every method here.
    fn connection(
        &self,
        id: ConnectionId,
    ) -> impl Future<Output = Result<Option<(Connection, ConnectionSecrets)>, JournalError>> + Send;

    /// Stores the `SecretID` that a wrapping token held in place of that token, unless the
    /// credential was replaced meanwhile.
    fn store_unwrapped(
        &self,
        id: ConnectionId,
        spent: &SecretText,
        secret_id: &SecretText,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Takes the lease of a connection, unless another holder's is still valid.
    fn acquire_lease(
        &self,
        id: ConnectionId,
        holder: Uuid,
        ttl: Duration,
    ) -> impl Future<Output = Result<Option<Lease>, JournalError>> + Send;

    /// Prolongs a lease. [`JournalError::LeaseLost`] when it is no longer ours.
    fn renew_lease(&self, lease: Lease, ttl: Duration) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Gives a lease back.
    fn release_lease(&self, lease: Lease) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Reads the base of a connection.
    fn base(
        &self,
        id: ConnectionId,
    ) -> impl Future<Output = Result<BTreeMap<SecretPath, BaseEntry>, JournalError>> + Send;

    /// Reads the stamps of a collection.
    fn local_snapshot(&self, id: CollectionId) -> impl Future<Output = Result<LocalSnapshot, JournalError>> + Send;

    /// Reads one revision of a record. `None` when there is none such.
    fn fields(
        &self,
        record_id: RecordId,
        revision: Revision,
    ) -> impl Future<Output = Result<Option<StoredFields>, JournalError>> + Send;

    /// Returns the key of the comparison digests.
    fn digest_key(&self) -> &DigestKey;

    /// Records outcomes, with their base and audit entries, under the lease. Answers in the
    /// order of `outcomes`.
    ///
    /// # Errors
    /// [`JournalError::LeaseLost`]: nothing was recorded.
    fn commit(
        &self,
        lease: Lease,
        run_id: RunId,
        outcomes: Vec<Outcome>,
    ) -> impl Future<Output = Result<Vec<Committed>, JournalError>> + Send;

    /// Forgets the whole base of a connection, records what answers there now and clears
    /// `scope_changed`.
    fn set_base_aside(
        &self,
        lease: Lease,
        identity: &RemoteIdentity,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records what answered at the address, that it answered now, and when the `SecretID`
    /// expires (`None` leaves what was known).
    fn record_identity(
        &self,
        lease: Lease,
        identity: &RemoteIdentity,
        secret_id_expires: Option<UnixNanos>,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records that a person acknowledged the connection's guard after a restore: it is no more.
    fn lift_guard(&self, lease: Lease) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Reads which paths the last run found gone at a remote whose reads may be stale, with the version
    /// that both sides agreed on then.
    fn suspicions(
        &self,
        id: ConnectionId,
    ) -> impl Future<Output = Result<BTreeMap<SecretPath, RemoteStamp>, JournalError>> + Send;

    /// Records which paths this run found gone at a remote whose reads may be stale, in place
    /// of what the last one found.
    fn record_suspicions(
        &self,
        lease: Lease,
        paths: &BTreeMap<SecretPath, RemoteStamp>,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Reads the names that people accepted to be left out, each with who did.
    fn ignored(&self, id: ConnectionId) -> impl Future<Output = Result<BTreeMap<String, String>, JournalError>> + Send;

    /// Reads the change number of a collection: it grows with every transaction that changes a record.
    fn change_number(&self, id: CollectionId) -> impl Future<Output = Result<u64, JournalError>> + Send;

    /// Reads the number of the connection's newest run that wrote to Vault; 0 for none.
    fn newest_run(&self, id: ConnectionId) -> impl Future<Output = Result<u64, JournalError>> + Send;

    /// Records that number. It only grows: a lower one changes nothing.
    fn record_newest_run(&self, lease: Lease, number: u64) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records conflicts: new ones are opened (`HCV_CONFLICT_DETECTED`), known ones (same
    /// path, open) take on what was found and are marked as seen. Answers how many are open
    /// afterwards.
    fn record_conflicts(
        &self,
        lease: Lease,
        run_id: RunId,
        found: &[Conflict],
        others: &OtherConflicts,
    ) -> impl Future<Output = Result<u64, JournalError>> + Send;

    /// Loads a conflict.
    fn conflict(&self, id: ConflictId) -> impl Future<Output = Result<Option<StoredConflict>, JournalError>> + Send;

    /// Stores a plan.
    fn store_plan(&self, plan: &StoredPlan) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Loads a plan. `None` when there is none such or it expired.
    fn plan(&self, id: PlanId) -> impl Future<Output = Result<Option<StoredPlan>, JournalError>> + Send;

    /// Records that a run began (`HCV_SYNC_STARTED`). Older runs of the connection that are
    /// still recorded as running lost their lease: they are closed as failed. A run that a
    /// person started ([`crate::Trigger::Manual`]) also sets the connection's `started`. The change
    /// number of the collection is remembered with the run, or that of the plan which it applies:
    /// what changed after it is not in this run.
    fn begin_run(&self, lease: Lease, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records counts and problems while a run goes on.
    fn update_run(&self, lease: Lease, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records how a run ended (`HCV_SYNC_FINISHED`, or `HCV_SYNC_HALTED`) and gives its lease
    /// back, if it still has it. Not fenced, since it touches nothing but what is the run's own:
    /// a run that lost its lease still says so. A run that another one has closed already stays
    /// as it is.
    fn finish_run(&self, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;
}
