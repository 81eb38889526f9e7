//! What the tests of this crate share: a store in a temporary folder, with a clock that moves
//! when it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;
use vaultterm_ledger::{Action, Actor, ActorKind};
use vaultterm_reconcile::{RecordType, SecretPath, UnixNanos};
use vaultterm_sealing::{RootKey, SecretFields};
use vaultterm_sync::CollectionId;

use crate::{AuditFilter, Context, Database, InstanceRole, NewRecord, NewUser, Page, Record, Store, StoreError, User};

/// A moment at which tests begin, in microseconds.
pub(crate) const NOW_US: i64 = 1_800_000_000_000_000;

/// An installation with one owner and one collection.
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) owner: User,
    pub(crate) collection: CollectionId,
    pub(crate) root: RootKey,
    pub(crate) folder: TempDir,
    now: Arc<AtomicI64>,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(NOW_US * 1_000));
        let time = Arc::clone(&now);
        let database = Database::open_sqlite(&folder.path().join("data").join("vaultterm.db")).await.unwrap();
        let database = database.with_clock(Arc::new(move || UnixNanos(time.load(Ordering::Relaxed))));
        let root = RootKey::generate();
        database.initialise(&somebody(), &root, Some(new_user("ann@example.com", InstanceRole::Owner))).await.unwrap();
        let store = database.unlock(&root).await.unwrap();
        let owner = store.user_by_email("ann@example.com").await.unwrap().unwrap();
        let collection = store.create_collection(&somebody(), "infra", owner.id).await.unwrap().id;
        Self { store, owner, collection, root, folder, now }
    }

    /// Lets time pass for the store.
    pub(crate) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
    }

    /// The owner, at the store's time.
    pub(crate) fn ann(&self) -> Context {
        let actor = Actor { kind: ActorKind::User, id: self.owner.id, name: self.owner.email.clone() };
        Context { actor, now_us: self.now.load(Ordering::Relaxed) / 1_000, ..somebody() }
    }

    pub(crate) async fn save(&self, path: &str, fields: Value) -> Result<Record, StoreError> {
        self.store.create_record(&self.ann(), self.collection, new_record(path, fields)).await
    }

    /// Every audited action, oldest first.
    pub(crate) async fn audited(&self) -> Vec<Action> {
        let page = Page { limit: 500, cursor: None };
        let events = self.store.audit_events(&AuditFilter::default(), &page).await.unwrap();
        events.items.into_iter().map(|event| event.entry.draft.action).collect()
    }
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
    }
}

pub(crate) fn at(path: &str) -> SecretPath {
    SecretPath::new(path).unwrap()
}

pub(crate) fn fields(values: Value) -> SecretFields {
    SecretFields::parse(values.to_string().as_bytes()).unwrap()
}
