//! Sends a marked value through everything that the store keeps. Then the tests search for it in the files of the database
//! (indexes and the write-ahead log are among them) and in every column of every table, on SQLite and on PostgreSQL.

use std::{fs, path::Path};

use serde_json::json;
use sqlx::{Column as _, Connection as _, PgConnection, Row as _, ValueRef as _};
use uuid::Uuid;
use vaultterm_ledger::RemoteRef;
use vaultterm_reconcile::{
    Conflict, ConflictKind, Expect, LocalExpect, Mode, Plan, RecordId, RecordType, RemoteExpect, Revision, SecretPath,
    UnixNanos,
};
use vaultterm_sealing::{RootKey, SecretBytes, SecretFields, SecretText, WebhookSecret, short};
use vaultterm_store::{
    Context, Database, DatabaseUrl, IdempotencyKey, InstanceRole, NewConnection, NewRecord, NewSession, NewToken,
    NewUser, NewWebhook, RecordPatch, SavedAnswer, Store, TokenKind, WebhookUpdate,
};
use vaultterm_sync::{
    BaseChange, ConnectionId, ConnectionSecrets, Credential, Journal as _, LinkPurpose, LocalChange, Origin,
    OtherConflicts, Outcome, PlanId, RemoteIdentity, Run, RunId, RunPart, RunState, StoredPlan, SyncedAudit, Trigger,
};
use vaultterm_testkit::world::{actor, connection};

/// The beginning of every secret of this test.
const CANARY: &str = "c4n4ry-4f1e-in-the-coal-mine";

/// The name of the collection, which is not a secret.
const COLLECTION: &str = "shaft-7";

fn canary(of: &str) -> String {
    format!("{CANARY}-{of}")
}

fn marked(of: &str) -> SecretFields {
    SecretFields::parse(json!({ "value": canary(of), "nested": {"deep": [canary(of)]} }).to_string().as_bytes())
        .expect("fields")
}

fn context() -> Context {
    Context { actor: actor(), source_ip: None, request_id: None, now_us: 1_800_000_000_000_000 }
}

#[tokio::test]
async fn no_secret_stands_in_any_file_or_column_in_plaintext() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vaultterm.db");
    let (store, needles) = filled(&DatabaseUrl::Sqlite(file.clone())).await;

    // Each search must also find a text that is not a secret. Otherwise it would prove nothing.
    let found = search_files(folder.path(), &needles);
    assert!(found.contains(&"vaultterm.db-wal".to_owned()), "{found:?}");
    let found = search_columns(&file, &needles).await;
    assert_eq!(found, ["collections.name", "audit.bytes"]);
    store.close().await;
    search_files(folder.path(), &needles);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn no_secret_stands_in_any_column_index_or_log_of_a_database_server_in_plaintext() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = vaultterm_testkit::fresh_database(folder.path()).await;
    let mut server = Server::connect(&text).await;
    let (store, needles) = filled(&text.parse().expect("a URL")).await;
    let mut found = server.search_columns(&needles).await;
    found.sort_unstable();
    assert_eq!(found, ["audit.bytes", "collections.name"]);
    // An index holds names in another form where it is one over an expression, and the write-ahead log holds everything again.
    let found = server.search_files(&needles).await;
    for name in ["table collections", "index collections_name_key", "the write-ahead log"] {
        assert!(found.iter().any(|found| found == name), "{name} holds the name of the collection: {found:?}");
    }
    store.close().await;
}

/// Sets an installation up, and stores a marked secret at every possible place. Returns what must not stand there, each with a
/// name.
async fn filled(url: &DatabaseUrl) -> (Store, Vec<(String, Vec<u8>)>) {
    let database = Database::open(url).await.expect("the database opens");
    let root = RootKey::generate();
    database.initialise(&context(), &root, None).await.expect("initialised");
    let store = database.unlock(&root).await.expect("unlocked");
    let mut secrets = fill(&store).await;
    secrets.push(CANARY.to_owned());

    let mut needles: Vec<(String, Vec<u8>)> = Vec::new();
    for secret in secrets {
        needles.push((format!("{secret} in hexadecimal"), hex(secret.as_bytes()).into_bytes()));
        needles.push((secret.clone(), secret.into_bytes()));
    }
    needles.push(("the root key".to_owned(), root.expose().to_vec()));
    // The digests that compare values must not be readable in the file either.
    let digest = marked("record").content(store.digest_key())["value"].digest;
    needles.push(("a comparison digest".to_owned(), digest.to_vec()));
    needles.push(("a comparison digest as JSON".to_owned(), json!(digest).to_string().into_bytes()));
    (store, needles)
}

/// Stores a marked secret at every possible place. Returns the secrets that the store generated.
async fn fill(store: &Store) -> Vec<String> {
    let owner = NewUser {
        email: "ann@example.com".to_owned(),
        name: "Ann".to_owned(),
        role: InstanceRole::Owner,
        password_hash: None,
    };
    let owner = store.create_user(&context(), owner).await.expect("an owner");
    let collection = store.create_collection(&context(), COLLECTION, owner.id).await.expect("a collection").id;
    let new = NewRecord {
        path: SecretPath::new("record").expect("a path"),
        record_type: RecordType::KeyValue,
        fields: marked("record"),
        tags: Vec::new(),
        inject_only: false,
        ask_again: false,
    };
    let record = store.create_record(&context(), collection, new).await.expect("a record");
    let patch = RecordPatch { fields: Some(marked("patch")), ..RecordPatch::default() };
    store.update_record(&context(), record.id, Revision(1), patch).await.expect("updated");
    store
        .reveal_record(&context(), record.id, None, None, Some("looking"), vaultterm_store::Proving::Fresh)
        .await
        .expect("revealed");
    store.trash_record(&context(), record.id, None).await.expect("trashed");
    store.restore_record(&context(), record.id, Some(Revision(1))).await.expect("restored");

    let secrets = ConnectionSecrets {
        credential: Credential::WrappingToken(SecretText::new(canary("wrapping-token"))),
        client_key_pem: Some(SecretText::new(canary("client-key"))),
    };
    let connection = connection(ConnectionId(Uuid::nil()), collection, Mode::Bidirectional);
    let connection = store.create_connection(&context(), NewConnection { connection, secrets }).await;
    let id = connection.expect("a connection").id;
    let (spent, secret_id) = (SecretText::new(canary("wrapping-token")), SecretText::new(canary("secret-id")));
    store.store_unwrapped(id, &spent, &secret_id).await.expect("unwrapped");
    let rotated = Credential::SecretId(SecretText::new(canary("rotated")));
    store.rotate_secret_id(&context(), id, &rotated).await.expect("rotated");
    run(store, id).await;

    let new = |kind| NewToken { user_id: owner.id, kind, name: "t".to_owned(), scopes: Vec::new(), expires_us: None };
    let (_, login) = store.issue_token(&context(), new(TokenKind::Login)).await.expect("a token");
    let (_, api) = store.issue_token(&context(), new(TokenKind::Api)).await.expect("a token");
    store.authenticate(api.expose(), context().now_us).await.expect("authenticated").expect("known");
    store.store_setup_link(&context(), &canary("setup-link"), i64::MAX).await.expect("stored");
    let seed = SecretBytes::new(canary("otp-seed").into_bytes());
    store.begin_otp(&context(), owner.id, &seed).await.expect("stored");
    let code = store.recovery_digest(owner.id, &canary("recovery-code"));
    store.confirm_otp(&context(), owner.id, 1, &[code]).await.expect("confirmed");
    let browser = store.trust_device(&context(), owner.id, "Firefox").await.expect("remembered");
    let (_, session) = store.begin_session(&context(), NewSession::new(owner.id, "Firefox")).await.expect("begun");
    let link = store.make_link(&context(), owner.id, LinkPurpose::Reset, i64::MAX).await.expect("made").1;
    store.record_login_failure(&context(), &canary("typed-into-the-wrong-field"), 0).await.expect("recorded");
    let key = IdempotencyKey { user_id: owner.id, key: "k".to_owned(), request: [7; 32] };
    store.claim_idempotency(&key, context().now_us).await.expect("claimed");
    let answer = SavedAnswer { status: 201, body: canary("answer").into_bytes() };
    store.complete_idempotency(&key, &answer).await.expect("completed");
    let drawn = [login, api, browser, session, link];
    let mut drawn: Vec<_> = drawn.iter().map(|text| text.expose().to_owned()).collect();
    drawn.extend(webhook(store).await);
    drawn
}

/// Creates a webhook and replaces its secret. Returns both secrets.
async fn webhook(store: &Store) -> [String; 2] {
    let (first, second) = (WebhookSecret::draw().expect("drawn"), WebhookSecret::draw().expect("drawn"));
    let texts = [&first, &second].map(|secret| secret.to_text().expose().to_owned());
    let (name, url) = ("siem".to_owned(), "https://siem.example.com".to_owned());
    let new = NewWebhook { name, url, actions: None, paused: false, secret: first, from_seq: None };
    let made = store.create_webhook(&context(), new).await.expect("a webhook");
    let update = WebhookUpdate { secret: Some(second), ..WebhookUpdate::default() };
    store.update_webhook(&context(), made.id, 1, update).await.expect("updated");
    store.fail_webhook(&made, "HTTP 500", 0).await.expect("recorded");
    texts
}

/// Lets a run record imports, updates, archives, a conflict and a plan.
async fn run(store: &Store, id: ConnectionId) {
    let run_id = RunId(vaultterm_sync::new_id());
    let lease = store.acquire_lease(id, run_id.0, std::time::Duration::from_secs(60)).await.expect("asked");
    let lease = lease.expect("a lease");
    let run = Run {
        id: run_id,
        connection_id: id,
        plan_id: None,
        state: RunState::Running,
        trigger: Trigger::Manual,
        actor: actor(),
        counts: vaultterm_reconcile::Counts::default(),
        halts: Vec::new(),
        problems: Vec::new(),
        started: UnixNanos(1),
        finished: None,
        requests: 0,
        part: RunPart::default(),
    };
    store.begin_run(lease, &run).await.expect("begun");
    let (record_id, record_type, path) =
        (RecordId(vaultterm_sync::new_id()), RecordType::KeyValue, SecretPath::new("imported").expect("a path"));
    let origin = Origin::Remote(id);
    let changes = [
        LocalChange::Create { record_id, record_type, fields: marked("import") },
        LocalChange::Update { record_id, expect: Revision(1), record_type, fields: marked("update"), origin },
        LocalChange::Rebase {
            record_id,
            expect: Revision(2),
            remote: marked("archive"),
            record_type,
            fields: marked("rebase"),
            origin: Origin::Merge(id),
        },
        LocalChange::Archive {
            record_id,
            expect: Revision(4),
            older: vec![marked("kept")],
            record_type,
            fields: marked("on top"),
        },
        LocalChange::Trash { record_id, expect: Revision(6) },
        LocalChange::Restore { record_id, record_type, fields: marked("restore") },
    ];
    let outcomes = changes.map(|local| Outcome {
        path: path.clone(),
        local,
        base: BaseChange::Keep,
        base_removed: None,
        audit: Some(SyncedAudit {
            what: "updated_local",
            record_id: Some(record_id),
            revision: None,
            remote: RemoteRef { path: "secret/imported".to_owned(), ..RemoteRef::default() },
        }),
        resolves: None,
        wrote_remote: false,
    });
    let committed = store.commit(lease, run_id, outcomes.into()).await.expect("committed");
    assert!(committed.iter().all(|one| matches!(one, vaultterm_sync::Committed::Done(_))), "{committed:?}");

    let conflict = Conflict {
        path,
        kind: ConflictKind::BothChanged,
        expect: Expect { local: LocalExpect::Live { record_id, revision: Revision(7) }, remote: RemoteExpect::Absent },
        record_id: Some(record_id),
        base: Some(marked("record").content(store.digest_key())),
        local: Some(marked("record").content(store.digest_key())),
        remote: None,
        diverged: vec!["value".to_owned()],
        remote_writer: None,
    };
    let shown = short(&conflict.base.as_ref().expect("a base")["value"].digest);
    assert_eq!(shown.len(), 8);
    store.record_conflicts(lease, run_id, std::slice::from_ref(&conflict), &OtherConflicts::Stay).await.expect("found");
    let identity = RemoteIdentity {
        product: "OpenBao".to_owned(),
        version: "2.7.2".to_owned(),
        cluster_id: None,
        mount_accessor: "kv_1".to_owned(),
        mount_uuid: None,
        kv_version: 2,
    };
    let plan = StoredPlan {
        id: PlanId(vaultterm_sync::new_id()),
        connection_id: id,
        connection_revision: 1,
        identity,
        plan: Plan { conflicts: vec![conflict], ..Plan::default() },
        decisions: Vec::new(),
        change_number: 1,
        created: UnixNanos(1),
        expires: UnixNanos(2),
    };
    store.store_plan(&plan).await.expect("a plan");
}

/// Searches every file of a folder, byte by byte. Returns the files that contain the name that is not a
/// secret.
fn search_files(folder: &Path, needles: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("a file");
        let name = entry.file_name().into_string().expect("a name");
        if look(&name, &fs::read(entry.path()).expect("readable"), needles) {
            found.push(name);
        }
    }
    found
}

/// Searches every cell of every table. Returns the columns that contain the name that is not a secret.
async fn search_columns(file: &Path, needles: &[(String, Vec<u8>)]) -> Vec<String> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&pool)
        .await
        .expect("tables");
    let mut found = Vec::new();
    for table in tables {
        let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
        for row in sqlx::query(sql).fetch_all(&pool).await.expect("rows") {
            for column in row.columns() {
                let value = row.try_get_raw(column.ordinal()).expect("a value");
                if value.is_null() {
                    continue;
                }
                // The cell is read as bytes, whatever the type of its column.
                let bytes: Vec<u8> = row.try_get_unchecked(column.ordinal()).expect("bytes");
                let at = format!("{table}.{}", column.name());
                if look(&at, &bytes, needles) {
                    found.push(at);
                }
            }
        }
    }
    pool.close().await;
    found
}

/// A PostgreSQL server, as its administrator sees it.
struct Server {
    admin: PgConnection,
    /// The place in the write-ahead log at which the test began.
    began: String,
}

impl Server {
    async fn connect(url: &str) -> Self {
        let mut admin = PgConnection::connect(url).await.expect("the server answers");
        let sql = "SELECT pg_current_wal_insert_lsn()::TEXT";
        let began = sqlx::query_scalar(sql).fetch_one(&mut admin).await.expect("a place");
        Self { admin, began }
    }

    /// Searches every cell of every table. Returns the columns that contain the name that is not a secret.
    async fn search_columns(&mut self, needles: &[(String, Vec<u8>)]) -> Vec<String> {
        let sql = "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public'";
        let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut self.admin).await.expect("tables");
        assert!(tables.len() > 30, "all tables are seen: {tables:?}");
        let mut found = Vec::new();
        for table in tables {
            let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
            for row in sqlx::query(sql).fetch_all(&mut self.admin).await.expect("rows") {
                for column in row.columns() {
                    let value = row.try_get_raw(column.ordinal()).expect("a value");
                    // The cell is read as bytes, whatever the type of its column.
                    let Ok(bytes) = value.as_bytes() else { continue };
                    let at = format!("{table}.{}", column.name());
                    if look(&at, bytes, needles) {
                        found.push(at);
                    }
                }
            }
        }
        found
    }

    /// Searches the files of all tables and indexes, and the write-ahead log of this test, byte by byte. Returns those that
    /// contain the name that is not a secret.
    async fn search_files(&mut self, needles: &[(String, Vec<u8>)]) -> Vec<String> {
        sqlx::query("CHECKPOINT").execute(&mut self.admin).await.expect("the files are written");
        for (name, needle) in needles {
            let found = self.files_with(needle).await;
            assert!(found.is_empty(), "{name} stands in {found:?}");
        }
        self.files_with(COLLECTION.as_bytes()).await
    }

    async fn files_with(&mut self, needle: &[u8]) -> Vec<String> {
        let sql = "SELECT name FROM (
                       SELECT CASE relkind WHEN 'i' THEN 'index ' ELSE 'table ' END || relname AS name,
                              pg_read_binary_file(pg_relation_filepath(oid)) AS bytes
                       FROM pg_class
                       WHERE relkind IN ('r', 'i', 't') AND relnamespace::regnamespace::TEXT IN ('public', 'pg_toast')
                       UNION ALL
                       SELECT 'the write-ahead log', pg_read_binary_file('pg_wal/' || name) FROM pg_ls_waldir()
                       WHERE name BETWEEN pg_walfile_name($2::pg_lsn) AND pg_walfile_name(pg_current_wal_insert_lsn())
                   ) AS file WHERE position($1::BYTEA IN bytes) > 0";
        sqlx::query_scalar(sql).bind(needle).bind(&self.began).fetch_all(&mut self.admin).await.expect("files")
    }
}

/// Fails if a secret is found. Returns whether the name that is not a secret is found.
fn look(at: &str, hay: &[u8], needles: &[(String, Vec<u8>)]) -> bool {
    let holds = |needle: &[u8]| hay.windows(needle.len()).any(|window| window == needle);
    for (name, needle) in needles {
        assert!(!holds(needle), "{name} stands in {at}");
    }
    holds(COLLECTION.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
