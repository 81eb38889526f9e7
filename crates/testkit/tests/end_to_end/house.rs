//! An installation with one collection, one OpenBao, and a connection between them. `vault_side.rs` holds the
//! Vault side.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, VaultConnector};
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{HaltKind, Mode, Options, RecordId, RecordType, Revision, UnixNanos};
use vaultterm_sealing::{FieldsError, RootKey, SecretFields, SecretText};
use vaultterm_store::{
    AuditEvent, AuditFilter, ConflictFilter, Context, Database, InstanceRole, NewConnection, NewRecord, NewUser, Page,
    Record, RecordFilter, RecordPatch, RecordState, Store,
};
use vaultterm_sync::{
    Clock, CollectionId, ConflictStatus, Connection, ConnectionId, ConnectionSecrets, Credential, Engine, EngineError,
    PlanId, Resolution, ResolvedBy, Run, RunId, RunRequest, RunState, StoredConflict, StoredPlan, Trigger,
};
use vaultterm_testkit::{
    Data, FakeLicense,
    openbao::{AppRole, Between, Credentials, OpenBao, OpenBaoBackdoor, Setup},
    world::{actor, at, connection, data},
};

use crate::vault_side::{Head, writes};

pub(crate) const MOUNT: &str = "kv";
pub(crate) const PREFIX: &str = "team/app";
pub(crate) const ROLE: &str = "vaultterm";

/// The clock of this machine.
struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> UnixNanos {
        vaultterm_sync::system_time()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Both sides, and the engine between them.
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) vault: OpenBaoBackdoor,
    pub(crate) server: Arc<OpenBao>,
    engine: Engine<Store, VaultConnector, MachineClock>,
    /// The gateway that may stand between the connection and the server. It passes everything on until a test
    /// changes that.
    pub(crate) between: Between,
    pub(crate) connection: ConnectionId,
    collection: CollectionId,
    folder: TempDir,
}

/// Everything that a run could have changed, without values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Print {
    vault: BTreeMap<String, Head>,
    records: Vec<String>,
    synced: usize,
}

impl House {
    /// Returns an empty house with the default options of a mode.
    pub(crate) async fn new(mode: Mode) -> Self {
        Self::with(mode, |_| {}).await
    }

    /// Returns an empty house with changed options.
    pub(crate) async fn with(mode: Mode, change: impl FnOnce(&mut Options)) -> Self {
        Self::build(mode, ConnectorOptions::default(), |connection, _| change(&mut connection.options)).await
    }

    /// Returns an empty house that lists in another way.
    pub(crate) async fn listing(mode: Mode, ways: ConnectorOptions) -> Self {
        Self::build(mode, ways, |_, _| {}).await
    }

    /// Returns an empty house whose connection goes through `between`.
    pub(crate) async fn meddled(mode: Mode) -> Self {
        let through =
            |connection: &mut Connection, between: &Between| between.address().clone_into(&mut connection.address);
        Self::build(mode, ConnectorOptions::default(), through).await
    }

    /// Returns an empty house whose connection goes through a balancer. Reads reach the standby of a cluster
    /// of two nodes, and all other requests the active node.
    pub(crate) async fn balanced(mode: Mode) -> (Self, OpenBao) {
        let server = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
        let standby = OpenBao::start_standby(&server).await;
        let between = Between::balancing(server.port(), standby.port()).await;
        let through =
            |connection: &mut Connection, between: &Between| between.address().clone_into(&mut connection.address);
        (Self::build_on((server, between), mode, ConnectorOptions::default(), through).await, standby)
    }

    async fn build(mode: Mode, ways: ConnectorOptions, change: impl FnOnce(&mut Connection, &Between)) -> Self {
        let server = OpenBao::start().await;
        let between = Between::new(server.port()).await;
        Self::build_on((server, between), mode, ways, change).await
    }

    async fn build_on(
        (server, between): (OpenBao, Between),
        mode: Mode,
        ways: ConnectorOptions,
        change: impl FnOnce(&mut Connection, &Between),
    ) -> Self {
        let server = Arc::new(server);
        let credentials = prepare(&server, mode).await;
        let folder = tempfile::tempdir().unwrap();
        let store = open_store(&folder).await;
        let owner = NewUser {
            email: "ada@example.com".to_owned(),
            name: "Ada".to_owned(),
            role: InstanceRole::Owner,
            password_hash: None,
        };
        let owner = store.create_user(&context(), owner).await.unwrap();
        let collection = store.create_collection(&context(), "team", owner.id).await.unwrap().id;
        let mut wanted = Connection {
            address: server.address(),
            role_id: credentials.role_id,
            mount: MOUNT.to_owned(),
            path: PREFIX.to_owned(),
            ..connection(ConnectionId(Uuid::nil()), collection, mode)
        };
        change(&mut wanted, &between);
        let credential = Credential::SecretId(SecretText::new(credentials.secret_id));
        let secrets = ConnectionSecrets { credential, client_key_pem: None };
        let new = NewConnection { connection: wanted, secrets };
        let made = store.create_connection(&context(), new).await.unwrap();
        let engine =
            Engine::new(store.clone(), VaultConnector::new(ways), MachineClock, Arc::new(FakeLicense::default()));
        let vault = server.backdoor(MOUNT, PREFIX);
        Self { store, vault, server, engine, between, connection: made.id, collection, folder }
    }

    // ---- VaultTerm's side ------------------------------------------------------------------

    /// Saves a record from JSON, as a person would.
    pub(crate) async fn try_save(&self, path: &str, json: &str) -> Result<Record, FieldsError> {
        let fields = SecretFields::parse(json.as_bytes())?;
        let record_type = RecordType::infer(fields.names());
        let Some(record) = self.found(path).await else {
            let new = NewRecord {
                path: at(path),
                record_type,
                fields,
                tags: Vec::new(),
                inject_only: false,
                ask_again: false,
            };
            return Ok(self.store.create_record(&context(), self.collection, new).await.unwrap());
        };
        let remove_fields = record.field_names.iter().filter(|name| !fields.names().any(|new| new == *name));
        let patch = RecordPatch {
            remove_fields: remove_fields.cloned().collect(),
            fields: Some(fields),
            ..RecordPatch::default()
        };
        Ok(self.store.update_record(&context(), record.id, record.revision, patch).await.unwrap())
    }

    /// Saves a record.
    pub(crate) async fn save(&self, path: &str, fields: Value) -> Record {
        self.try_save(path, &fields.to_string()).await.unwrap()
    }

    /// Creates a record of a type.
    pub(crate) async fn save_as(&self, record_type: RecordType, path: &str, fields: Value) {
        let record = self.save(path, fields).await;
        let patch = RecordPatch { record_type: Some(record_type), ..RecordPatch::default() };
        self.store.update_record(&context(), record.id, record.revision, patch).await.unwrap();
    }

    pub(crate) async fn rename(&self, from: &str, to: &str) {
        let record = self.found(from).await.expect("a record to rename");
        let patch = RecordPatch { path: Some(at(to)), ..RecordPatch::default() };
        self.store.update_record(&context(), record.id, record.revision, patch).await.unwrap();
    }

    pub(crate) async fn trash(&self, path: &str) -> RecordId {
        let record = self.found(path).await.expect("a record to trash");
        self.store.trash_record(&context(), record.id, None).await.unwrap().id
    }

    pub(crate) async fn restore(&self, id: RecordId) {
        self.store.restore_record(&context(), id, None).await.unwrap();
    }

    /// Returns the live record at a path.
    pub(crate) async fn found(&self, path: &str) -> Option<Record> {
        self.store.record_by_path(self.collection, &at(path)).await.unwrap()
    }

    /// Returns the content of the live record at a path.
    pub(crate) async fn record(&self, path: &str) -> Option<Data> {
        let record = self.found(path).await?;
        Some(self.revision(record.id, record.revision).await)
    }

    /// Returns every value that a record has ever held, oldest first.
    pub(crate) async fn history(&self, id: RecordId) -> Vec<Data> {
        let newest = self.store.record(id).await.unwrap().expect("the record").revision;
        let mut history = Vec::new();
        for number in 1..=newest.0 {
            history.push(self.revision(id, Revision(number)).await);
        }
        history
    }

    async fn revision(&self, id: RecordId, revision: Revision) -> Data {
        let shown = self
            .store
            .reveal_record(&context(), id, Some(revision), None, None, vaultterm_store::Proving::Fresh)
            .await
            .unwrap();
        shown.expose().clone()
    }

    /// Returns the paths in the trash.
    pub(crate) async fn trashed(&self) -> Vec<String> {
        self.records(RecordState::Trash).await.into_iter().map(|record| record.path.to_string()).collect()
    }

    /// Returns all records in a state.
    pub(crate) async fn records(&self, state: RecordState) -> Vec<Record> {
        let filter = RecordFilter { state, ..RecordFilter::default() };
        let mut page = Page { limit: 500, cursor: None };
        let mut all = Vec::new();
        loop {
            let paged = self.store.records(self.collection, &filter, &page).await.unwrap();
            all.extend(paged.items);
            page.cursor = paged.next_cursor;
            if page.cursor.is_none() {
                return all;
            }
        }
    }

    /// Returns the bytes of all files that VaultTerm keeps.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            (path.display().to_string(), std::fs::read(&path).unwrap())
        };
        entries.map(read).collect()
    }

    /// Returns the number of audit entries with an action.
    pub(crate) async fn audited(&self, action: AuditAction) -> usize {
        let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
        self.audit(&filter).await.len()
    }

    /// Returns the audit entries that match a filter.
    pub(crate) async fn audit(&self, filter: &AuditFilter) -> Vec<AuditEvent> {
        let mut page = Page { limit: 500, cursor: None };
        let mut all = Vec::new();
        loop {
            let paged = self.store.audit_events(filter, &page).await.unwrap();
            all.extend(paged.items);
            page.cursor = paged.next_cursor;
            if page.cursor.is_none() {
                return all;
            }
        }
    }

    // ---- runs ------------------------------------------------------------------------------

    /// Runs the connection with these halts acknowledged.
    pub(crate) async fn run(&self, acknowledge: &[HaltKind]) -> Run {
        self.run_as(None, acknowledge).await
    }

    /// Makes a plan and stores it.
    pub(crate) async fn plan(&self) -> StoredPlan {
        self.plan_or_fault().await.unwrap()
    }

    /// Makes a plan and stores it, or returns the error.
    pub(crate) async fn plan_or_fault(&self) -> Result<StoredPlan, EngineError> {
        self.engine.plan(self.connection).await
    }

    /// Applies a stored plan.
    pub(crate) async fn apply(&self, plan: PlanId) -> Run {
        self.run_as(Some(plan), &[]).await
    }

    async fn run_as(&self, plan_id: Option<PlanId>, acknowledge: &[HaltKind]) -> Run {
        let request = RunRequest {
            run_id: RunId(vaultterm_sync::new_id()),
            plan_id,
            skip: BTreeSet::new(),
            at: BTreeSet::new(),
            acknowledge: acknowledge.iter().copied().collect(),
            follows: None,
            trigger: Trigger::Manual,
            actor: actor(),
        };
        let begun = self.engine.begin(self.connection, request).await.unwrap();
        self.engine.run(begun, &(), &CancellationToken::new()).await
    }

    /// Runs the connection and asserts that it succeeds.
    pub(crate) async fn succeed(&self) -> Run {
        let run = self.run(&[]).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        run
    }

    /// Runs the connection again and asserts that nothing changes on either side.
    pub(crate) async fn rests(&self) {
        let (before, entries) = (self.print().await, self.asked());
        let run = self.succeed().await;
        let asked = self.asked_since(entries);
        assert_eq!(writes(&asked), Vec::<String>::new());
        assert_eq!(self.print().await, before, "{run:#?}");
    }

    /// Returns everything that a run could change.
    pub(crate) async fn print(&self) -> Print {
        let mut records = self.records(RecordState::Live).await;
        records.extend(self.records(RecordState::Trash).await);
        // What a run saw in Vault changes neither side.
        records.iter_mut().flat_map(|record| &mut record.sync).for_each(|sync| sync.seen = None);
        Print {
            vault: self.heads().await,
            records: records.iter().map(|record| format!("{record:?}")).collect(),
            synced: self.audited(AuditAction::HcvSecretSynced).await,
        }
    }

    /// Asserts that a path has the same content on both sides.
    pub(crate) async fn in_step(&self, path: &str, fields: Value) {
        let expected = Some(data(fields));
        assert_eq!((self.record(path).await, self.secret(path).await), (expected.clone(), expected), "{path}");
    }

    // ---- conflicts -------------------------------------------------------------------------

    /// Returns the open conflicts.
    pub(crate) async fn conflicts(&self) -> Vec<StoredConflict> {
        let filter = ConflictFilter { status: Some(ConflictStatus::Open), ..ConflictFilter::default() };
        self.store.conflicts(&filter, &Page::default()).await.unwrap().items
    }

    /// Resolves a conflict, based on the states that it shows.
    pub(crate) async fn resolve(
        &self,
        conflict: &StoredConflict,
        how: Resolution,
    ) -> Result<StoredConflict, EngineError> {
        let by = ResolvedBy { actor: actor(), reason: Some("because".to_owned()), request_id: None, source_ip: None };
        self.engine.resolve(conflict.id, how, Some(conflict.conflict.expect), &by).await
    }
}

/// Mounts KV v2 and creates the role with exactly the policy that the product prints.
async fn prepare(server: &OpenBao, mode: Mode) -> Credentials {
    let root = server.root();
    root.mount_kv(MOUNT, 2).await;
    root.make_role(AppRole { name: ROLE, policy: &House::printed_policy(mode), more: json!({}) }).await
}

async fn open_store(folder: &TempDir) -> Store {
    let url = vaultterm_testkit::fresh_database(folder.path()).await.parse().unwrap();
    let database = Database::open(&url).await.unwrap();
    let root = RootKey::generate();
    database.initialise(&context(), &root, None).await.unwrap();
    database.unlock(&root).await.unwrap()
}

pub(crate) fn context() -> Context {
    Context { actor: actor(), source_ip: None, request_id: None, now_us: MachineClock.now().0 / 1_000 }
}
