//! A journal in memory that keeps the contract of [`Journal`](vaultterm_sync::Journal): guards, fencing, all
//! revisions, one transaction per call.
//!
//! `records.rs` holds what people do on the local side, `commit.rs` what runs record, and `trait_impl.rs` the
//! trait.

mod commit;
mod desk;
mod records;
mod trait_impl;

pub use desk::{MemoryDesk, memory_world};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{
    BaseEntry, LocalEntry, LocalSnapshot, RecordId, RecordType, RemoteStamp, Revision, SecretPath, UnixNanos,
};
use vaultterm_sealing::DigestKey;
use vaultterm_sync::{
    CollectionId, Connection, ConnectionId, HintedWriter, Origin, PlanId, Run, RunId, SeenInVault, StoredConflict,
    StoredPlan,
};

use crate::{Data, Fuse, ManualClock};

/// A journal in memory. Clones share the same content.
#[derive(Clone)]
pub struct MemoryJournal {
    state: Arc<Mutex<State>>,
    clock: ManualClock,
    fuse: Fuse,
    digest_key: Arc<DigestKey>,
}

/// The content of a journal.
#[derive(Clone, Default)]
struct State {
    connections: BTreeMap<ConnectionId, (Connection, StoredCredential)>,
    leases: BTreeMap<ConnectionId, LeaseRow>,
    fences: u64,
    records: BTreeMap<RecordId, MemoryRecord>,
    base: BTreeMap<(ConnectionId, SecretPath), BaseEntry>,
    suspicions: BTreeMap<ConnectionId, BTreeMap<SecretPath, RemoteStamp>>,
    /// What the newest run saw in Vault where it is not what both sides agree on.
    seen: BTreeMap<ConnectionId, Vec<SeenInVault>>,
    /// Who changed secrets in Vault, as hints say.
    hints: BTreeMap<(ConnectionId, SecretPath), HintedWriter>,
    /// The names that people accepted as left out, with the person.
    ignored: BTreeMap<ConnectionId, BTreeMap<String, String>>,
    /// A number that grows with every change of a record.
    change_number: u64,
    newest_runs: BTreeMap<ConnectionId, u64>,
    conflicts: Vec<StoredConflict>,
    plans: BTreeMap<PlanId, StoredPlan>,
    runs: BTreeMap<RunId, Run>,
    audit: Vec<AuditLine>,
    /// The number of transactions that recorded outcomes.
    commits: u64,
    /// Whether every call of the database fails.
    broken: bool,
    /// The number of transactions until an answer is lost.
    answer_lost: Option<u64>,
    /// The revisions that cannot be opened.
    damaged: BTreeSet<(RecordId, Revision)>,
    /// The number of ids drawn so far. Tests get the same ids every time.
    drawn: u128,
}

#[derive(Clone)]
struct LeaseRow {
    holder: Uuid,
    fence: u64,
    expires: UnixNanos,
}

/// A credential that can be copied.
#[derive(Clone)]
enum StoredCredential {
    SecretId(String),
    WrappingToken(String),
}

/// A copy of a journal at a moment.
#[derive(Clone)]
pub struct MemoryBackup(State);

/// A record with all its revisions.
#[derive(Clone, Debug)]
pub struct MemoryRecord {
    /// The collection of the record.
    pub collection_id: CollectionId,
    /// The path of the record.
    pub path: SecretPath,
    /// The time at which the record was moved to the trash, if it is there.
    pub trashed: Option<UnixNanos>,
    /// All revisions. The first is revision 1.
    pub revisions: Vec<MemoryRevision>,
}

/// A revision.
#[derive(Clone, Debug)]
pub struct MemoryRevision {
    /// The values.
    pub data: Data,
    /// The type.
    pub record_type: RecordType,
    /// The origin of the revision.
    pub origin: Origin,
}

/// An audited event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// The action.
    pub action: AuditAction,
    /// The object and the kind of change, for example `created_remote secret/team/app/a` or `run …`.
    pub detail: String,
}

impl MemoryRecord {
    /// Returns the number of the current revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.revisions.len() as u64)
    }

    /// Returns the current revision.
    ///
    /// # Panics
    /// Never: a record is created with its first revision.
    #[must_use]
    pub fn current(&self) -> &MemoryRevision {
        self.revisions.last().expect("a record has at least one revision")
    }

    fn at(&self, revision: Revision) -> Option<&MemoryRevision> {
        self.revisions.get(usize::try_from(revision.0).ok()?.checked_sub(1)?)
    }
}

impl MemoryJournal {
    /// Returns an empty journal.
    #[must_use]
    pub fn new(clock: ManualClock, fuse: Fuse) -> Self {
        let state = Arc::default();
        Self { state, clock, fuse, digest_key: Arc::new(DigestKey::new(&[7; 32])) }
    }

    /// Returns the same journal as another process uses it, which crashes with its own fuse.
    #[must_use]
    pub fn with_fuse(&self, fuse: Fuse) -> Self {
        Self { fuse, ..self.clone() }
    }

    /// Loses the answer of the `at`-th transaction from now, counted from 1: the transaction counts, and its caller gets an
    /// error.
    pub fn lose_answer(&self, at: u64) {
        self.state().answer_lost = Some(at);
    }

    /// Loses no answer any more.
    pub fn lose_no_answer(&self) {
        self.state().answer_lost = None;
    }

    /// Adds a connection that logs in with a `SecretID`.
    pub fn add_connection(&self, connection: Connection, secret_id: &str) {
        let credential = StoredCredential::SecretId(secret_id.to_owned());
        self.state().connections.insert(connection.id, (connection, credential));
    }

    /// Replaces the credential of a connection with a wrapping token.
    ///
    /// # Panics
    /// If the connection does not exist.
    pub fn set_wrapping_token(&self, id: ConnectionId, token: &str) {
        let mut state = self.state();
        let (_, credential) = state.connections.get_mut(&id).expect("the connection exists");
        *credential = StoredCredential::WrappingToken(token.to_owned());
    }

    /// Returns the stored `SecretID`, if it is not wrapped.
    #[must_use]
    pub fn secret_id(&self, id: ConnectionId) -> Option<String> {
        match &self.state().connections.get(&id)?.1 {
            StoredCredential::SecretId(secret_id) => Some(secret_id.clone()),
            StoredCredential::WrappingToken(_) => None,
        }
    }

    /// Adds a hint, as a program beside Vault would.
    pub fn hint(&self, id: ConnectionId, path: SecretPath, hint: HintedWriter) {
        self.state().hints.insert((id, path), hint);
    }

    /// Returns the number of transactions that recorded outcomes.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    /// Returns what runs saw of secrets that are not what both sides agree on.
    #[must_use]
    pub fn seen(&self, id: ConnectionId) -> Vec<SeenInVault> {
        self.state().seen.get(&id).cloned().unwrap_or_default()
    }

    /// Edits a connection, as a person would.
    ///
    /// # Panics
    /// If the connection does not exist.
    pub fn edit_connection(&self, id: ConnectionId, edit: impl FnOnce(&mut Connection)) {
        let mut state = self.state();
        let (connection, _) = state.connections.get_mut(&id).expect("the connection exists");
        edit(connection);
        connection.revision += 1;
    }

    /// Damages the newest revision of a live record, so that it cannot be opened.
    ///
    /// # Panics
    /// If the record does not exist.
    pub fn damage(&self, collection_id: CollectionId, path: &SecretPath) {
        let (record_id, record) = self.live(collection_id, path).expect("the record lives");
        self.state().damaged.insert((record_id, record.revision()));
    }

    /// Raises the restore guard. This is not an edit, so that earlier plans of the connection stay valid.
    ///
    /// # Panics
    /// If the connection does not exist.
    pub fn raise_guard(&self, id: ConnectionId, reason: &str) {
        let mut state = self.state();
        let (connection, _) = state.connections.get_mut(&id).expect("the connection exists");
        connection.guarded = Some(reason.to_owned());
    }

    /// Returns a connection.
    ///
    /// # Panics
    /// If the connection does not exist.
    #[must_use]
    pub fn connection_row(&self, id: ConnectionId) -> Connection {
        self.state().connections.get(&id).expect("the connection exists").0.clone()
    }

    /// Makes every call fail, or work again.
    pub fn set_broken(&self, broken: bool) {
        self.state().broken = broken;
    }

    /// Gives the lease of a connection to another holder, as if it had expired.
    pub fn steal_lease(&self, id: ConnectionId) {
        let mut state = self.state();
        state.fences += 1;
        let fence = state.fences;
        let expires = UnixNanos(i64::MAX);
        state.leases.insert(id, LeaseRow { holder: Uuid::from_u128(u128::MAX), fence, expires });
    }

    /// Copies the whole content, as a backup does.
    #[must_use]
    pub fn back_up(&self) -> MemoryBackup {
        MemoryBackup(self.state().clone())
    }

    /// Restores a copy. No lease is held afterwards. Ids that were drawn after the copy are not drawn again,
    /// because real ids are random.
    pub fn restore(&self, backup: &MemoryBackup) {
        let mut state = self.state();
        let drawn = state.drawn;
        *state = backup.0.clone();
        state.drawn = drawn;
        state.leases.clear();
    }

    /// Removes all leases.
    pub fn clear_leases(&self) {
        self.state().leases.clear();
    }

    /// Returns whether the connection is leased.
    #[must_use]
    pub fn is_leased(&self, id: ConnectionId) -> bool {
        self.state().leases.contains_key(&id)
    }

    /// Returns the base of a connection.
    #[must_use]
    pub fn base_rows(&self, id: ConnectionId) -> BTreeMap<SecretPath, BaseEntry> {
        self.state().base_of(id)
    }

    /// Replaces a base.
    pub fn set_base(&self, id: ConnectionId, path: &SecretPath, entry: BaseEntry) {
        self.state().base.insert((id, path.clone()), entry);
    }

    /// Returns the paths that looked gone once.
    #[must_use]
    pub fn suspicion_rows(&self, id: ConnectionId) -> BTreeSet<SecretPath> {
        self.state().suspicions.get(&id).map(|found| found.keys().cloned().collect()).unwrap_or_default()
    }

    /// Returns what the newest run saw in Vault where it is not what both sides agree on.
    #[must_use]
    pub fn seen_rows(&self, id: ConnectionId) -> Vec<SeenInVault> {
        self.state().seen.get(&id).cloned().unwrap_or_default()
    }

    /// Accepts that a path is left out, as a person would.
    pub fn ignore(&self, id: ConnectionId, path: &str, who: &str) {
        self.state().ignored.entry(id).or_default().insert(path.to_owned(), who.to_owned());
    }

    /// Returns all conflicts that were ever recorded, oldest first.
    #[must_use]
    pub fn conflict_rows(&self) -> Vec<StoredConflict> {
        self.state().conflicts.clone()
    }

    /// Returns the record of a run.
    #[must_use]
    pub fn run_row(&self, id: RunId) -> Option<Run> {
        self.state().runs.get(&id).cloned()
    }

    /// Returns the audited events, oldest first.
    #[must_use]
    pub fn audit(&self) -> Vec<AuditLine> {
        self.state().audit.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn base_of(&self, id: ConnectionId) -> BTreeMap<SecretPath, BaseEntry> {
        let entries = self.base.iter().filter(|((connection, _), _)| *connection == id);
        entries.map(|((_, path), entry)| (path.clone(), entry.clone())).collect()
    }

    fn local_side(&self, id: CollectionId) -> LocalSnapshot {
        let mut snapshot = LocalSnapshot::default();
        let mut trashed_at = BTreeMap::new();
        for (record_id, record) in self.records.iter().filter(|(_, record)| record.collection_id == id) {
            let entry = LocalEntry {
                record_id: *record_id,
                revision: record.revision(),
                record_type: record.current().record_type,
            };
            match record.trashed {
                None => drop(snapshot.live.insert(record.path.clone(), entry)),
                Some(at) if trashed_at.get(&record.path).is_none_or(|newest| *newest < at) => {
                    trashed_at.insert(record.path.clone(), at);
                    snapshot.trashed.insert(record.path.clone(), entry);
                }
                Some(_) => {}
            }
        }
        snapshot
    }

    fn live_at(&self, collection_id: CollectionId, path: &SecretPath) -> Option<RecordId> {
        let mut records = self.records.iter();
        records
            .find(|(_, record)| {
                record.collection_id == collection_id && record.trashed.is_none() && record.path == *path
            })
            .map(|(id, _)| *id)
    }

    fn draw_id(&mut self) -> Uuid {
        self.drawn += 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + self.drawn)
    }

    fn log(&mut self, action: AuditAction, detail: impl Into<String>) {
        self.audit.push(AuditLine { action, detail: detail.into() });
    }
}
