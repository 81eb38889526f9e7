//! The subject of the measurement: the engine over a database and the Vault client.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, Flavor, PolicyRequest, VaultConnector, policy};
use vaultterm_reconcile::{Mode, Options, UnixNanos};
use vaultterm_sealing::SecretText;
use vaultterm_store::{NewConnection, Store};
use vaultterm_sync::{
    Clock, Connection, ConnectionId, ConnectionSecrets, Credential, Engine, Run, RunId, RunRequest, RunState, Schedule,
    Tls, Trigger,
};
use vaultterm_testkit::{
    FakeLicense,
    openbao::{AppRole, OpenBao},
};

use crate::installation::{Installation, actor, context};

pub(crate) const MOUNT: &str = "kv";
/// The number of concurrent requests of the engine and of the bare client.
pub(crate) const AT_ONCE: usize = 32;

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
    let made = root.make_role(AppRole { name: "bench", policy: &text.hcl, more: Value::Null }).await;
    Town { role_id: made.role_id, secret_id: made.secret_id }
}

/// Returns the path of the secret with number `n`. A folder holds a hundred secrets.
pub(crate) fn path(n: usize) -> String {
    format!("app-{}/secret-{n}", n / 100)
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
    address: String,
    role_id: String,
    secret_id: String,
}

/// A finished run and its duration.
pub(crate) struct Timed {
    pub(crate) run: Run,
    pub(crate) took: Duration,
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
        let connector = VaultConnector::new(ConnectorOptions::default());
        Ok(Self {
            engine: Engine::new(installation.store.clone(), connector, MachineClock, Arc::new(FakeLicense::default())),
            installation,
            address: server.address(),
            role_id: town.role_id.clone(),
            secret_id: town.secret_id.clone(),
        })
    }

    /// Connects the collection to a scope.
    pub(crate) async fn connect(&self, mode: Mode, scope: &str) -> Result<ConnectionId> {
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
            schedule: Schedule { interval_seconds: 0, on_change: false, requests_per_second_max: 0 },
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
    pub(crate) async fn run(&self, id: ConnectionId) -> Result<Timed> {
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
        let began = Instant::now();
        let begun = self.engine.begin(id, request).await.context("the run begins")?;
        let run = self.engine.run(begun, &(), &CancellationToken::new()).await;
        let took = began.elapsed();
        ensure!(run.state == RunState::Succeeded, "{run:#?}");
        Ok(Timed { run, took })
    }
}
