//! A connection: one collection ↔ one remote scope.

use serde::{Deserialize, Serialize};
use vaultterm_reconcile::Options;
use vaultterm_sealing::SecretText;

use crate::{CollectionId, ConnectionId};

/// What a connection is, without its secrets.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Its name, unique in the installation.
    pub name: String,
    /// The local side.
    pub collection_id: CollectionId,
    /// `https://host:port`, with the path prefix of a Vault behind one, without a slash at the end.
    pub address: String,
    /// `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// How the server is trusted and how we show ourselves.
    pub tls: Tls,
    /// Where AppRole is mounted, `approle` by default.
    pub auth_mount: String,
    /// The namespace in which AppRole is mounted; that of the secrets unless told, `root` for the root.
    pub auth_namespace: Option<String>,
    /// The `RoleID`.
    pub role_id: String,
    /// The KV v2 mount, without slashes at the ends.
    pub mount: String,
    /// The path prefix below the mount; empty for the whole mount.
    pub path: String,
    /// What the planner looks at.
    pub options: Options,
    /// When runs start by themselves.
    pub schedule: Schedule,
    /// Remote requests in flight, at most.
    pub concurrency_max: u32,
    /// A person stopped it.
    pub paused: bool,
    /// A person ran or applied a first plan; only then the schedule counts.
    pub started: bool,
    /// Mount, path, namespace or address was edited since the base was recorded.
    pub scope_changed: bool,
    /// The database was restored, or found older than its anchor: nothing is written until a person
    /// acknowledged a plan. Says why, in words that begin a sentence.
    pub guarded: Option<String>,
    /// What answered at the last run.
    pub identity: Option<RemoteIdentity>,
    /// Counts edits of the connection, for `If-Match`.
    pub revision: u64,
}

/// TLS settings, without the client key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tls {
    /// CA certificates to trust instead of the system's, PEM.
    pub ca_pem: Option<String>,
    /// The name to expect in the server's certificate.
    pub server_name: Option<String>,
    /// Client certificate chain for mTLS, PEM.
    pub client_cert_pem: Option<String>,
}

/// The secrets of a connection.
#[derive(Debug)]
pub struct ConnectionSecrets {
    /// How to log in.
    pub credential: Credential,
    /// Private key of the client certificate, PEM.
    pub client_key_pem: Option<SecretText>,
}

/// A `SecretID`, or a token that wraps one.
#[derive(Debug)]
pub enum Credential {
    /// The `SecretID`.
    SecretId(SecretText),
    /// A response-wrapping token; unwrapped once, the `SecretID` is then stored in its place.
    WrappingToken(SecretText),
}

/// When runs start by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Seconds between runs; 0 for none.
    pub interval_seconds: u32,
    /// Whether a local change starts a run.
    pub on_change: bool,
}

/// What answers at the address: compared at every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteIdentity {
    /// `Vault` or `OpenBao`.
    pub product: String,
    /// Server version.
    pub version: String,
    /// Cluster id, where the server tells.
    pub cluster_id: Option<String>,
    /// Accessor of the mount.
    pub mount_accessor: String,
    /// UUID of the mount, where the server tells.
    pub mount_uuid: Option<String>,
    /// KV version of the mount: must be 2.
    pub kv_version: u32,
}

impl RemoteIdentity {
    /// Returns the identity of a remote that was not looked at.
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
