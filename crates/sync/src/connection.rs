//! A connection between a collection and a remote scope.

use serde::{Deserialize, Serialize};
use vaultterm_reconcile::Options;
use vaultterm_sealing::SecretText;

use crate::{CollectionId, ConnectionId};

/// A connection without its secrets.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The id.
    pub id: ConnectionId,
    /// The name, which is unique in the installation.
    pub name: String,
    /// The collection, which is the local side.
    pub collection_id: CollectionId,
    /// The address in the form `https://host:port`, with the path prefix of a Vault behind one, without a
    /// slash at the end.
    pub address: String,
    /// The namespace of the secrets, sent as `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// The trust in the server, and the client certificate.
    pub tls: Tls,
    /// The path at which AppRole is mounted, by default `approle`.
    pub auth_mount: String,
    /// The namespace in which AppRole is mounted. `None` means that of the secrets, and `root` means the
    /// root.
    pub auth_namespace: Option<String>,
    /// The `RoleID`.
    pub role_id: String,
    /// The KV v2 mount, without slashes at the ends.
    pub mount: String,
    /// The path prefix below the mount. Empty for the whole mount.
    pub path: String,
    /// The options of the planner.
    pub options: Options,
    /// When runs start by themselves, and how fast they may ask Vault.
    pub schedule: Schedule,
    /// The maximum number of concurrent remote requests.
    pub concurrency_max: u32,
    /// Whether a person paused the connection.
    pub paused: bool,
    /// Whether a person has run or applied a first plan. The schedule counts only after that.
    pub started: bool,
    /// Whether the mount, path, namespace or address was edited since the base was recorded.
    pub scope_changed: bool,
    /// The reason why runs write nothing until a person has acknowledged a plan: the database was restored,
    /// or was found older than its anchor. The text begins a sentence.
    pub guarded: Option<String>,
    /// The identity of the server at the last run.
    pub identity: Option<RemoteIdentity>,
    /// The number of edits of the connection, for `If-Match`.
    pub revision: u64,
}

/// TLS settings, without the client key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tls {
    /// The CA certificates to trust instead of those of the system, in PEM.
    pub ca_pem: Option<String>,
    /// The name that the server's certificate must have.
    pub server_name: Option<String>,
    /// The client certificate chain for mTLS, in PEM.
    pub client_cert_pem: Option<String>,
}

/// The secrets of a connection.
#[derive(Debug)]
pub struct ConnectionSecrets {
    /// The credential of the login.
    pub credential: Credential,
    /// The private key of the client certificate, in PEM.
    pub client_key_pem: Option<SecretText>,
}

/// A `SecretID`, or a token that wraps one.
#[derive(Debug)]
pub enum Credential {
    /// The `SecretID`.
    SecretId(SecretText),
    /// A response-wrapping token. It is unwrapped once, and then the `SecretID` is stored in its place.
    WrappingToken(SecretText),
}

/// The schedule of runs that start by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The seconds between runs. 0 means that no run starts at intervals.
    pub interval_seconds: u32,
    /// Whether a local change starts a run.
    pub on_change: bool,
    /// The maximum number of requests to Vault per second, evenly paced. 0 means without limit.
    #[serde(default)]
    pub requests_per_second_max: u32,
}

/// The identity of the server at the address. Every run compares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteIdentity {
    /// `Vault` or `OpenBao`.
    pub product: String,
    /// The version of the server.
    pub version: String,
    /// The id of the cluster, if the server reports it.
    pub cluster_id: Option<String>,
    /// The accessor of the mount.
    pub mount_accessor: String,
    /// The UUID of the mount, if the server reports it.
    pub mount_uuid: Option<String>,
    /// The KV version of the mount, which must be 2.
    pub kv_version: u32,
}

impl RemoteIdentity {
    /// Returns the identity of a remote that was not asked.
    #[must_use]
    pub fn unknown() -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            product: unknown(),
            version: unknown(),
            cluster_id: None,
            mount_accessor: unknown(),
            mount_uuid: None,
            kv_version: 0,
        }
    }
}
