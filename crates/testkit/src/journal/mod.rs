//! A journal in memory that keeps the promises of [`Journal`](vaultterm_sync::Journal): guards,
//! fencing, all revisions, one transaction per call.
//!
//! `records.rs` is the local side as people use it, `commit.rs` what runs record, `trait_impl.rs`
//! the trait.

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
use vaultterm_ledger::Action;
use vaultterm_reconcile::{BaseEntry, RecordId, RecordType, RemoteStamp, Revision, SecretPath, UnixNanos};
use vaultterm_sealing::DigestKey;
use vaultterm_sync::{CollectionId, Connection, ConnectionId, Origin, PlanId, Run, RunId, StoredConflict, StoredPlan};

use crate::{Data, Fuse, ManualClock};

/// A journal in memory. Clones share the same content.
#[derive(Clone)]
pub struct MemoryJournal {
    state: Arc<Mutex<State>>,
    clock: ManualClock,
    fuse: Fuse,
    digest_key: Arc<DigestKey>,
}

/// Everything that is remembered.
#[derive(Clone, Default)]
struct State {
    connections: BTreeMap<ConnectionId, (Connection, StoredCredential)>,
    leases: BTreeMap<ConnectionId, LeaseRow>,
    fences: u64,
    records: BTreeMap<RecordId, MemoryRecord>,
    base: BTreeMap<(ConnectionId, SecretPath), BaseEntry>,
    suspicions: BTreeMap<ConnectionId, BTreeMap<SecretPath, RemoteStamp>>,
    /// Names that people accepted to be left out, and who.
    ignored: BTreeMap<ConnectionId, BTreeMap<String, String>>,
    /// Grows with every change of a record.
    change_number: u64,
    newest_runs: BTreeMap<ConnectionId, u64>,
    conflicts: Vec<StoredConflict>,
    plans: BTreeMap<PlanId, StoredPlan>,
    runs: BTreeMap<RunId, Run>,
    audit: Vec<AuditLine>,
    /// The database answers nothing but errors.
    broken: bool,
    /// Revisions that do not open.
    damaged: BTreeSet<(RecordId, Revision)>,
    /// Ids drawn so far: tests draw the same ones every time.
    drawn: u128,
}

#[derive(Clone)]
struct LeaseRow {
    holder: Uuid,
    fence: u64,
    expires: UnixNanos,
}

/// A credential in a form that can be copied.
#[derive(Clone)]
enum StoredCredential {
    SecretId(String),
    WrappingToken(String),
}

/// A copy of a journal at one moment.
#[derive(Clone)]
pub struct MemoryBackup(State);

/// One record with all its revisions.
#[derive(Clone, Debug)]
pub struct MemoryRecord {
    /// Its collection.
    pub collection_id: CollectionId,
    /// Its path.
    pub path: SecretPath,
    /// When it went to the trash, if it is there.
    pub trashed: Option<UnixNanos>,
    /// Every revision; the first is revision 1.
    pub revisions: Vec<MemoryRevision>,
}

/// One revision.
#[derive(Clone, Debug)]
pub struct MemoryRevision {
    /// Its values.
    pub data: Data,
    /// Its type.
    pub record_type: RecordType,
    /// Where it came from.
    pub origin: Origin,
}

/// One audited event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// What happened.
    pub action: Action,
    /// To what, and how: `created_remote secret/team/app/a`, `run …`.
    pub detail: String,
}

impl MemoryRecord {
    /// Returns the current revision's number.
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
    /// Makes an empty journal.
    #[must_use]
    pub fn new(clock: ManualClock, fuse: Fuse) -> Self {
        let state = Arc::default();
        Self { state, clock, fuse, digest_key: Arc::new(DigestKey::new(&[7; 32])) }
    }

    /// Adds a connection that logs in with a `SecretID`.
    pub fn add_connection(&self, connection: Connection, secret_id: &str) {
        let credential = StoredCredential::SecretId(secret_id.to_owned());
        self.state().connections.insert(connection.id, (connection, credential));
    }

    /// Puts a wrapping token in place of a connection's credential.
    ///
    /// # Panics
    /// When there is no such connection.
    pub fn set_wrapping_token(&self, id: ConnectionId, token: &str) {
        let mut state = self.state();
        let (_, credential) = state.connections.get_mut(&id).expect("the connection exists");
        *credential = StoredCredential::WrappingToken(token.to_owned());
    }

    /// Returns the `SecretID` that is stored, if it is not wrapped.
    #[must_use]
    pub fn secret_id(&self, id: ConnectionId) -> Option<String> {
        match &self.state().connections.get(&id)?.1 {
            StoredCredential::SecretId(secret_id) => Some(secret_id.clone()),
            StoredCredential::WrappingToken(_) => None,
        }
    }

    /// Edits a connection, as a person would.
    ///
    /// # Panics
    /// When there is no such connection.
    pub fn edit_connection(&self, id: ConnectionId, edit: impl FnOnce(&mut Connection)) {
        let mut state = self.state();
        let (connection, _) = state.connections.get_mut(&id).expect("the connection exists");
        edit(connection);
        connection.revision += 1;
    }

    /// Damages what the newest revision of a live record holds: it does not open any more.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn damage(&self, collection_id: CollectionId, path: &SecretPath) {
        let (record_id, record) = self.live(collection_id, path).expect("the record lives");
        self.state().damaged.insert((record_id, record.revision()));
    }

    /// Raises the restore guard, which is no edit: plans of before stay plans of this connection.
    ///
    /// # Panics
    /// When there is no such connection.
    pub fn raise_guard(&self, id: ConnectionId, reason: &str) {
        let mut state = self.state();
        let (connection, _) = state.connections.get_mut(&id).expect("the connection exists");
        connection.guarded = Some(reason.to_owned());
    }

    /// Returns a connection.
    ///
    /// # Panics
    /// When there is no such connection.
    #[must_use]
    pub fn connection_row(&self, id: ConnectionId) -> Connection {
        self.state().connections.get(&id).expect("the connection exists").0.clone()
    }

    /// Makes every call fail, or work again.
    pub fn set_broken(&self, broken: bool) {
        self.state().broken = broken;
    }

    /// Gives the lease of a connection to somebody else, as if it had expired.
    pub fn steal_lease(&self, id: ConnectionId) {
        let mut state = self.state();
        state.fences += 1;
        let fence = state.fences;
        let expires = UnixNanos(i64::MAX);
        state.leases.insert(id, LeaseRow { holder: Uuid::from_u128(u128::MAX), fence, expires });
    }

    /// Copies everything, as a backup does.
    #[must_use]
    pub fn back_up(&self) -> MemoryBackup {
        MemoryBackup(self.state().clone())
    }

    /// Goes back to a copy. Nobody holds a lease then, and ids that were drawn since are not drawn
    /// again: real ones are random.
    pub fn restore(&self, backup: &MemoryBackup) {
        let mut state = self.state();
        let drawn = state.drawn;
        *state = backup.0.clone();
        state.drawn = drawn;
        state.leases.clear();
    }

    /// Takes every lease away.
    pub fn clear_leases(&self) {
        self.state().leases.clear();
    }

    /// Tells whether anybody holds a lease.
    #[must_use]
    pub fn is_leased(&self, id: ConnectionId) -> bool {
        self.state().leases.contains_key(&id)
    }

    /// Returns the base of a connection.
    #[must_use]
    pub fn base_rows(&self, id: ConnectionId) -> BTreeMap<SecretPath, BaseEntry> {
        self.state().base_of(id)
    }

    /// Puts a base in place of what is there.
    pub fn set_base(&self, id: ConnectionId, path: &SecretPath, entry: BaseEntry) {
        self.state().base.insert((id, path.clone()), entry);
    }

    /// Returns the paths that looked gone once.
    #[must_use]
    pub fn suspicion_rows(&self, id: ConnectionId) -> BTreeSet<SecretPath> {
        self.state().suspicions.get(&id).map(|found| found.keys().cloned().collect()).unwrap_or_default()
    }

    /// Accepts that a path is left out, as a person would.
    pub fn ignore(&self, id: ConnectionId, path: &str, who: &str) {
        self.state().ignored.entry(id).or_default().insert(path.to_owned(), who.to_owned());
    }

    /// Returns every conflict that was ever recorded, oldest first.
    #[must_use]
    pub fn conflict_rows(&self) -> Vec<StoredConflict> {
        self.state().conflicts.clone()
    }

    /// Returns a run as it is recorded.
    #[must_use]
    pub fn run_row(&self, id: RunId) -> Option<Run> {
        self.state().runs.get(&id).cloned()
    }

    /// Returns what was audited, oldest first.
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

    fn log(&mut self, action: Action, detail: impl Into<String>) {
        self.audit.push(AuditLine { action, detail: detail.into() });
    }
}
