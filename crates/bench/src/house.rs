//! The subject of the measurement: the engine over a database and the Vault client.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, Flavor, Listing, PolicyRequest, VaultConnector, policy};
use vaultterm_reconcile::{LocalSnapshot, Mode, Options, RecordId, RecordType, SecretPath, UnixNanos};
use vaultterm_sealing::{SecretFields, SecretText};
use vaultterm_store::{NewConnection, Store};
use vaultterm_sync::{
    BaseChange, Clock, Committed, Connection, ConnectionId, ConnectionSecrets, Credential, Engine, Journal as _,
    LocalChange, Origin, Outcome, Run, RunId, RunRequest, Schedule, Tls, Trigger,
};
use vaultterm_testkit::{
    FakeLicense,
    openbao::{AppRole, OpenBao},
};

use crate::{
    content::{path, some, value},
    installation::{Installation, actor, context},
};

pub(crate) const MOUNT: &str = "kv";
/// The scope that the bare client fills for an installation that pulls.
pub(crate) const SOURCE: &str = "source";
/// The number of concurrent requests of the engine and of the bare client.
pub(crate) const AT_ONCE: usize = 32;
/// Records of one transaction that prepares a measurement.
const BATCH: usize = 500;

/// What the token may do beside the printed policy: list in the way of HashiCorp Vault, which the policy for OpenBao leaves out;
/// and what other programs need, which look at their own token and copy between mounts.
const MORE: &str = r#"
path "kv/metadata/*" { capabilities = ["list"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
path "peer-from/*" { capabilities = ["create", "update", "read", "list"] }
path "peer-to/*" { capabilities = ["create", "update", "read", "list"] }
"#;

/// How a run lists a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// In the cheapest way that the server has.
    Cheapest,
    /// Folder by folder, as the engine lists a scope that it does not know yet.
    ByFolder,
    /// With `LIST` and a request per key, which is the only way that HashiCorp Vault has.
    PerKey,
}

/// The parts of the server that all rounds share: a mount, and a role that may use all of it.
pub(crate) struct Town {
    pub(crate) role_id: String,
    pub(crate) secret_id: String,
}

/// Mounts KV v2 and creates the role.
pub(crate) async fn prepare(server: &OpenBao) -> Town {
    let root = server.root();
    root.mount_kv(MOUNT, 2).await;
    let text = policy(&PolicyRequest {
        mount: MOUNT,
        path: "",
        mode: Mode::Bidirectional,
        flavor: if server.flavor() == "vault" { Flavor::Vault } else { Flavor::OpenBao },
        annotate: true,
        role: "bench",
        auth_mount: "approle",
    });
    // A measurement of 100,000 secrets takes long, and a bare client does not log in again.
    let more = json!({"token_ttl": "12h", "token_policies": ["bench", "bench-more"]});
    root.write_policy("bench-more", MORE).await;
    let made = root.make_role(AppRole { name: "bench", policy: &text.hcl, more }).await;
    Town { role_id: made.role_id, secret_id: made.secret_id }
}

struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> UnixNanos {
        vaultterm_sync::system_time()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// One installation with one collection.
pub(crate) struct House {
    installation: Installation,
    engine: Engine<Store, VaultConnector, MachineClock>,
    /// The same engine with the other way of listing.
    per_key: Engine<Store, VaultConnector, MachineClock>,
    address: String,
    role_id: String,
    secret_id: String,
}

impl House {
    /// Returns an installation in a file.
    pub(crate) async fn new(server: &OpenBao, town: &Town) -> Result<Self> {
        Self::of(Installation::new().await?, server, town)
    }

    /// Returns an installation in a new database.
    pub(crate) async fn on(url: &str, server: &OpenBao, town: &Town) -> Result<Self> {
        Self::of(Installation::on(url).await?, server, town)
    }

    fn of(installation: Installation, server: &OpenBao, town: &Town) -> Result<Self> {
        let engine = |listing| {
            let connector = VaultConnector::new(ConnectorOptions { listing, ..ConnectorOptions::default() });
            Engine::new(installation.store.clone(), connector, MachineClock, Arc::new(FakeLicense::default()))
        };
        Ok(Self {
            engine: engine(Listing::Auto),
            per_key: engine(Listing::PerKey),
            installation,
            address: server.address(),
            role_id: town.role_id.clone(),
            secret_id: town.secret_id.clone(),
        })
    }

    /// Connects the collection to a scope.
    pub(crate) async fn connect(&self, mode: Mode, scope: &str) -> Result<ConnectionId> {
        self.connect_at(mode, scope, 0).await
    }

    /// Connects the collection to a scope, with a limit of requests per second. 0 is none.
    pub(crate) async fn connect_at(
        &self,
        mode: Mode,
        scope: &str,
        requests_per_second_max: u32,
    ) -> Result<ConnectionId> {
        let connection = Connection {
            id: ConnectionId(Uuid::nil()),
            name: scope.to_owned(),
            collection_id: self.installation.collection,
            address: self.address.clone(),
            namespace: None,
            tls: Tls::default(),
            auth_mount: "approle".to_owned(),
            auth_namespace: None,
            role_id: self.role_id.clone(),
            mount: MOUNT.to_owned(),
            path: scope.to_owned(),
            options: Options::defaults(mode, String::new()),
            schedule: Schedule { interval_seconds: 0, on_change: false, requests_per_second_max },
            concurrency_max: u32::try_from(AT_ONCE)?,
            paused: false,
            started: true,
            scope_changed: false,
            guarded: None,
            identity: None,
            revision: 1,
        };
        let credential = Credential::SecretId(SecretText::new(self.secret_id.clone()));
        let secrets = ConnectionSecrets { credential, client_key_pem: None };
        Ok(self.installation.store.create_connection(&context(), NewConnection { connection, secrets }).await?.id)
    }

    /// Runs a connection to its end.
    pub(crate) async fn run(&self, id: ConnectionId, lists: Lists) -> Result<Run> {
        let request = RunRequest {
            run_id: RunId(vaultterm_sync::new_id()),
            plan_id: None,
            skip: BTreeSet::new(),
            at: BTreeSet::new(),
            acknowledge: BTreeSet::new(),
            follows: None,
            trigger: Trigger::Manual,
            actor: actor(),
        };
        let engine = match lists {
            Lists::Cheapest | Lists::ByFolder => &self.engine,
            Lists::PerKey => &self.per_key,
        };
        let begun = engine.begin(id, request).await.context("the run begins")?;
        Ok(engine.run(begun, &(), &CancellationToken::new()).await)
    }

    /// Creates records with these numbers.
    pub(crate) async fn fill(&self, numbers: &[usize]) -> Result<()> {
        let create = |n: &usize| {
            let record_id = RecordId(vaultterm_sync::new_id());
            let local = LocalChange::Create { record_id, record_type: RecordType::Password, fields: fields(*n, 0)? };
            outcome(*n, local)
        };
        self.commit(numbers.iter().map(create)).await
    }

    /// Makes the next revision of records with these numbers.
    pub(crate) async fn edit(&self, numbers: &[usize], generation: u32) -> Result<()> {
        let known = self.records().await?;
        let update = |n: &usize| {
            let entry = known.live.get(&SecretPath::new(path(*n))?).context("the record exists")?;
            let (record_id, expect, record_type) = (entry.record_id, entry.revision, entry.record_type);
            let (fields, origin) = (fields(*n, generation)?, Origin::Person);
            outcome(*n, LocalChange::Update { record_id, expect, record_type, fields, origin })
        };
        self.commit(numbers.iter().map(update)).await
    }

    /// Checks the number of records, and what about twenty of these numbers hold.
    pub(crate) async fn check(&self, records: usize, numbers: &[usize], generation: u32) -> Result<()> {
        let known = self.records().await?;
        ensure!(known.live.len() == records, "{} of {records} records exist", known.live.len());
        for n in some(numbers) {
            let entry = known.live.get(&SecretPath::new(path(n))?).context("the record exists")?;
            let stored = self.installation.store.fields(entry.record_id, entry.revision).await?;
            let stored = stored.context("the revision exists")?;
            let holds = *stored.fields.expose() == *fields(n, generation)?.expose();
            ensure!(holds, "the record {} holds something else", path(n));
        }
        Ok(())
    }

    async fn records(&self) -> Result<LocalSnapshot> {
        Ok(self.installation.store.local_snapshot(self.installation.collection).await?)
    }

    async fn commit(&self, outcomes: impl Iterator<Item = Result<Outcome>>) -> Result<()> {
        let store = &self.installation.store;
        let (lease, run_id) = self.installation.begin_run(Mode::Pull).await?;
        let mut outcomes = outcomes.peekable();
        while outcomes.peek().is_some() {
            let batch = outcomes.by_ref().take(BATCH).collect::<Result<Vec<_>>>()?;
            let committed = store.commit(lease, run_id, batch).await?;
            ensure!(!committed.contains(&Committed::Stale), "a record was prepared twice");
        }
        store.release_lease(lease).await?;
        Ok(())
    }
}

fn fields(n: usize, generation: u32) -> Result<SecretFields> {
    Ok(SecretFields::parse(value(n, generation).to_string().as_bytes())?)
}

/// Returns a change of a record that concerns one side only.
pub(crate) fn change_here(path: SecretPath, local: LocalChange) -> Outcome {
    Outcome {
        path,
        local,
        base: BaseChange::Keep,
        base_removed: None,
        audit: None,
        resolves: None,
        wrote_remote: false,
    }
}

/// Returns what a person did to a record.
fn outcome(n: usize, local: LocalChange) -> Result<Outcome> {
    Ok(change_here(SecretPath::new(path(n))?, local))
}
