//! A connection to a real server, with its mount, a role with exactly the policy that the product prints, and
//! a connector.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;
use vaultterm_hcv::{
    ConnectorOptions, Flavor, Listing, PolicyRequest, PolicyText, VaultConnector, VaultRemote, policy,
};
use vaultterm_reconcile::{Mode, Options, RecordId, RecordType, RunMark, SecretPath};
use vaultterm_sealing::{SecretFields, SecretText};
use vaultterm_sync::{
    CollectionId, Connected, Connection, ConnectionId, ConnectionSecrets, Connector, Credential, Mark, RemoteFault,
    Schedule, Tls,
};
use vaultterm_testkit::openbao::{AppRole, Credentials, OpenBao, Product};

pub(crate) const MOUNT: &str = "kv";
pub(crate) const PREFIX: &str = "team/app";
pub(crate) const ROLE: &str = "vaultterm";

/// A server and a connection to it.
pub(crate) struct World {
    pub(crate) server: Arc<OpenBao>,
    pub(crate) connection: Connection,
    pub(crate) secret_id: String,
    pub(crate) options: ConnectorOptions,
}

impl World {
    /// Starts a server with an empty mount and a role with the policy of a mode.
    pub(crate) async fn new(mode: Mode) -> Self {
        Self::on(OpenBao::start().await, mode).await
    }

    /// Does the same on a given server.
    pub(crate) async fn on(server: OpenBao, mode: Mode) -> Self {
        let root = server.root();
        root.mount_kv(MOUNT, 2).await;
        let Credentials { role_id, secret_id } =
            root.make_role(AppRole { name: ROLE, policy: &hcl(mode), more: Value::Null }).await;
        let connection = connection(&server, mode, &role_id);
        Self { server: Arc::new(server), connection, secret_id, options: ConnectorOptions::default() }
    }

    pub(crate) fn secrets(&self) -> ConnectionSecrets {
        secrets(&self.secret_id)
    }

    pub(crate) fn connector(&self) -> VaultConnector {
        VaultConnector::new(self.options.clone())
    }

    pub(crate) async fn try_connect(&self) -> Result<Connected<VaultRemote>, RemoteFault> {
        self.connector().connect(&self.connection, &self.secrets()).await
    }

    /// Opens a session.
    pub(crate) async fn connect(&self) -> VaultRemote {
        match self.try_connect().await {
            Ok(connected) => connected.remote,
            Err(fault) => panic!("{fault:?}"),
        }
    }

    /// Opens a session that lists in a single way.
    pub(crate) async fn connect_listing(&self, listing: Listing, page_size: usize) -> VaultRemote {
        let options = ConnectorOptions { listing, page_size, ..self.options.clone() };
        let connected = VaultConnector::new(options).connect(&self.connection, &self.secrets()).await;
        connected.map_err(|fault| format!("{fault:?}")).expect("the connection opens").remote
    }

    /// Replaces the policy of the role.
    pub(crate) async fn set_policy(&self, hcl: &str) {
        self.server.root().write_policy(ROLE, hcl).await;
    }

    /// Returns the fault with which the connection does not open.
    pub(crate) async fn refusal(&self) -> RemoteFault {
        match self.try_connect().await {
            Ok(_) => panic!("the connection opens"),
            Err(fault) => fault,
        }
    }
}

/// Returns the flavor of the server under test.
pub(crate) fn flavor() -> Flavor {
    if Product::chosen().is_vault() { Flavor::Vault } else { Flavor::OpenBao }
}

/// Returns the policy of a mode for the usual scope, in the flavor of the server under test.
pub(crate) fn hcl(mode: Mode) -> String {
    text(mode, flavor()).hcl
}

/// Returns those of the given ways of listing that the server under test knows.
pub(crate) fn known(ways: &[Listing]) -> Vec<Listing> {
    let known = |way: &&Listing| flavor() == Flavor::OpenBao || matches!(way, Listing::Auto | Listing::PerKey);
    ways.iter().filter(known).copied().collect()
}

/// Returns the policy of a mode for HashiCorp Vault.
pub(crate) fn vault_hcl(mode: Mode) -> String {
    text(mode, Flavor::Vault).hcl
}

/// Returns the policy and the script for the usual scope.
pub(crate) fn text(mode: Mode, flavor: Flavor) -> PolicyText {
    policy(&PolicyRequest {
        mount: MOUNT,
        path: PREFIX,
        mode,
        flavor,
        annotate: true,
        role: ROLE,
        auth_mount: "approle",
    })
}

pub(crate) fn connection(server: &OpenBao, mode: Mode, role_id: &str) -> Connection {
    Connection {
        id: ConnectionId(Uuid::from_u128(1)),
        name: "test".to_owned(),
        collection_id: CollectionId(Uuid::from_u128(2)),
        address: server.address(),
        namespace: None,
        tls: Tls::default(),
        auth_mount: "approle".to_owned(),
        auth_namespace: None,
        role_id: role_id.to_owned(),
        mount: MOUNT.to_owned(),
        path: PREFIX.to_owned(),
        options: Options::defaults(mode, "instance-1"),
        schedule: Schedule { interval_seconds: 0, on_change: false, requests_per_second_max: 0 },
        concurrency_max: 32,
        paused: false,
        started: true,
        scope_changed: false,
        guarded: None,
        identity: None,
        revision: 1,
    }
}

pub(crate) fn secrets(secret_id: &str) -> ConnectionSecrets {
    ConnectionSecrets { credential: Credential::SecretId(SecretText::new(secret_id.to_owned())), client_key_pem: None }
}

/// Returns the mark that a run leaves at a secret.
pub(crate) fn a_mark() -> Mark {
    let id = uuid::Uuid::from_u128(7);
    Mark { record: Some((RecordId(id), RecordType::KeyValue)), run: RunMark { connection: id, number: 1 } }
}

pub(crate) fn path(text: &str) -> SecretPath {
    SecretPath::new(text).expect("a good path")
}

pub(crate) fn fields(text: &str) -> SecretFields {
    SecretFields::from_trusted([("value".to_owned(), Value::from(text))].into())
}
