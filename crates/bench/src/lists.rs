//! Measures how long lists of records take, over HTTP on loopback, in collections of ten thousand and of a hundred
//! thousand records: the whole list, its narrowing by words, type, label and state, and its last page.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::sync::oneshot;
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, VaultConnector};
use vaultterm_reconcile::{Counts, Mode, RecordId, RecordType, SecretPath, UnixNanos};
use vaultterm_sealing::{SecretFields, SecretText};
use vaultterm_server::{AuditOptions, LicenseSettings, Opening, RootKeeper, Server, ServerSettings, ServerState};
use vaultterm_store::{NewConnection, NewToken, Scope, TokenKind};
use vaultterm_sync::{
    BaseChange, ConnectionId, ConnectionSecrets, Credential, Journal as _, LocalChange, Outcome, Run, RunId, RunState,
    Trigger,
};
use vaultterm_testkit::world::connection;

use crate::audit::{Installation, context, installation, met};

/// Records of one transaction.
const BATCH: usize = 500;
/// How often each list is asked for.
const TIMES: usize = 21;
/// The target for the median of each list.
const TARGET: Duration = Duration::from_millis(50);
/// The lists: what they are called, and their query.
const LISTS: [(&str, &str); 9] = [
    ("all", ""),
    ("a name that exists", "q=service-004242"),
    ("a word of one in eight", "q=mail"),
    ("a word of all", "q=credentials"),
    ("a word of none", "q=zzz"),
    ("two words", "q=mail+service-0042"),
    ("a label of none", "tag=none"),
    ("a type of none", "type=TOTP"),
    ("only here", "standing=here_only"),
];

/// Runs the measurements and prints whether they meet the target.
pub(crate) async fn measure() -> Result<()> {
    for records in [10_000, 100_000] {
        measure_with(records).await?;
    }
    Ok(())
}

async fn measure_with(records: usize) -> Result<()> {
    let installation = installation().await?;
    fill(&installation, records).await?;
    let Installation { store, root, owner, folder, .. } = installation;
    let token = NewToken {
        user_id: owner.id,
        kind: TokenKind::Api,
        name: "bench".to_owned(),
        scopes: vec![Scope::RecordsRead],
        expires_us: None,
    };
    let (_, token) = store.issue_token(&context(), token).await?;
    let license = LicenseSettings::of_nobody(folder.path());
    let options = ServerSettings { license, audit: AuditOptions::default() };
    let keeper = RootKeeper::Given(root.duplicate());
    let app = ServerState::new(store, root, keeper, VaultConnector::new(ConnectorOptions::default()), options);
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None)?;
    let url = format!("http://{}/api/v1/records", server.address());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(Opening::Done(Box::new(app)), async {
        let _ = stopped.await;
    }));
    // An error only says that a provider is installed already, so it does not matter.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    println!("lists of {records} records, {TIMES} times each; target {} ms at the median", TARGET.as_millis());
    let ask = async |query: &str| -> Result<Duration> {
        let began = Instant::now();
        let request = client.get(format!("{url}?{query}")).bearer_auth(token.expose());
        request.send().await?.error_for_status()?.bytes().await?;
        Ok(began.elapsed())
    };
    let first = ask("q=first").await?;
    println!("  {:<24} {:>8.1} ms, once after a start", "the first search", first.as_secs_f64() * 1_000.0);
    for (name, query) in LISTS {
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            times.push(ask(query).await?);
        }
        times.sort();
        let (median, most) = (times[TIMES / 2], times[TIMES - 1]);
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        println!("  {name:<24} {:>8.1} ms, at most {:.1} {}", ms(median), ms(most), met(median <= TARGET));
    }
    let _ = stop.send(());
    Ok(serving.await??)
}

/// Fills the collection, as a pull would.
async fn fill(installation: &Installation, records: usize) -> Result<()> {
    let Installation { store, collection, .. } = installation;
    let credential = Credential::SecretId(SecretText::new("secret id".to_owned()));
    let new = NewConnection {
        connection: connection(ConnectionId(Uuid::nil()), *collection, Mode::Pull),
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
        part: vaultterm_sync::RunPart::default(),
    };
    store.begin_run(lease, &run).await?;
    let mut made = 0;
    while made < records {
        let batch = (made..records.min(made + BATCH)).map(outcome).collect::<Result<Vec<_>>>()?;
        made += batch.len();
        store.commit(lease, run_id, batch).await?;
    }
    ensure!(made == records, "all records are there");
    Ok(())
}

fn outcome(n: usize) -> Result<Outcome> {
    const KINDS: [&str; 8] = ["api", "worker", "db", "cache", "queue", "web", "mail", "search"];
    let kind = KINDS[n % KINDS.len()];
    Ok(Outcome {
        path: SecretPath::new(format!("apps/{kind}-{:03}/service-{n:06}/{kind}-credentials", n / 800))?,
        local: LocalChange::Create {
            record_id: RecordId(vaultterm_sync::new_id()),
            record_type: RecordType::Password,
            fields: SecretFields::parse(br#"{"username": "ann", "password": "correct horse battery staple"}"#)?,
        },
        base: BaseChange::Keep,
        base_removed: None,
        audit: None,
        resolves: None,
    })
}
