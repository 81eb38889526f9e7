//! The settings of a connection as a caller sent them, not checked yet.

use vaultterm_reconcile::{DeletionPolicy, DriftPolicy, ExpiryPolicy, InitialPolicy, MergePolicy};
use zeroize::Zeroizing;

/// The settings that a caller wants for a connection. A setting that is `None` gets the default in a new connection,
/// and stays as it is in an existing one.
#[derive(Default)]
pub struct Wanted {
    /// Its name.
    pub name: Option<String>,
    /// The address of the server.
    pub address: Option<String>,
    /// The namespace of the secrets; `Some(None)` for none.
    pub namespace: Option<Option<String>>,
    /// How TLS is done.
    pub tls: Option<WantedTls>,
    /// How VaultTerm logs in.
    pub auth: WantedAuth,
    /// The KV v2 mount.
    pub mount: Option<String>,
    /// The path prefix below it; empty for the whole mount.
    pub path: Option<String>,
    /// `push`, `pull` or `bidirectional`.
    pub mode: Option<String>,
    /// How it behaves.
    pub options: Option<WantedOptions>,
}

/// The settings of TLS to Vault that a caller wants. `None` keeps a setting, `Some(None)` removes it.
#[derive(Default)]
pub struct WantedTls {
    /// CA certificates (PEM).
    pub ca_pem: Option<Option<String>>,
    /// The name to expect in the server's certificate.
    pub server_name: Option<Option<String>>,
    /// The client's certificate chain (PEM).
    pub client_cert_pem: Option<Option<String>>,
    /// Its private key (PEM).
    pub client_key_pem: Option<Option<Zeroizing<String>>>,
}

/// How VaultTerm should log in, without the credential.
#[derive(Default)]
pub struct WantedAuth {
    /// `approle`.
    pub method: Option<String>,
    /// Where AppRole is mounted.
    pub mount: Option<String>,
    /// The namespace of the login; `Some(None)` for that of the secrets.
    pub namespace: Option<Option<String>>,
    /// The `RoleID`.
    pub role_id: Option<String>,
}

/// The credential of a login: exactly one of the two.
#[derive(Default)]
pub struct WantedCredential {
    /// A `SecretID`.
    pub secret_id: Option<Zeroizing<String>>,
    /// A response-wrapping token of one.
    pub wrapping_token: Option<Zeroizing<String>>,
}

/// How a connection should behave.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the names are those of the options")]
pub struct WantedOptions {
    pub merge: Option<MergePolicy>,
    pub deletions: Option<DeletionPolicy>,
    pub expired: Option<ExpiryPolicy>,
    pub initial: Option<InitialPolicy>,
    pub on_drift: Option<DriftPolicy>,
    pub annotate: Option<bool>,
    /// 0 for no runs at intervals.
    pub interval_seconds: Option<u32>,
    pub on_change: Option<bool>,
    pub max_delete_percent: Option<u32>,
    pub max_delete_count: Option<u32>,
    pub concurrency_max: Option<u32>,
    /// 0 for no limit.
    pub requests_per_second_max: Option<u32>,
}
