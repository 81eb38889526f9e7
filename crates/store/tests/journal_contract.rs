//! Runs the contract of journals on the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{Mode, RecordId, RecordType, SecretPath, UnixNanos};
use vaultterm_sealing::{RootKey, SecretFields, SecretText};
use vaultterm_store::{
    AuditFilter, ConflictFilter, ConnectionUpdate, Context, Database, InstanceRole, NewConnection, NewRecord, NewUser,
    Page, RecordPatch, Store,
};
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, ConnectionSecrets, Credential, RunId, RunState};
use vaultterm_testkit::{
    Data,
    journal_contract::Desk,
    world::{actor, connection},
};

/// The clock of the test, which is that of the system, moved ahead.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicI64>);

impl Ahead {
    fn now(&self) -> UnixNanos {
        UnixNanos(vaultterm_sync::system_time().0 + self.0.load(Ordering::Relaxed))
    }

    fn context(&self) -> Context {
        Context { actor: actor(), source_ip: None, request_id: None, now_us: self.now().0 / 1_000 }
    }
}

/// A desk on a fresh database in its own folder.
struct StoreDesk {
    store: Store,
    connection_id: ConnectionId,
    collection_id: CollectionId,
    ahead: Ahead,
    _folder: TempDir,
}

async fn world() -> (Store, StoreDesk) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ahead = Ahead::default();
    let clock = ahead.clone();
    let url = vaultterm_testkit::fresh_database(folder.path()).await.parse().expect("a URL");
    let database = Database::open(&url).await.expect("the database opens");
    let database = database.with_clock(Arc::new(move || clock.now()));
    let root = RootKey::generate();
    database.initialise(&ahead.context(), &root, None).await.expect("the database is initialised");
    let store = database.unlock(&root).await.expect("the keyring opens");
    let owner = NewUser {
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        role: InstanceRole::Owner,
        password_hash: None,
    };
    let owner = store.create_user(&ahead.context(), owner).await.expect("a person");
    let collection = store.create_collection(&ahead.context(), "team", owner.id).await.expect("a collection");
    let credential = Credential::SecretId(SecretText::new("secret id".to_owned()));
    let new = NewConnection {
        connection: connection(ConnectionId(uuid::Uuid::nil()), collection.id, Mode::Bidirectional),
        secrets: ConnectionSecrets { credential, client_key_pem: None },
    };
    let connection = store.create_connection(&ahead.context(), new).await.expect("a connection");
    let desk = StoreDesk {
        store: store.clone(),
        connection_id: connection.id,
        collection_id: collection.id,
        ahead,
        _folder: folder,
    };
    (store, desk)
}

impl StoreDesk {
    async fn live(&self, path: &SecretPath) -> Option<vaultterm_store::Record> {
        self.store.record_by_path(self.collection_id, path).await.expect("the store answers")
    }
}

impl Desk for StoreDesk {
    fn connection_id(&self) -> ConnectionId {
        self.connection_id
    }

    fn collection_id(&self) -> CollectionId {
        self.collection_id
    }

    async fn save(&self, path: &SecretPath, record_type: RecordType, data: Data) -> RecordId {
        let fields = SecretFields::from_trusted(data);
        let Some(record) = self.live(path).await else {
            let new = NewRecord {
                path: path.clone(),
                record_type,
                fields,
                tags: Vec::new(),
                inject_only: false,
                ask_again: false,
            };
            return self.store.create_record(&self.ahead.context(), self.collection_id, new).await.expect("created").id;
        };
        let patch = RecordPatch { record_type: Some(record_type), fields: Some(fields), ..RecordPatch::default() };
        self.store.update_record(&self.ahead.context(), record.id, record.revision, patch).await.expect("updated").id
    }

    async fn rename(&self, from: &SecretPath, to: &SecretPath) {
        let record = self.live(from).await.expect("a record to rename");
        let patch = RecordPatch { path: Some(to.clone()), ..RecordPatch::default() };
        self.store.update_record(&self.ahead.context(), record.id, record.revision, patch).await.expect("renamed");
    }

    async fn trash(&self, path: &SecretPath) {
        let record = self.live(path).await.expect("a record to trash");
        self.store.trash_record(&self.ahead.context(), record.id, None).await.expect("trashed");
    }

    async fn change_scope(&self) {
        let summary = self.store.connection_summary(self.connection_id).await.expect("the store answers");
        let revision = summary.expect("the connection").connection.revision;
        let update = ConnectionUpdate { mount: Some("elsewhere".to_owned()), ..ConnectionUpdate::default() };
        let context = self.ahead.context();
        let edited = self.store.update_connection(&context, self.connection_id, revision, update);
        assert!(edited.await.expect("edited").scope_changed);
    }

    async fn pause(&self, paused: bool) {
        self.store.pause_connection(&self.ahead.context(), self.connection_id, paused).await.expect("paused");
    }

    async fn raise_guard(&self, reason: &str) {
        assert_eq!(self.store.raise_restore_guard(&self.ahead.context(), reason).await.expect("raised"), 1);
    }

    async fn wrap_credential(&self, token: &str) {
        let credential = Credential::WrappingToken(SecretText::new(token.to_owned()));
        self.store.rotate_secret_id(&self.ahead.context(), self.connection_id, &credential).await.expect("rotated");
    }

    async fn run_state(&self, id: RunId) -> Option<RunState> {
        self.store.run(id).await.expect("the store answers").map(|run| run.state)
    }

    async fn conflict_ids(&self) -> Vec<ConflictId> {
        let page = self.store.conflicts(&ConflictFilter::default(), &Page::default()).await.expect("a page");
        let mut ids: Vec<_> = page.items.into_iter().map(|row| row.id).collect();
        // The list is sorted by path. The ids tell which conflict is older.
        ids.sort_unstable();
        ids
    }

    async fn audited(&self) -> Vec<AuditAction> {
        let page = Page { limit: 500, cursor: None };
        let page = self.store.audit_events(&AuditFilter::default(), &page).await.expect("a page");
        page.items.into_iter().map(|event| event.entry.draft.action).collect()
    }

    async fn let_pass(&self, duration: Duration) {
        self.ahead.0.fetch_add(i64::try_from(duration.as_nanos()).expect("short"), Ordering::Relaxed);
    }
}

vaultterm_testkit::journal_contract!(world().await);
