//! Measures the cost of the journal. It imports 10,000 secrets in batches, as a pull records them (a record,
//! a revision, a base and two audit entries each), and then reads what the next run reads.
//!
//! `cargo run --release -p vaultterm-store --example batches [SECRETS] [BATCH] [FOLDER]`

#![allow(clippy::print_stdout, reason = "the numbers are the point")]

use std::{env, error::Error, time::Instant};

use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind, RemoteRef};
use vaultterm_reconcile::{
    BaseEntry, Link, Mode, RecordId, RecordType, RemoteStamp, Revision, SecretPath, UnixNanos, Version,
};
use vaultterm_sealing::{RootKey, SecretFields, SecretText};
use vaultterm_store::{Context, Database, InstanceRole, NewConnection, NewUser, Store};
use vaultterm_sync::{
    BaseChange, ConnectionId, ConnectionSecrets, Credential, Journal, Lease, LocalChange, Outcome, Run, RunId, RunPart,
    RunState, SyncedAudit, Trigger,
};
use vaultterm_testkit::world::connection;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let secrets = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let batch = arguments.next().map_or(Ok(32), |text| text.parse())?;
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(measure(secrets, batch, &folder))
}

async fn measure(secrets: usize, batch: usize, folder: &tempfile::TempDir) -> Result<(), Box<dyn Error>> {
    let actor = Actor { kind: ActorKind::System, id: Uuid::nil(), name: "bench".to_owned() };
    let context = Context { actor: actor.clone(), source_ip: None, request_id: None, now_us: 1_800_000_000_000_000 };
    let store = open(folder, &context).await?;
    let owner = store.user_by_email("ann@example.com").await?.ok_or("no owner")?;
    let collection = store.create_collection(&context, "bench", owner.id).await?;
    let credential = Credential::SecretId(SecretText::new("secret id".to_owned()));
    let new = NewConnection {
        connection: connection(ConnectionId(Uuid::nil()), collection.id, Mode::Pull),
        secrets: ConnectionSecrets { credential, client_key_pem: None },
    };
    let connection = store.create_connection(&context, new).await?;
    let (lease, run_id) = begin(&store, connection.id, actor).await?;

    let outcomes: Vec<Outcome> = (0..secrets).map(outcome).collect::<Result<_, _>>()?;
    let ids: Vec<RecordId> = outcomes.iter().filter_map(record_of).collect();
    let began = Instant::now();
    let mut outcomes = outcomes.into_iter();
    loop {
        let next: Vec<Outcome> = outcomes.by_ref().take(batch).collect();
        if next.is_empty() {
            break;
        }
        store.commit(lease, run_id, next).await?;
    }
    report(&format!("commit, batches of {batch}"), secrets, began);

    let began = Instant::now();
    let base = store.base(connection.id).await?;
    report("base", base.len(), began);
    let began = Instant::now();
    let local = store.local_snapshot(collection.id).await?;
    report("local snapshot", local.live.len(), began);
    let began = Instant::now();
    for id in &ids {
        store.fields(*id, Revision::FIRST).await?.ok_or("no fields")?;
    }
    report("fields, one by one", ids.len(), began);
    let began = Instant::now();
    let verdict = store.verify_audit().await?;
    report("verify the audit log", usize::try_from(verdict.entries)?, began);
    if let Some(broken) = verdict.broken {
        return Err(broken.into());
    }
    store.close().await;
    Ok(())
}

async fn open(folder: &tempfile::TempDir, context: &Context) -> Result<Store, Box<dyn Error>> {
    let database = Database::open_sqlite(&folder.path().join("vaultterm.db")).await?;
    let owner = NewUser {
        email: "ann@example.com".to_owned(),
        name: "Ann".to_owned(),
        role: InstanceRole::Owner,
        password_hash: None,
    };
    let root = RootKey::generate();
    database.initialise(context, &root, Some(owner)).await?;
    Ok(database.unlock(&root).await?)
}

async fn begin(store: &Store, connection_id: ConnectionId, actor: Actor) -> Result<(Lease, RunId), Box<dyn Error>> {
    let run_id = RunId(vaultterm_sync::new_id());
    let lease = store.acquire_lease(connection_id, run_id.0, std::time::Duration::from_secs(3_600)).await?;
    let lease = lease.ok_or("the lease is taken")?;
    let run = Run {
        id: run_id,
        connection_id,
        plan_id: None,
        state: RunState::Running,
        trigger: Trigger::Manual,
        actor,
        counts: vaultterm_reconcile::Counts::default(),
        halts: Vec::new(),
        problems: Vec::new(),
        started: UnixNanos(0),
        finished: None,
        requests: 0,
        part: RunPart::default(),
    };
    store.begin_run(lease, &run).await?;
    Ok((lease, run_id))
}

/// Returns the outcome that a pull records for a secret.
fn outcome(n: usize) -> Result<Outcome, Box<dyn Error>> {
    let path = SecretPath::new(format!("team-{}/service-{n}/database", n % 100))?;
    let fields = SecretFields::parse(format!(r#"{{"username": "user-{n}", "password": "p{n:032}"}}"#).as_bytes())?;
    let (record_id, record_type) = (RecordId(vaultterm_sync::new_id()), RecordType::Password);
    let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(1), version_created: UnixNanos(1) };
    let base = BaseEntry {
        record_id,
        revision: Revision::FIRST,
        record_type,
        stamp,
        expires: None,
        link: Link::Linked,
        held_since: Version(1),
        accepted: None,
    };
    let remote = RemoteRef {
        cluster: Some("4b2e1d60-6d2a-7f3c-1d5a-0c7d7e0f2a11".to_owned()),
        path: format!("secret/{path}"),
        version: Some(1),
        request_id: Some("c1f4a5de-9f3f-4f3e-8f6b-6a9f5d3e2b10".to_owned()),
    };
    Ok(Outcome {
        path,
        local: LocalChange::Create { record_id, record_type, fields },
        base: BaseChange::Set(base),
        base_removed: None,
        audit: Some(SyncedAudit { what: "created_local", record_id: Some(record_id), revision: None, remote }),
        resolves: None,
        wrote_remote: false,
    })
}

fn record_of(outcome: &Outcome) -> Option<RecordId> {
    match outcome.local {
        LocalChange::Create { record_id, .. } => Some(record_id),
        _ => None,
    }
}

fn report(what: &str, count: usize, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{what}: {count} in {seconds:.2} s, {:.0} a second",
        f64::from(u32::try_from(count).unwrap_or(0)) / seconds
    );
}
