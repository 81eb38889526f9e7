//! A whole world for the engine: a connection between a collection in memory and a fake Vault, on a clock
//! that stands still.
//!
//! Start reading at [`World::new`] and [`World::run`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_reconcile::{HaltKind, Mode, Options, RecordType, SecretPath, UnixNanos};
use vaultterm_sync::{
    CollectionId, ConflictStatus, Connection, ConnectionId, Engine, EngineError, Ids, PlanId, Resolution, ResolvedBy,
    Run, RunId, RunRequest, Schedule, StoredConflict, Tls, Trigger,
};

use crate::{Data, FakeHints, FakeKv, FakeLicense, Fuse, ManualClock, MemoryJournal, SECRET_ID};

/// The instance with which the connection of the world marks secrets.
pub const INSTANCE: &str = "instance-1";
/// The path prefix of the world's connection.
pub const PREFIX: &str = "team/app";

/// A connection with both its sides.
#[derive(Clone)]
pub struct World {
    /// The clock.
    pub clock: ManualClock,
    /// The fuse, which blows when the test wants a crash.
    pub fuse: Fuse,
    /// The remote side.
    pub kv: FakeKv,
    /// The local side.
    pub journal: MemoryJournal,
    /// The license that allows the engine to write.
    pub license: FakeLicense,
    /// The hints that runs follow while they look at the whole connection.
    pub hints: FakeHints,
    /// The id of the connection.
    pub id: ConnectionId,
    /// The collection of the connection.
    pub collection_id: CollectionId,
    /// The number of runs requested so far. Tests get the same ids every time.
    runs: Arc<AtomicU64>,
    /// The ids that the engine has drawn so far.
    ids: Arc<CountedIds>,
}

/// The unusual parts of a request for a run.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// A stored plan to apply.
    pub plan_id: Option<PlanId>,
    /// The paths of the plan to leave out.
    pub skip: BTreeSet<SecretPath>,
    /// The only paths to look at.
    pub at: BTreeSet<SecretPath>,
    /// The halts to acknowledge.
    pub acknowledge: BTreeSet<HaltKind>,
}

impl World {
    /// Returns an empty world with the default options of a mode.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let clock = ManualClock::new();
        let fuse = Fuse::new();
        let kv = FakeKv::new(clock.clone(), fuse.clone());
        let journal = MemoryJournal::new(clock.clone(), fuse.clone());
        let id = ConnectionId(Uuid::from_u128(0xC0));
        let collection_id = CollectionId(Uuid::from_u128(0xC1));
        journal.add_connection(connection(id, collection_id, mode), SECRET_ID);
        Self {
            clock,
            fuse,
            kv,
            journal,
            license: FakeLicense::default(),
            hints: FakeHints::default(),
            id,
            collection_id,
            runs: Arc::default(),
            ids: Arc::default(),
        }
    }

    /// Returns an empty world with changed options.
    #[must_use]
    pub fn with(mode: Mode, change: impl FnOnce(&mut Options)) -> Self {
        let world = Self::new(mode);
        world.journal.edit_connection(world.id, |connection| change(&mut connection.options));
        world
    }

    /// Returns another installation beside this one. It has its own database, and a connection to the same
    /// place in Vault. The two share the clock, Vault and the fuse.
    #[must_use]
    pub fn beside(&self, mode: Mode, instance: &str) -> Self {
        let journal = MemoryJournal::new(self.clock.clone(), self.fuse.clone());
        let id = ConnectionId(Uuid::from_u128(0xC3));
        let mut connection = connection(id, self.collection_id, mode);
        instance.clone_into(&mut connection.options.instance);
        journal.add_connection(connection, SECRET_ID);
        Self { journal, id, runs: Arc::default(), ..self.clone() }
    }

    /// Returns the instance with which the connection marks secrets.
    #[must_use]
    pub fn instance(&self) -> String {
        self.journal.connection_row(self.id).options.instance
    }

    /// Returns an engine for both sides.
    #[must_use]
    pub fn engine(&self) -> Engine<MemoryJournal, FakeKv, ManualClock> {
        let license = Arc::new(self.license.clone());
        let ids = Arc::<CountedIds>::clone(&self.ids);
        let engine = Engine::new(self.journal.clone(), self.kv.clone(), self.clock.clone(), license);
        engine.with_ids(ids).hinted(Arc::new(self.hints.clone()))
    }

    // ---- the two sides ---------------------------------------------------------------------

    /// Saves a record, as a person would.
    pub fn save(&self, path: &str, fields: Value) {
        let data = data(fields);
        let record_type = match self.journal.live(self.collection_id, &at(path)) {
            Some((_, record)) => record.current().record_type,
            None => RecordType::infer(data.keys().map(String::as_str)),
        };
        self.journal.save(self.collection_id, &at(path), record_type, data);
    }

    /// Gives a record another type.
    ///
    /// # Panics
    /// If the record does not exist.
    pub fn retype(&self, path: &str, record_type: RecordType) {
        let data = self.record(path).expect("a record to give another type");
        self.journal.save(self.collection_id, &at(path), record_type, data);
    }

    /// Moves a record to the trash.
    pub fn trash(&self, path: &str) {
        self.journal.trash(self.collection_id, &at(path));
    }

    /// Renames a record.
    pub fn rename(&self, from: &str, to: &str) {
        self.journal.rename(self.collection_id, &at(from), &at(to));
    }

    /// Returns the content of the live record at a path.
    #[must_use]
    pub fn record(&self, path: &str) -> Option<Data> {
        self.journal.live(self.collection_id, &at(path)).map(|(_, record)| record.current().data.clone())
    }

    /// Returns the type of the live record at a path.
    #[must_use]
    pub fn record_type(&self, path: &str) -> Option<RecordType> {
        self.journal.live(self.collection_id, &at(path)).map(|(_, record)| record.current().record_type)
    }

    /// Writes a secret, as another client would.
    ///
    /// # Panics
    /// Never: a write without `cas` succeeds.
    pub fn put(&self, path: &str, fields: Value) -> u64 {
        let written = self.kv.mount(|mount, now| mount.put(&full(path), data(fields), None, now));
        written.expect("a write without cas succeeds")
    }

    /// Soft-deletes the newest version of a secret.
    pub fn delete(&self, path: &str) {
        self.kv.mount(|mount, now| {
            let current = mount.key(&full(path)).map_or(0, |key| key.current);
            mount.delete(&full(path), current, now);
        });
    }

    /// Removes a secret with its metadata.
    pub fn delete_metadata(&self, path: &str) {
        self.kv.mount(|mount, _| mount.delete_metadata(&full(path)));
    }

    /// Returns the content of the newest version of a secret, if it is live.
    #[must_use]
    pub fn secret(&self, path: &str) -> Option<Data> {
        self.kv.mount(|mount, now| {
            let current = mount.key(&full(path))?.current;
            mount.read(&full(path), current, now).map(|version| version.data.clone())
        })
    }

    /// Returns the number of the newest version. 0 if there is none.
    #[must_use]
    pub fn version(&self, path: &str) -> u64 {
        self.kv.mount(|mount, _| mount.key(&full(path)).map_or(0, |key| key.current))
    }

    /// Returns the custom metadata of a secret.
    #[must_use]
    pub fn marks(&self, path: &str) -> BTreeMap<String, String> {
        self.kv.mount(|mount, _| mount.key(&full(path)).map(|key| key.custom.clone())).unwrap_or_default()
    }

    // ---- requests of people to the engine -------------------------------------------------

    /// Runs the connection to its end.
    ///
    /// # Panics
    /// If the run cannot begin.
    pub fn run(&self) -> Run {
        self.run_as(Ask::default()).expect("the run begins")
    }

    /// Runs the connection with these halts acknowledged.
    ///
    /// # Panics
    /// If the run cannot begin.
    pub fn run_acknowledging(&self, halts: &[HaltKind]) -> Run {
        self.run_as(Ask { acknowledge: halts.iter().copied().collect(), ..Ask::default() }).expect("the run begins")
    }

    /// Runs the connection as requested.
    ///
    /// # Errors
    /// Those of [`Engine::begin`].
    pub fn run_as(&self, ask: Ask) -> Result<Run, EngineError> {
        self.clock.drive(self.running(ask, CancellationToken::new()))
    }

    /// Returns the future of a whole run, for tests that drive it themselves.
    ///
    /// # Errors
    /// Those of [`Engine::begin`].
    pub async fn running(&self, ask: Ask, cancel: CancellationToken) -> Result<Run, EngineError> {
        let engine = self.engine();
        let begun = engine.begin(self.id, self.request(ask)).await?;
        Ok(engine.run(begun, &(), &cancel).await)
    }

    /// Returns a request for a run.
    #[must_use]
    pub fn request(&self, ask: Ask) -> RunRequest {
        RunRequest {
            run_id: RunId(Uuid::from_u64_pair(0xC2, self.runs.fetch_add(1, Ordering::Relaxed))),
            plan_id: ask.plan_id,
            skip: ask.skip,
            at: ask.at,
            acknowledge: ask.acknowledge,
            follows: None,
            trigger: Trigger::Manual,
            actor: actor(),
        }
    }

    /// Returns the open conflicts in the order in which they were found.
    #[must_use]
    pub fn open_conflicts(&self) -> Vec<StoredConflict> {
        self.journal.conflict_rows().into_iter().filter(|row| row.status == ConflictStatus::Open).collect()
    }

    /// Returns the only open conflict.
    ///
    /// # Panics
    /// If the number of open conflicts is not one.
    #[must_use]
    pub fn open_conflict(&self) -> StoredConflict {
        let mut open = self.open_conflicts();
        assert_eq!(open.len(), 1, "one open conflict is expected: {open:#?}");
        open.remove(0)
    }

    /// Resolves a conflict, based on the states that it shows.
    ///
    /// # Errors
    /// Those of [`Engine::resolve`].
    pub fn resolve(&self, conflict: &StoredConflict, resolution: Resolution) -> Result<StoredConflict, EngineError> {
        self.clock.drive(self.resolving(conflict, resolution))
    }

    /// Returns the future of a resolution, for tests that drive it themselves.
    ///
    /// # Errors
    /// Those of [`Engine::resolve`].
    pub async fn resolving(
        &self,
        conflict: &StoredConflict,
        resolution: Resolution,
    ) -> Result<StoredConflict, EngineError> {
        let by = ResolvedBy { actor: actor(), reason: Some("because".to_owned()), request_id: None, source_ip: None };
        self.engine().resolve(conflict.id, resolution, Some(conflict.conflict.expect), &by).await
    }
}

/// Ids that hold the moment at which they were drawn and a count from 1. They are the same in every replay.
#[derive(Debug, Default)]
pub struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn draw(&self, now: UnixNanos) -> Uuid {
        let drawn = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let mut tail = [0; 10];
        tail[2..].copy_from_slice(&drawn.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0 / 1_000_000).unwrap_or(0), &tail).into_uuid()
    }
}

/// Parses a path.
///
/// # Panics
/// If the path is not valid.
#[must_use]
pub fn at(path: &str) -> SecretPath {
    SecretPath::new(path).expect("tests use good paths")
}

/// Returns the data of a JSON object.
///
/// # Panics
/// If the value is not an object.
#[must_use]
pub fn data(fields: Value) -> Data {
    match fields {
        Value::Object(fields) => fields.into_iter().collect(),
        other => panic!("fields are a JSON object, not {other}"),
    }
}

fn full(path: &str) -> String {
    format!("{PREFIX}/{path}")
}

/// Returns the person who acts in all tests.
#[must_use]
pub fn actor() -> Actor {
    Actor { kind: ActorKind::User, id: Uuid::from_u128(0xAC), name: "ada@example.com".to_owned() }
}

/// Returns a connection at [`PREFIX`] that is started and not paused.
#[must_use]
pub fn connection(id: ConnectionId, collection_id: CollectionId, mode: Mode) -> Connection {
    Connection {
        id,
        name: "prod".to_owned(),
        collection_id,
        address: "https://vault.example.com:8200".to_owned(),
        namespace: None,
        tls: Tls::default(),
        auth_mount: "approle".to_owned(),
        auth_namespace: None,
        role_id: "the-role-id".to_owned(),
        mount: "secret".to_owned(),
        path: PREFIX.to_owned(),
        options: Options::defaults(mode, INSTANCE),
        schedule: Schedule { interval_seconds: 300, on_change: true, requests_per_second_max: 0 },
        concurrency_max: 8,
        paused: false,
        started: true,
        scope_changed: false,
        guarded: None,
        identity: None,
        revision: 1,
    }
}
