//! The local side as the engine sees it: records, base, conflicts, plans, runs, leases.

use std::{collections::BTreeMap, future::Future, time::Duration};

use uuid::Uuid;
use vaultterm_ledger::RemoteRef;
use vaultterm_reconcile::{BaseEntry, LocalSnapshot, RecordId, RecordType, Revision, SecretPath};
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
    /// A merge of both.
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
    /// What happens to the base of `path`.
    pub base: BaseChange,
    /// For a move: the old path, whose base is removed in the same transaction.
    pub base_removed: Option<SecretPath>,
    /// What the audit says (`HCV_SECRET_SYNCED`); `None` for a base that merely moved.
    pub audit: Option<SyncedAudit>,
}

/// The facts of `HCV_SECRET_SYNCED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedAudit {
    /// `created_remote`, `updated_local` … as in the run's counts.
    pub what: &'static str,
    /// The record.
    pub record_id: RecordId,
    /// Its revision afterwards, when it is live.
    pub revision: Option<Revision>,
    /// The remote side.
    pub remote: RemoteRef,
}

/// A guarded local change. A guard that does not hold makes the path stale.
#[derive(Debug)]
pub enum LocalChange {
    /// Nothing changes; the revision that the base names must still exist.
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
    /// A trashed record comes back with a new revision, if no live record stands at the path.
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
    /// It becomes this. When `local` creates or restores a record, the store puts the revision
    /// it assigned in place of the one given.
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

/// A remote value to keep before it is overwritten: it becomes the record's next revision, and
/// the present content the one after.
#[derive(Debug)]
pub struct Archive {
    /// The record.
    pub record_id: RecordId,
    /// The guard.
    pub expect: Revision,
    /// The remote value.
    pub fields: SecretFields,
    /// The remote version it was.
    pub version: u64,
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

    /// Stores the `SecretID` that a wrapping token held, in its place.
    fn store_unwrapped(
        &self,
        id: ConnectionId,
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

    /// Keeps a remote value in the record's history. Answers the record's revision now, or
    /// `None` when the guard did not hold. A value that the history already holds (at or after
    /// the base revision) is not stored again.
    fn archive(
        &self,
        lease: Lease,
        archive: Archive,
    ) -> impl Future<Output = Result<Option<Revision>, JournalError>> + Send;

    /// Forgets the whole base of a connection and records what answers there now.
    fn set_base_aside(&self, lease: Lease) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records what answers at the address, and clears `scope_changed`.
    fn record_identity(
        &self,
        lease: Lease,
        identity: &RemoteIdentity,
        secret_id_expires_us: Option<i64>,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Makes the stored conflicts of a connection equal to the plan's: new ones are opened (and
    /// audited), known ones seen again, the others closed. Answers how many are open.
    fn record_conflicts(
        &self,
        lease: Lease,
        run_id: RunId,
        conflicts: &[vaultterm_reconcile::Conflict],
    ) -> impl Future<Output = Result<u64, JournalError>> + Send;

    /// Loads a conflict.
    fn conflict(&self, id: ConflictId) -> impl Future<Output = Result<Option<StoredConflict>, JournalError>> + Send;

    /// Closes a conflict as decided, audited with actor and reason.
    fn record_resolution(
        &self,
        lease: Lease,
        id: ConflictId,
        decision: &Decision,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Stores a plan.
    fn store_plan(&self, plan: &StoredPlan) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Loads a plan. `None` when there is none such or it expired.
    fn plan(&self, id: PlanId) -> impl Future<Output = Result<Option<StoredPlan>, JournalError>> + Send;

    /// Records that a run began (audited).
    fn begin_run(&self, lease: Lease, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records counts and problems while a run goes on.
    fn update_run(&self, lease: Lease, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Records how a run ended (audited; a halt too).
    fn finish_run(&self, lease: Lease, run: &Run) -> impl Future<Output = Result<(), JournalError>> + Send;
}
