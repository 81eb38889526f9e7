//! Measures the cost of the audit log on a SQLite file that is flushed with each commit. One measurement
//! appends entries in batches, as a run records them. The other reveals a value over HTTP and commits its
//! entry.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, VaultConnector};
use vaultterm_ledger::{Actor, ActorKind, RemoteRef};
use vaultterm_reconcile::{Counts, Mode, RecordId, RecordType, SecretPath, UnixNanos};
use vaultterm_sealing::{RootKey, SecretFields, SecretText};
use vaultterm_server::{AuditOptions, LicenseSettings, Opening, RootKeeper, Server, ServerSettings, ServerState};
use vaultterm_store::{
    Context, Database, InstanceRole, NewConnection, NewRecord, NewToken, NewUser, Scope, Store, TokenKind, User,
};
use vaultterm_sync::{
    BaseChange, CollectionId, ConnectionId, ConnectionSecrets, Credential, Journal as _, LocalChange, Outcome, Run,
    RunId, RunPart, RunState, SyncedAudit, Trigger,
};
use vaultterm_testkit::world::connection;

/// The number of entries to append, and the number per transaction. The engine uses the same batch size.
const ENTRIES: usize = 20_000;
const BATCH: usize = 200;
/// The number of values to reveal.
const REVEALS: usize = 2_000;
/// The targets.
const ENTRIES_A_SECOND: f64 = 2_000.0;
const REVEAL_P99: Duration = Duration::from_millis(25);

/// A database on a file, with an owner and a collection.
pub(crate) struct Installation {
    pub(crate) store: Store,
    pub(crate) root: RootKey,
    pub(crate) owner: User,
    pub(crate) collection: CollectionId,
    /// The folder of the database. Both are removed on drop.
    pub(crate) folder: TempDir,
}

/// Runs both measurements and prints whether they meet the targets.
pub(crate) async fn measure() -> Result<()> {
    println!("the audit log, {ENTRIES} entries in batches of {BATCH}, {REVEALS} reveals over HTTP");
    append(&installation().await?).await?;
    reveal(installation().await?).await
}

pub(crate) async fn installation() -> Result<Installation> {
    let folder = tempfile::tempdir()?;
    let database = Database::open_sqlite(&folder.path().join("vaultterm.db")).await?;
    let root = RootKey::generate();
    database.initialise(&context(), &root, None).await?;
    let store = database.unlock(&root).await?;
    let owner = NewUser {
        email: "bench@example.com".to_owned(),
        name: "Bench".to_owned(),
        role: InstanceRole::Owner,
        password_hash: None,
    };
    let owner = store.create_user(&context(), owner).await?;
    let collection = store.create_collection(&context(), "bench", owner.id).await?.id;
    Ok(Installation { store, root, owner, collection, folder })
}

async fn append(installation: &Installation) -> Result<()> {
    let Installation { store, collection, .. } = installation;
    let credential = Credential::SecretId(SecretText::new("secret id".to_owned()));
    let new = NewConnection {
        connection: connection(ConnectionId(Uuid::nil()), *collection, Mode::Push),
        secrets: ConnectionSecrets { credential, client_key_pem: None },
    };
    let connection = store.create_connection(&context(), new).await?;
    let run_id = RunId(vaultterm_sync::new_id());
    let lease = store.acquire_lease(connection.id, run_id.0, Duration::from_secs(3_600)).await?;
    let lease = lease.context("the lease is free")?;
    let run = Run {
        id: run_id,
        connection_id: connection.id,
        plan_id: None,
        state: RunState::Running,
        trigger: Trigger::Manual,
        actor: context().actor,
        counts: Counts::default(),
        halts: Vec::new(),
        problems: Vec::new(),
        started: UnixNanos(0),
        finished: None,
        requests: 0,
        part: RunPart::default(),
    };
    store.begin_run(lease, &run).await?;
    let before = store.audit_size().await?;
    let outcomes = (0..ENTRIES).map(outcome).collect::<Result<Vec<_>>>()?;
    let mut outcomes = outcomes.into_iter();
    let began = Instant::now();
    loop {
        let batch: Vec<_> = outcomes.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        store.commit(lease, run_id, batch).await?;
    }
    let took = began.elapsed();
    ensure!(store.audit_size().await? - before == ENTRIES as u64, "an entry each");
    let speed = rate(ENTRIES, took);
    println!("append     {speed:>9.0} entries/s; target {ENTRIES_A_SECOND:.0} {}", met(speed >= ENTRIES_A_SECOND));
    let began = Instant::now();
    store.checkpoint().await?.context("there is something to sign")?;
    println!("checkpoint {:>9.1} ms over all of them", began.elapsed().as_secs_f64() * 1_000.0);
    let began = Instant::now();
    let verdict = store.verify_audit().await?;
    ensure!(verdict.broken.is_none(), "{verdict:?}");
    println!("verify     {:>9.0} entries/s, in the database", rate(ENTRIES, began.elapsed()));
    Ok(())
}

/// Returns the outcome that a run records for a secret that it wrote.
fn outcome(n: usize) -> Result<Outcome> {
    let path = SecretPath::new(format!("team-{}/service-{n}/database", n % 100))?;
    let remote = RemoteRef {
        cluster: Some("4b2e1d60-6d2a-7f3c-1d5a-0c7d7e0f2a11".to_owned()),
        path: format!("secret/{path}"),
        version: Some(1),
        request_id: Some("c1f4a5de-9f3f-4f3e-8f6b-6a9f5d3e2b10".to_owned()),
    };
    let record_id = Some(RecordId(vaultterm_sync::new_id()));
    Ok(Outcome {
        path,
        local: LocalChange::None,
        base: BaseChange::Keep,
        base_removed: None,
        audit: Some(SyncedAudit { what: "updated_remote", record_id, revision: None, remote }),
        resolves: None,
    })
}

async fn reveal(installation: Installation) -> Result<()> {
    let Installation { store, root, owner, collection, folder } = installation;
    let fields = SecretFields::parse(br#"{"username": "ann", "password": "correct horse battery staple"}"#)?;
    let record = NewRecord {
        path: SecretPath::new("db/main")?,
        record_type: RecordType::Password,
        fields,
        tags: Vec::new(),
        inject_only: false,
    };
    let record = store.create_record(&context(), collection, record).await?;
    let token = NewToken {
        user_id: owner.id,
        kind: TokenKind::Api,
        name: "bench".to_owned(),
        scopes: vec![Scope::RecordsReveal],
        expires_us: None,
    };
    let (_, token) = store.issue_token(&context(), token).await?;
    let before = store.audit_size().await?;
    let license = LicenseSettings::of_nobody(folder.path());
    let options = ServerSettings { license, audit: AuditOptions::default() };
    let connector = VaultConnector::new(ConnectorOptions::default());
    let keeper = RootKeeper::Given(root.duplicate());
    let app = ServerState::new(store.clone(), root, keeper, connector, options);
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None)?;
    let url = format!("http://{}/api/v1/records/{}/reveal", server.address(), record.id.0);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(Opening::Done(Box::new(app)), async {
        let _ = stopped.await;
    }));
    // An error only says that a provider is installed already, so it does not matter.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut times = Vec::new();
    for _ in 0..REVEALS {
        let began = Instant::now();
        let request = client.post(&url).bearer_auth(token.expose()).json(&json!({}));
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        times.push(began.elapsed());
        ensure!(answer.windows(7).any(|part| part == b"battery"), "the value is answered");
    }
    ensure!(store.audit_size().await? - before == REVEALS as u64, "an entry each");
    times.sort();
    let at = |share: usize| times[times.len() * share / 100];
    let (median, p99) = (at(50), at(99));
    println!(
        "reveal     {:>9.2} ms at the median, {:.2} ms at p99; target {} ms {}",
        median.as_secs_f64() * 1_000.0,
        p99.as_secs_f64() * 1_000.0,
        REVEAL_P99.as_millis(),
        met(p99 <= REVEAL_P99)
    );
    let _ = stop.send(());
    Ok(serving.await??)
}

fn rate(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

pub(crate) const fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

pub(crate) fn context() -> Context {
    let actor = Actor { kind: ActorKind::System, id: Uuid::nil(), name: "bench".to_owned() };
    Context { actor, source_ip: None, request_id: None, now_us: vaultterm_sync::system_time().0 / 1_000 }
}
