//! Shared parts of the tests of this crate: a store in a temporary folder, with a clock that a test moves.

mod gallery;

use std::{
    cell::Cell,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind, AuditAction};
use vaultterm_reconcile::{
    BaseEntry, Conflict, ConflictKind, Counts, Expect, Link, LocalExpect, Mode, Plan, RecordId, RecordType,
    RemoteExpect, RemoteStamp, Revision, SecretPath, UnixNanos, Version,
};
use vaultterm_sealing::{RootKey, SecretFields, SecretText, WebhookSecret};
use vaultterm_sync::{
    BaseChange, CollectionId, Committed, Connection, ConnectionId, ConnectionSecrets, Credential, Journal as _, Lease,
    LocalChange, Outcome, PlanId, RemoteIdentity, Run, RunId, RunPart, RunState, StoredPlan, Trigger,
};

use crate::{
    AuditFilter, Context, Database, DatabaseUrl, InstanceRole, NewConnection, NewRecord, NewToken, NewUser, NewWebhook,
    Page, Record, Store, StoreError, TokenInfo, TokenKind, User, Webhook,
};

pub(crate) use gallery::Spot;

/// The moment at which tests begin, in microseconds.
pub(crate) const NOW_US: i64 = 1_800_000_000_000_000;

/// An installation with one owner and one collection.
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) owner: User,
    pub(crate) collection: CollectionId,
    pub(crate) root: RootKey,
    pub(crate) folder: TempDir,
    pub(crate) url: DatabaseUrl,
    now: Arc<AtomicI64>,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = vaultterm_testkit::fresh_database(&folder.path().join("data")).await.parse().unwrap();
        Self::at(folder, url).await
    }

    /// Returns an installation in a file, for what no other database has.
    pub(crate) async fn in_a_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("data").join("vaultterm.db"));
        Self::at(folder, url).await
    }

    async fn at(folder: TempDir, url: DatabaseUrl) -> Self {
        let now = Arc::new(AtomicI64::new(NOW_US * 1_000));
        let time = Arc::clone(&now);
        let database = Database::open(&url).await.unwrap();
        let database = database.with_clock(Arc::new(move || UnixNanos(time.load(Ordering::Relaxed))));
        let root = RootKey::generate();
        database.initialise(&somebody(), &root, Some(new_user("ann@example.com", InstanceRole::Owner))).await.unwrap();
        let store = database.unlock(&root).await.unwrap();
        let owner = store.user_by_email("ann@example.com").await.unwrap().unwrap();
        let collection = store.create_collection(&somebody(), "infra", owner.id).await.unwrap().id;
        Self { store, owner, collection, root, folder, url, now }
    }

    /// Moves the clock of the store.
    pub(crate) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
    }

    /// Returns the context of the owner at the time of the store.
    pub(crate) fn ann(&self) -> Context {
        let actor = Actor { kind: ActorKind::User, id: self.owner.id, name: self.owner.email.clone() };
        Context { actor, now_us: self.now.load(Ordering::Relaxed) / 1_000, ..somebody() }
    }

    pub(crate) async fn save(&self, path: &str, fields: Value) -> Result<Record, StoreError> {
        self.store.create_record(&self.ann(), self.collection, new_record(path, fields)).await
    }

    /// Connects the collection to a path of the mount `secret`.
    pub(crate) async fn connect(&self, name: &str, mode: Mode, path: &str) -> Result<Connection, StoreError> {
        let connection = vaultterm_testkit::world::connection(ConnectionId(Uuid::nil()), self.collection, mode);
        let connection = Connection { name: name.to_owned(), path: path.to_owned(), ..connection };
        let credential = Credential::SecretId(SecretText::new(format!("secret id of {name}")));
        let client_key_pem = Some(SecretText::new(format!("client key of {name}")));
        let secrets = ConnectionSecrets { credential, client_key_pem };
        self.store.create_connection(&self.ann(), NewConnection { connection, secrets }).await
    }

    /// Creates a webhook for these actions, or for all.
    pub(crate) async fn hook(&self, name: &str, actions: Option<Vec<AuditAction>>) -> Webhook {
        let url = format!("https://{name}.example.com/hooks?token=hunter2");
        let secret = WebhookSecret::draw().unwrap();
        let new = NewWebhook { name: name.to_owned(), url, actions, paused: false, secret, from_seq: None };
        self.store.create_webhook(&self.ann(), new).await.unwrap()
    }

    /// Begins a run that holds the lease for a minute.
    pub(crate) async fn begin(&self, id: ConnectionId, trigger: Trigger) -> (Lease, Run) {
        self.begin_with(id, trigger, None).await
    }

    /// Stores a plan without steps that was made at a change number.
    pub(crate) async fn plan(&self, connection_id: ConnectionId, change_number: u64) -> PlanId {
        let created = UnixNanos(self.now.load(Ordering::Relaxed));
        let identity = RemoteIdentity {
            product: "Vault".to_owned(),
            version: "1".to_owned(),
            cluster_id: None,
            mount_accessor: "kv_1".to_owned(),
            mount_uuid: None,
            kv_version: 2,
        };
        let plan = StoredPlan {
            id: PlanId(vaultterm_sync::new_id()),
            connection_id,
            connection_revision: 1,
            identity,
            plan: Plan::default(),
            decisions: Vec::new(),
            change_number,
            created,
            expires: UnixNanos(created.0 + 900_000_000_000),
        };
        self.store.store_plan(&plan).await.unwrap();
        plan.id
    }

    /// Begins a run. If a stored plan is given, the run applies it.
    pub(crate) async fn begin_with(&self, id: ConnectionId, trigger: Trigger, plan_id: Option<PlanId>) -> (Lease, Run) {
        self.begin_as(id, trigger, plan_id, RunPart::default()).await
    }

    /// Begins a run of which a person chose a part.
    pub(crate) async fn begin_part(&self, id: ConnectionId, part: RunPart) -> (Lease, Run) {
        self.begin_as(id, Trigger::Manual, None, part).await
    }

    /// Begins a run that hints started.
    pub(crate) async fn begin_hinted(&self, id: ConnectionId, part: RunPart) -> (Lease, Run) {
        self.begin_as(id, Trigger::Hint, None, part).await
    }

    async fn begin_as(
        &self,
        id: ConnectionId,
        trigger: Trigger,
        plan_id: Option<PlanId>,
        part: RunPart,
    ) -> (Lease, Run) {
        let run_id = RunId(vaultterm_sync::new_id());
        let lease = self.store.acquire_lease(id, run_id.0, Duration::from_secs(60)).await.unwrap().unwrap();
        let run = Run {
            id: run_id,
            connection_id: id,
            plan_id,
            state: RunState::Running,
            trigger,
            actor: self.ann().actor,
            counts: Counts::default(),
            halts: Vec::new(),
            problems: Vec::new(),
            started: UnixNanos(self.now.load(Ordering::Relaxed)),
            finished: None,
            requests: 0,
            part,
        };
        self.store.begin_run(lease, &run).await.unwrap();
        (lease, run)
    }

    /// Ends a run and gives its lease back.
    pub(crate) async fn end(&self, (lease, run): (Lease, Run), state: RunState) {
        let finished = Some(UnixNanos(self.now.load(Ordering::Relaxed)));
        self.store.finish_run(&Run { state, finished, ..run }).await.unwrap();
        self.store.release_lease(lease).await.unwrap();
    }

    /// Imports a secret, as a run does.
    pub(crate) async fn import(&self, run: &(Lease, Run), path: &str, values: Value) -> RecordId {
        self.import_fields(run, path, fields(values)).await
    }

    /// Imports a secret with the fields that Vault returned.
    pub(crate) async fn import_fields(
        &self,
        (lease, run): &(Lease, Run),
        path: &str,
        fields: SecretFields,
    ) -> RecordId {
        let record_id = RecordId(vaultterm_sync::new_id());
        let record_type = RecordType::KeyValue;
        let outcome = Outcome {
            local: LocalChange::Create { record_id, record_type, fields },
            base: BaseChange::Set(base(record_id, 1)),
            ..outcome(path)
        };
        let committed = self.store.commit(*lease, run.id, vec![outcome]).await.unwrap();
        assert_eq!(committed, [Committed::Done(Some(Revision::FIRST))]);
        record_id
    }

    /// Returns all audited actions, the oldest first.
    pub(crate) async fn audited(&self) -> Vec<AuditAction> {
        let page = Page { limit: 500, cursor: None };
        let events = self.store.audit_events(&AuditFilter::default(), &page).await.unwrap();
        events.items.into_iter().map(|event| event.entry.draft.action).collect()
    }
}

tokio::task_local! {
    /// The number of statements that are left. At 0 the process counts as dead.
    static LEFT: Cell<Option<usize>>;
}

/// Counts a statement. Never returns if none is left.
pub(crate) async fn statement() {
    let dead = LEFT.try_with(|left| {
        left.set(left.get().and_then(|left| left.checked_sub(1)));
        left.get().is_none()
    });
    if dead.unwrap_or(false) {
        std::future::pending::<()>().await;
    }
}

/// Runs a future for a number of statements and then drops it before the next one, as a kill would. Returns
/// `true` if it ended by itself.
pub(crate) async fn cut_before_statement(statements: usize, future: impl Future<Output = ()>) -> bool {
    let mut future = pin!(future);
    let polled = std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if LEFT.with(Cell::get).is_none() => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    });
    LEFT.scope(Cell::new(Some(statements)), polled).await
}

/// Runs a future for a number of polls and then drops it, as a kill would. Returns `true` if it ended by
/// itself. The number of polls that it needs differs from run to run.
pub(crate) async fn cut(polls: usize, future: impl Future<Output = ()>) -> bool {
    let (mut future, mut left) = (pin!(future), polls);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|()| true)
    })
    .await
}

/// Opens the database again, as the next process does.
pub(crate) async fn reopened(house: &House, root: &RootKey) -> Result<Store, StoreError> {
    let database = Database::open(&house.url).await?;
    let now = house.store.now();
    database.with_clock(Arc::new(move || now)).unlock(root).await
}

/// Logs the owner in, and returns the token.
pub(crate) async fn login(house: &House) -> (TokenInfo, SecretText) {
    let new = NewToken {
        user_id: house.owner.id,
        kind: TokenKind::Login,
        name: "login".to_owned(),
        scopes: Vec::new(),
        expires_us: None,
    };
    house.store.issue_token(&house.ann(), new).await.unwrap()
}

pub(crate) fn somebody() -> Context {
    let actor = Actor { kind: ActorKind::System, id: Uuid::nil(), name: "test".to_owned() };
    Context { actor, source_ip: Some("127.0.0.1".to_owned()), request_id: Some("req-1".to_owned()), now_us: NOW_US }
}

pub(crate) fn new_user(email: &str, role: InstanceRole) -> NewUser {
    NewUser {
        email: email.to_owned(),
        name: "Somebody".to_owned(),
        role,
        password_hash: Some("$argon2id$x".to_owned()),
    }
}

pub(crate) fn new_record(path: &str, values: Value) -> NewRecord {
    NewRecord {
        path: at(path),
        record_type: RecordType::KeyValue,
        fields: fields(values),
        tags: Vec::new(),
        inject_only: false,
        ask_again: false,
    }
}

/// Returns an outcome that changes nothing.
pub(crate) fn outcome(path: &str) -> Outcome {
    Outcome {
        path: at(path),
        local: LocalChange::None,
        base: BaseChange::Keep,
        base_removed: None,
        audit: None,
        resolves: None,
        wrote_remote: false,
    }
}

/// Returns a conflict of a revision of a record with version 8.
pub(crate) fn conflict(path: &str, record_id: RecordId, revision: u64) -> Conflict {
    let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(8), version_created: UnixNanos(3) };
    Conflict {
        path: at(path),
        kind: ConflictKind::BothChanged,
        expect: Expect {
            local: LocalExpect::Live { record_id, revision: Revision(revision) },
            remote: RemoteExpect::Live { stamp, expires: None },
        },
        record_id: Some(record_id),
        base: None,
        local: None,
        remote: None,
        diverged: vec!["x".to_owned()],
        remote_writer: None,
    }
}

/// Returns a base that links a revision of a record to version 7.
pub(crate) fn base(record_id: RecordId, revision: u64) -> BaseEntry {
    let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(7), version_created: UnixNanos(2) };
    let (revision, record_type) = (Revision(revision), RecordType::KeyValue);
    let held_since = Version(1);
    BaseEntry { record_id, revision, record_type, stamp, expires: None, link: Link::Linked, held_since, accepted: None }
}

pub(crate) fn at(path: &str) -> SecretPath {
    SecretPath::new(path).unwrap()
}

pub(crate) fn fields(values: Value) -> SecretFields {
    SecretFields::parse(values.to_string().as_bytes()).unwrap()
}
