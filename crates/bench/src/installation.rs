//! An installation for measurements: its database, people, a run of its own, and its server.

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
    AuditOptions, LicenseSettings, ListenError, Opening, Parser, RootKeeper, Server, ServerSettings, ServerState,
};
use vaultterm_store::{
    Context, Database, DatabaseUrl, InstanceRole, NewConnection, NewSession, NewToken, NewUser, Scope, Store,
    TokenKind, User,
};
use vaultterm_sync::{
    CollectionId, Connection, ConnectionId, ConnectionSecrets, Credential, Journal as _, Lease, Run, RunId, RunPart,
    RunState, Trigger,
};
use vaultterm_testkit::world::connection;

/// A database with an owner and a collection.
pub(crate) struct Installation {
    pub(crate) store: Store,
    pub(crate) collection: CollectionId,
    root: RootKey,
    owner: User,
    url: DatabaseUrl,
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
    /// Returns an installation in a file.
    pub(crate) async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite:{}", folder.path().join("vaultterm.db").display());
        Ok(Self { folder, ..Self::on(&url).await? })
    }

    /// Returns an installation in a new database.
    pub(crate) async fn on(url: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let url: DatabaseUrl = url.parse()?;
        let database = Database::open(&url).await?;
        let root = RootKey::generate();
        database.initialise(&context(), &root, None).await?;
        let store = database.unlock(&root).await?;
        let owner = store.create_user(&context(), person("bench@example.com", InstanceRole::Owner)).await?;
        let collection = store.create_collection(&context(), "bench", owner.id).await?.id;
        Ok(Self { store, collection, root, owner, url, folder })
    }

    /// Opens the database once more, as another node does.
    pub(crate) async fn another_node(&self) -> Result<Store> {
        Ok(Database::open(&self.url).await?.unlock(&self.root).await?)
    }

    /// Begins a run on a connection of its own, which never reaches a Vault.
    pub(crate) async fn begin_run(&self, mode: Mode) -> Result<(Lease, RunId)> {
        let Self { store, collection, .. } = self;
        let credential = Credential::SecretId(SecretText::new("secret id".to_owned()));
        let new = NewConnection {
            // Each such connection has a name of its own, so that an installation can have several.
            connection: Connection {
                name: vaultterm_sync::new_id().to_string(),
                ..connection(ConnectionId(Uuid::nil()), *collection, mode)
            },
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

    /// Begins a session of the owner, and returns the text for its cookie.
    pub(crate) async fn session(&self) -> Result<SecretText> {
        Ok(self.store.begin_session(&context(), NewSession::new(self.owner.id, "bench")).await?.1)
    }

    /// Makes a person who has a collection of their own and no other. Returns the collection and an API token.
    pub(crate) async fn neighbour(&self, scope: Scope) -> Result<(CollectionId, SecretText)> {
        let user = self.store.create_user(&context(), person("neighbour@example.com", InstanceRole::Member)).await?;
        let collection = self.store.create_collection(&context(), "neighbour", user.id).await?.id;
        Ok((collection, self.token(user.id, scope).await?))
    }

    async fn token(&self, user_id: Uuid, scope: Scope) -> Result<SecretText> {
        let (kind, name) = (TokenKind::Api, "bench".to_owned());
        let token = NewToken { user_id, kind, name, scopes: vec![scope], expires_us: None };
        Ok(self.store.issue_token(&context(), token).await?.1)
    }

    /// Starts the server. The client may do what the scope allows.
    pub(crate) async fn serve(self, scope: Scope) -> Result<Serving> {
        let token = self.token(self.owner.id, scope).await?;
        let Self { store, root, folder, .. } = self;
        let license = LicenseSettings::of_nobody(folder.path());
        let options = ServerSettings { license, audit: AuditOptions::default() };
        let keeper = RootKeeper::Given(root.duplicate());
        let app = ServerState::new(store, root, keeper, VaultConnector::new(ConnectorOptions::default()), options)
            .parsing(Parser::in_this_process());
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
        self.request_as(&self.token, method, path)
    }

    /// Returns a request to a path of the API with another token.
    pub(crate) fn request_as(&self, token: &SecretText, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}/api/v1{path}", self.address);
        self.client.request(method, url).bearer_auth(token.expose())
    }

    /// Returns a request for a page, as a browser with this session sends it.
    pub(crate) fn page(&self, session: &SecretText, path: &str) -> RequestBuilder {
        let request = self.client.get(format!("http://{}{path}", self.address)).header("accept", "text/html");
        request.header("cookie", format!("vaultterm={}", session.expose()))
    }

    /// Stops the server.
    pub(crate) async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        Ok(self.server.await??)
    }
}

fn person(email: &str, role: InstanceRole) -> NewUser {
    NewUser { email: email.to_owned(), name: "Bench".to_owned(), role, password_hash: None }
}

/// Returns the actor of everything that a measurement does.
pub(crate) fn actor() -> Actor {
    Actor { kind: ActorKind::System, id: Uuid::nil(), name: "bench".to_owned() }
}

/// Returns the context of a change at this moment.
pub(crate) fn context() -> Context {
    Context { actor: actor(), source_ip: None, request_id: None, now_us: vaultterm_sync::system_time().0 / 1_000 }
}
