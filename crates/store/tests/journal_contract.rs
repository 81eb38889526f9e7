//! The store keeps the journal's contract.

use std::{cell::Cell, time::Duration};

use tempfile::TempDir;
use vaultterm_ledger::Action;
use vaultterm_reconcile::{Mode, RecordId, RecordType, SecretPath};
use vaultterm_sealing::{RootKey, SecretFields, SecretText};
use vaultterm_store::{
    AuditFilter, ConflictFilter, Context, Database, InstanceRole, NewConnection, NewRecord, NewUser, Page, RecordPatch,
    Store,
};
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, ConnectionSecrets, Credential, RunId, RunState};
use vaultterm_testkit::{
    Data,
    journal_contract::Desk,
    world::{actor, connection},
};

thread_local! {
    /// How far the test's clock is ahead, in microseconds. The store asks for the time on the
    /// thread that calls it, which is the test's own.
    static AHEAD: Cell<i64> = const { Cell::new(0) };
}

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("before 292277") + AHEAD.get()
}

fn context() -> Context {
    Context { actor: actor(), source_ip: None, request_id: None, now_us: now_us() }
}

/// A desk at a fresh database in a folder of its own.
struct StoreDesk {
    store: Store,
    connection_id: ConnectionId,
    collection_id: CollectionId,
    folder: TempDir,
}

async fn world() -> (Store, StoreDesk) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = Database::open_sqlite(&folder.path().join("vault.db"), now_us).await.expect("the database opens");
    let root = RootKey::generate();
    database.initialise(&context(), &root, None).await.expect("the database is initialised");
    let store = database.unlock(&root).await.expect("the keyring opens");
    let owner = NewUser {
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        role: InstanceRole::Owner,
        password_hash: None,
    };
    let owner = store.create_user(&context(), owner).await.expect("a person");
    let collection = store.create_collection(&context(), "team", owner.id).await.expect("a collection");
    let credential = Credential::SecretId(SecretText::new("secret id".to_owned()));
    let new = NewConnection {
        connection: connection(ConnectionId(uuid::Uuid::nil()), collection.id, Mode::Bidirectional),
        secrets: ConnectionSecrets { credential, client_key_pem: None },
    };
    let connection = store.create_connection(&context(), new).await.expect("a connection");
    let desk = StoreDesk { store: store.clone(), connection_id: connection.id, collection_id: collection.id, folder };
    (store, desk)
}

impl StoreDesk {
    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("vault.db")
    }

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
            let new = NewRecord { path: path.clone(), record_type, fields, tags: Vec::new(), inject_only: false };
            return self.store.create_record(&context(), self.collection_id, new).await.expect("created").id;
        };
        let patch = RecordPatch { record_type: Some(record_type), fields: Some(fields), ..RecordPatch::default() };
        self.store.update_record(&context(), record.id, record.revision, patch).await.expect("updated").id
    }

    async fn rename(&self, from: &SecretPath, to: &SecretPath) {
        let record = self.live(from).await.expect("a record to rename");
        let patch = RecordPatch { path: Some(to.clone()), ..RecordPatch::default() };
        self.store.update_record(&context(), record.id, record.revision, patch).await.expect("renamed");
    }

    async fn trash(&self, path: &SecretPath) {
        let record = self.live(path).await.expect("a record to trash");
        self.store.trash_record(&context(), record.id, None).await.expect("trashed");
    }

    async fn change_scope(&self) {
        // As an edit of the mount does.
        let file = sqlx::SqlitePool::connect(&format!("sqlite://{}", self.file().display())).await.expect("opens");
        sqlx::query("UPDATE connections SET scope_changed = 1").execute(&file).await.expect("updated");
        file.close().await;
    }

    async fn wrap_credential(&self, token: &str) {
        let credential = Credential::WrappingToken(SecretText::new(token.to_owned()));
        self.store.rotate_secret_id(&context(), self.connection_id, &credential).await.expect("rotated");
    }

    async fn run_state(&self, id: RunId) -> Option<RunState> {
        self.store.run(id).await.expect("the store answers").map(|run| run.state)
    }

    async fn conflict_ids(&self) -> Vec<ConflictId> {
        let page = self.store.conflicts(&ConflictFilter::default(), &Page::default()).await.expect("a page");
        page.items.into_iter().map(|row| row.id).collect()
    }

    async fn audited(&self) -> Vec<Action> {
        let page = Page { limit: 500, cursor: None };
        let page = self.store.audit_events(&AuditFilter::default(), &page).await.expect("a page");
        page.items.into_iter().map(|event| event.entry.draft.action).collect()
    }

    async fn let_pass(&self, duration: Duration) {
        AHEAD.set(AHEAD.get() + i64::try_from(duration.as_micros()).expect("short"));
    }
}

vaultterm_testkit::journal_contract!(world().await);
