//! An installation on a SQLite file for measurements without a Vault: its database, a run of its own, and its server.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use reqwest::{Client, Method, RequestBuilder};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;
use vaultterm_hcv::{ConnectorOptions, VaultConnector};
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_reconcile::{Counts, Mode, UnixNanos};
use vaultterm_sealing::{RootKey, SecretText};
use vaultterm_server::{
    AuditOptions, LicenseSettings, ListenError, Opening, RootKeeper, Server, ServerSettings, ServerState,
};
use vaultterm_store::{
    Context, Database, InstanceRole, NewConnection, NewToken, NewUser, Scope, Store, TokenKind, User,
};
use vaultterm_sync::{
    CollectionId, ConnectionId, ConnectionSecrets, Credential, Journal as _, Lease, Run, RunId, RunPart, RunState,
    Trigger,
};
use vaultterm_testkit::world::connection;

/// A database on a file, with an owner and a collection.
pub(crate) struct Installation {
    pub(crate) store: Store,
    pub(crate) collection: CollectionId,
    root: RootKey,
    owner: User,
    /// The folder of the database. Both are removed on drop.
    folder: TempDir,
}

/// The server of an installation on a free port of loopback, and a client with an API token.
pub(crate) struct Serving {
    client: Client,
    address: SocketAddr,
    token: SecretText,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ListenError>>,
    _folder: TempDir,
}

impl Installation {
    pub(crate) async fn new() -> Result<Self> {
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
        Ok(Self { store, collection, root, owner, folder })
    }

    /// Begins a run on a connection of its own, which never reaches a Vault.
    pub(crate) async fn begin_run(&self, mode: Mode) -> Result<(Lease, RunId)> {
        let Self { store, collection, .. } = self;
        let credential = Credential::SecretId(SecretText::new("secret id".to_owned()));
        let new = NewConnection {
            connection: connection(ConnectionId(Uuid::nil()), *collection, mode),
            secrets: ConnectionSecrets { credential, client_key_pem: None },
        };
        let connection = store.create_connection(&context(), new).await?;
        let id = RunId(vaultterm_sync::new_id());
        let lease = store.acquire_lease(connection.id, id.0, Duration::from_secs(3_600)).await?;
        let lease = lease.context("the lease is free")?;
        let run = Run {
            id,
            connection_id: connection.id,
            plan_id: None,
            state: RunState::Running,
            trigger: Trigger::Manual,
            actor: actor(),
            counts: Counts::default(),
            halts: Vec::new(),
            problems: Vec::new(),
            started: UnixNanos(0),
            finished: None,
            requests: 0,
            part: RunPart::default(),
        };
        store.begin_run(lease, &run).await?;
        Ok((lease, id))
    }

    /// Starts the server. The client may do what the scope allows.
    pub(crate) async fn serve(self, scope: Scope) -> Result<Serving> {
        let Self { store, root, owner, folder, .. } = self;
        let token = NewToken {
            user_id: owner.id,
            kind: TokenKind::Api,
            name: "bench".to_owned(),
            scopes: vec![scope],
            expires_us: None,
        };
        let (_, token) = store.issue_token(&context(), token).await?;
        let license = LicenseSettings::of_nobody(folder.path());
        let options = ServerSettings { license, audit: AuditOptions::default() };
        let keeper = RootKeeper::Given(root.duplicate());
        let app = ServerState::new(store, root, keeper, VaultConnector::new(ConnectorOptions::default()), options);
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None)?;
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(server.serve(Opening::Done(Box::new(app)), async {
            let _ = stopped.await;
        }));
        // An error only says that a provider is installed already, so it does not matter.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().build()?;
        Ok(Serving { client, address, token, stop, server, _folder: folder })
    }
}

impl Serving {
    /// Returns a request to a path of the API.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}/api/v1{path}", self.address);
        self.client.request(method, url).bearer_auth(self.token.expose())
    }

    /// Stops the server.
    pub(crate) async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        Ok(self.server.await??)
    }
}

/// Returns the actor of everything that a measurement does.
pub(crate) fn actor() -> Actor {
    Actor { kind: ActorKind::System, id: Uuid::nil(), name: "bench".to_owned() }
}

/// Returns the context of a change at this moment.
pub(crate) fn context() -> Context {
    Context { actor: actor(), source_ip: None, request_id: None, now_us: vaultterm_sync::system_time().0 / 1_000 }
}
