//! The local side as the engine uses it: records, bases, conflicts, plans, runs and leases.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::Duration,
};

use uuid::Uuid;
use vaultterm_ledger::RemoteRef;
use vaultterm_reconcile::{
    BaseEntry, Conflict, Deleted, LocalSnapshot, RecordId, RecordType, RemoteStamp, Revision, SecretPath, UnixNanos,
    Version,
};
use vaultterm_sealing::{DigestKey, SecretFields, SecretText};

use crate::{
    CollectionId, ConflictId, Connection, ConnectionId, ConnectionSecrets, Decision, PlanId, RemoteIdentity,
    RevisionOrigin, Run, RunId, StoredConflict, StoredPlan,
};

/// Why the journal could not answer.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The lease was lost, because another run holds the connection. Nothing was written.
    #[error("the lease of the connection was lost to another run")]
    LeaseLost,
    /// The connection is paused, so no run can begin. Nothing was written.
    #[error("the connection is paused")]
    Paused,
    /// A stored value does not open (it was changed, or its key is missing). This concerns only that value.
    #[error("{0}")]
    Unreadable(String),
    /// The database failed.
    #[error("the database could not be used")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The right to run on a connection. A later lease has a higher fence, and commits under a lower fence are
/// refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The holder: a random id per run or resolution.
    pub holder: Uuid,
    /// The fencing number.
    pub fence: u64,
}

/// A stored revision.
#[derive(Debug)]
pub struct StoredFields {
    /// The values.
    pub fields: SecretFields,
    /// The type at that revision.
    pub record_type: RecordType,
}

/// The origin of a revision, which is stored with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person or program through the API.
    Person,
    /// The remote side of this connection.
    Remote(ConnectionId),
    /// A merge of both sides, or the record's side that is kept above an archived remote value.
    Merge(ConnectionId),
    /// A remote value kept before it is overwritten.
    Archive(ConnectionId),
}

impl Origin {
    /// Returns the source of the revision, and the connection that it came through.
    #[must_use]
    pub const fn parts(self) -> (RevisionOrigin, Option<ConnectionId>) {
        match self {
            Self::Person => (RevisionOrigin::Person, None),
            Self::Remote(id) => (RevisionOrigin::Remote, Some(id)),
            Self::Merge(id) => (RevisionOrigin::Merge, Some(id)),
            Self::Archive(id) => (RevisionOrigin::Archive, Some(id)),
        }
    }
}

/// The effects of a step at one path. They are recorded in one transaction.
#[derive(Debug)]
pub struct Outcome {
    /// The path.
    pub path: SecretPath,
    /// The local change.
    pub local: LocalChange,
    /// The change of the base of `path`. If the base moves, and no decision closes the conflict at the path,
    /// an open conflict there has converged. It is closed in the same transaction.
    pub base: BaseChange,
    /// The old path of a move. Its base is removed in the same transaction. (A move that could not delete the
    /// old secret leaves both bases, which then name the same record.)
    pub base_removed: Option<SecretPath>,
    /// The audit entry (`HCV_SECRET_SYNCED`). `None` if only the base moved.
    pub audit: Option<SyncedAudit>,
    /// The conflict that this outcome resolves with a person's decision. It is closed and audited
    /// (`HCV_CONFLICT_RESOLVED`) in the same transaction. If it is no longer open, the outcome is stale.
    pub resolves: Option<Resolved>,
    /// Whether VaultTerm itself wrote the version that the new base names.
    pub wrote_remote: bool,
}

/// What a run saw of a secret that is not what both sides agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenInVault {
    /// The path.
    pub path: SecretPath,
    /// The newest version. `None` if the secret is gone altogether.
    pub stamp: Option<RemoteStamp>,
    /// Whether the newest version is deleted, or the secret is gone.
    pub is_deleted: bool,
    /// Who wrote or deleted it, in words for people. `None` if nobody knows.
    pub writer: Option<String>,
}

/// The bases and records at some paths, and those of some records at any path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The bases, by path.
    pub base: BTreeMap<SecretPath, BaseEntry>,
    /// The records.
    pub local: LocalSnapshot,
    /// The number of all bases of the connection.
    pub based: u64,
}

/// Who changed a secret in Vault, as a hint says. Only people are shown it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HintedWriter {
    /// The writer in words, if the hint names one.
    pub writer: Option<String>,
    /// The version that the change made, if the hint names one. A deletion makes none.
    pub version: Option<Version>,
    /// The time of the change. It is that of the version exactly, or later by the time that Vault needed to answer.
    pub changed: Option<UnixNanos>,
}

/// A conflict with the decision that closes it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The conflict.
    pub id: ConflictId,
    /// The decision, for the audit log.
    pub decision: Decision,
}

/// The facts of `HCV_SECRET_SYNCED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedAudit {
    /// The kind of change: `created_remote`, `updated_local` …, as in the counts of the run.
    pub what: &'static str,
    /// The record. `None` for a secret that never was a record (a foreign secret that a person decided to
    /// delete).
    pub record_id: Option<RecordId>,
    /// The revision of the record afterwards, if it is live.
    pub revision: Option<Revision>,
    /// The remote side.
    pub remote: RemoteRef,
}

/// A guarded local change. If its guard does not hold, the path is stale. A guard that names a revision also
/// requires that the record still lives at the path of the outcome, because a record that was renamed
/// meanwhile does not concern this path.
#[derive(Debug)]
pub enum LocalChange {
    /// Nothing changes. The revision that a new base names must exist.
    None,
    /// Creates a record if no live record has the path.
    Create {
        /// The id, which the engine draws.
        record_id: RecordId,
        /// The type.
        record_type: RecordType,
        /// The values.
        fields: SecretFields,
    },
    /// Makes the next revision of a record if `expect` is its current one.
    Update {
        /// The record.
        record_id: RecordId,
        /// The guard. The new revision is the one after it.
        expect: Revision,
        /// The type.
        record_type: RecordType,
        /// The values.
        fields: SecretFields,
        /// The origin of the values.
        origin: Origin,
    },
    /// Makes two revisions at once if `expect` is the record's current one. The first has the remote value
    /// ([`Origin::Archive`]), and the second the content of the record above it.
    ///
    /// Together with a base that names the first of the two, this turns a difference on both sides into a
    /// local change in one transaction. No remote value is overwritten before local history contains it, and
    /// whatever happens afterwards, the next run has a true base.
    Rebase {
        /// The record.
        record_id: RecordId,
        /// The guard. The remote value becomes the revision after it, and `fields` the one after that.
        expect: Revision,
        /// The remote value.
        remote: SecretFields,
        /// The type of both revisions.
        record_type: RecordType,
        /// The content of the record afterwards: the one before, or a merge.
        fields: SecretFields,
        /// The origin of `fields`.
        origin: Origin,
    },
    /// Makes revisions of values from Vault ([`Origin::Archive`]), the oldest first, with the content of the
    /// record above them, if `expect` is the record's current revision. A write is about to make Vault erase
    /// these values.
    Archive {
        /// The record.
        record_id: RecordId,
        /// The guard. The values become the revisions after it.
        expect: Revision,
        /// The values that Vault is about to erase.
        older: Vec<SecretFields>,
        /// The type of all these revisions.
        record_type: RecordType,
        /// The unchanged content of the record.
        fields: SecretFields,
    },
    /// Restores a trashed record with a new revision, if it was trashed at the path of the outcome and no
    /// live record has that path.
    Restore {
        /// The record.
        record_id: RecordId,
        /// The type.
        record_type: RecordType,
        /// The values.
        fields: SecretFields,
    },
    /// Moves the record to the trash if `expect` is its current revision.
    Trash {
        /// The record.
        record_id: RecordId,
        /// The guard.
        expect: Revision,
    },
}

/// The change of a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseChange {
    /// The base stays.
    Keep,
    /// The base becomes this one. If `local` creates or restores a record, the journal sets the revision that
    /// the record got.
    Set(BaseEntry),
    /// The base is forgotten.
    Remove,
}

/// The result of recording an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The outcome was recorded. The value is the current revision of the record, if there is one.
    Done(Option<Revision>),
    /// The local guard did not hold, and nothing of this outcome was recorded.
    Stale,
}

/// What happens to open conflicts that were not found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherConflicts {
    /// The whole scope was judged. They have converged, except those at paths that could not be judged
    /// (skipped, unreadable).
    Converged {
        /// The paths that could not be judged.
        but: BTreeSet<SecretPath>,
    },
    /// Only these paths were judged. A conflict at one of them that was not found again has converged, and all others
    /// stay as they are.
    ConvergedAt {
        /// The paths that were judged.
        paths: BTreeSet<SecretPath>,
    },
    /// Only some paths were judged. The conflicts stay as they are.
    Stay,
}

impl OtherConflicts {
    /// Returns whether a conflict at this path that was not found again has converged.
    #[must_use]
    pub fn converges(&self, path: &SecretPath) -> bool {
        match self {
            Self::Converged { but } => !but.contains(path),
            Self::ConvergedAt { paths } => paths.contains(path),
            Self::Stay => false,
        }
    }
}

/// The database as the engine needs it. Every method is one transaction.
pub trait Journal: Send + Sync {
    /// Loads a connection with its secrets.
    ///
    /// # Errors
    /// [`JournalError::Database`], as for all methods here.
    fn connection(
        &self,
        id: ConnectionId,
    ) -> impl Future<Output = Result<Option<(Connection, ConnectionSecrets)>, JournalError>> + Send;

    /// Replaces a wrapping token by the `SecretID` that it contained, unless the credential was replaced
    /// meanwhile.
    fn store_unwrapped(
        &self,
        id: ConnectionId,
        spent: &SecretText,
        secret_id: &SecretText,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Takes the lease of a connection, unless another holder has a valid one.
    fn acquire_lease(
        &self,
        id: ConnectionId,
        holder: Uuid,
        ttl: Duration,
    ) -> impl Future<Output = Result<Option<Lease>, JournalError>> + Send;

    /// Prolongs a lease. Fails with [`JournalError::LeaseLost`] if another holder has it.
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

    /// Reads the bases and the records of a connection at some paths, and those of some records at any path, except
    /// trashed records at other paths. Reads the bases first.
    fn surroundings(
        &self,
        connection: &Connection,
        paths: &BTreeSet<SecretPath>,
        records: &BTreeSet<RecordId>,
    ) -> impl Future<Output = Result<Surroundings, JournalError>> + Send;

    /// Reads a revision of a record. Returns `None` if it does not exist.
    fn fields(
        &self,
        record_id: RecordId,
        revision: Revision,
    ) -> impl Future<Output = Result<Option<StoredFields>, JournalError>> + Send;

    /// Reads several revisions at once. Leaves out those that do not exist or do not open; [`Self::fields`] says why.
    fn fields_of(
        &self,
        wanted: &[(RecordId, Revision)],
    ) -> impl Future<Output = Result<BTreeMap<(RecordId, Revision), StoredFields>, JournalError>> + Send;

    /// Returns the key of the digests that compare values.
    fn digest_key(&self) -> &DigestKey;

    /// Records outcomes with their bases and audit entries under the lease. Returns the results in the order
    /// of `outcomes`.
    ///
    /// # Errors
    /// [`JournalError::LeaseLost`]. Nothing was recorded in that case.
    fn commit(
        &self,
        lease: Lease,
        run_id: RunId,
        outcomes: Vec<Outcome>,
    ) -> impl Future<Output = Result<Vec<Committed>, JournalError>> + Send;

    /// Forgets all bases of a connection, records the identity of the server, and clears `scope_changed`.
    fn set_base_aside(
        &self,
        lease: Lease,
        identity: &RemoteIdentity,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records the identity of the server, the time of its answer, and the expiry of the `SecretID`. `None`
    /// keeps the known expiry.
    fn record_identity(
        &self,
        lease: Lease,
        identity: &RemoteIdentity,
        secret_id_expires: Option<UnixNanos>,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records that a person acknowledged the guard of the connection after a restore, and removes it.
    fn lift_guard(&self, lease: Lease) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Reads the paths that the last run found gone on a remote whose reads may be stale, each with the
    /// version on which both sides agreed at that time.
    fn suspicions(
        &self,
        id: ConnectionId,
    ) -> impl Future<Output = Result<BTreeMap<SecretPath, RemoteStamp>, JournalError>> + Send;

    /// Records the paths that this run found gone on a remote whose reads may be stale, and replaces those of
    /// the last run.
    fn record_suspicions(
        &self,
        lease: Lease,
        paths: &BTreeMap<SecretPath, RemoteStamp>,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records what this run saw in Vault where it is not what both sides agree on, and replaces what earlier runs saw:
    /// everywhere, or only at the paths `at`, if the run looked at no others. Only people are shown it.
    fn record_seen(
        &self,
        lease: Lease,
        at: Option<&BTreeSet<SecretPath>>,
        seen: &[SeenInVault],
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Counts what runs for some paths deleted on each side since the last run of the whole connection that was not
    /// halted. Runs that applied a stored plan do not count, because a person saw what they would delete.
    fn deleted_in_part(&self, id: ConnectionId) -> impl Future<Output = Result<Deleted, JournalError>> + Send;

    /// Finds who changed some secrets in Vault, as waiting hints say. A path without a hint that names a writer is missing
    /// from the answer.
    fn hinted_writers(
        &self,
        id: ConnectionId,
        paths: &[SecretPath],
    ) -> impl Future<Output = Result<BTreeMap<SecretPath, HintedWriter>, JournalError>> + Send;

    /// Reads the names that people accepted as left out, each with the person.
    fn ignored(&self, id: ConnectionId) -> impl Future<Output = Result<BTreeMap<String, String>, JournalError>> + Send;

    /// Reads the change number of a collection. It grows with every transaction that changes a record.
    fn change_number(&self, id: CollectionId) -> impl Future<Output = Result<u64, JournalError>> + Send;

    /// Finds the newest run of a connection, of any kind and in any state.
    fn last_begun(&self, id: ConnectionId) -> impl Future<Output = Result<Option<RunId>, JournalError>> + Send;

    /// Reads the number of the connection's newest run that wrote to Vault. 0 if there is none.
    fn newest_run(&self, id: ConnectionId) -> impl Future<Output = Result<u64, JournalError>> + Send;

    /// Records that number. It only grows, so a lower number changes nothing.
    fn record_newest_run(&self, lease: Lease, number: u64) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records conflicts. New ones are opened (`HCV_CONFLICT_DETECTED`). Known ones (same path, open) take
    /// over the states that were found, and are marked as seen. Returns the number of open conflicts
    /// afterwards.
    fn record_conflicts(
        &self,
        lease: Lease,
        run_id: RunId,
        found: &[Conflict],
        others: &OtherConflicts,
    ) -> impl Future<Output = Result<u64, JournalError>> + Send;

    /// Reads the open conflicts of a connection, by path.
    fn open_conflicts(
        &self,
        id: ConnectionId,
    ) -> impl Future<Output = Result<Vec<StoredConflict>, JournalError>> + Send;

    /// Loads a conflict.
    fn conflict(&self, id: ConflictId) -> impl Future<Output = Result<Option<StoredConflict>, JournalError>> + Send;

    /// Stores a plan.
    fn store_plan(&self, plan: &StoredPlan) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Loads a plan. Returns `None` if it does not exist or has expired.
    fn plan(&self, id: PlanId) -> impl Future<Output = Result<Option<StoredPlan>, JournalError>> + Send;

    /// Records that a run began (`HCV_SYNC_STARTED`). Older runs of the connection that are still recorded as
    /// running have lost their lease, and are closed as failed. A run that a person started
    /// ([`crate::Trigger::Manual`]) also sets `started` of the connection. The change number of the
    /// collection is stored with the run, or that of the plan that the run applies. Later changes are not
    /// part of the run.
    fn begin_run(&self, lease: Lease, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records counts and problems during a run.
    fn update_run(&self, lease: Lease, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records the end of a run (`HCV_SYNC_FINISHED`, or `HCV_SYNC_HALTED`), and gives its lease back if it
    /// still has it. This is not fenced, because it changes only the run itself. A run that lost its lease
    /// can still report its end. A run that another one has closed already stays as it is.
    fn finish_run(&self, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;
}
