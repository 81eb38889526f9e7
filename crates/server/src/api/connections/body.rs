//! What creates or changes a connection. `operations` checks it.

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_operations::connections::{Wanted, WantedAuth, WantedCredential, WantedOptions, WantedTls};
use vaultterm_reconcile::{DeletionPolicy, DriftPolicy, ExpiryPolicy, InitialPolicy, MergePolicy};
use zeroize::Zeroizing;

/// Tells a field that is null from one that is not there.
pub(crate) fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// How TLS to Vault is done. What is not named stays; null removes.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsBody {
    /// CA certificates (PEM); the machine's own unless told.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    ca_pem: Option<Option<String>>,
    /// Name to expect in the server's certificate.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    server_name: Option<Option<String>>,
    /// Client certificate chain (PEM), for mutual TLS.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    client_cert_pem: Option<Option<String>>,
    /// Its private key (PEM). Written, never read back.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    client_key_pem: Option<Option<Zeroizing<String>>>,
}

impl TlsBody {
    fn wanted(self) -> WantedTls {
        let Self { ca_pem, server_name, client_cert_pem, client_key_pem } = self;
        WantedTls { ca_pem, server_name, client_cert_pem, client_key_pem }
    }
}

/// How VaultTerm logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthBody {
    /// `approle`.
    method: Option<String>,
    /// Where AppRole is mounted; `approle` unless told.
    mount: Option<String>,
    /// The namespace in which AppRole is mounted: that of the secrets unless told, `root` for the root.
    namespace: Option<String>,
    role_id: String,
    /// Written, never read back.
    #[schema(value_type = Option<String>)]
    secret_id: Option<Zeroizing<String>>,
    /// A response-wrapping token of a `SecretID`, in its place.
    #[schema(value_type = Option<String>)]
    wrapping_token: Option<Zeroizing<String>>,
}

/// How VaultTerm logs in, changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthPatch {
    method: Option<String>,
    mount: Option<String>,
    /// null: that of the secrets.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    namespace: Option<Option<String>>,
    role_id: Option<String>,
}

/// A new credential: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialBody {
    #[schema(value_type = Option<String>)]
    secret_id: Option<Zeroizing<String>>,
    #[schema(value_type = Option<String>)]
    wrapping_token: Option<Zeroizing<String>>,
}

impl CredentialBody {
    pub(super) fn wanted(self) -> WantedCredential {
        WantedCredential { secret_id: self.secret_id, wrapping_token: self.wrapping_token }
    }
}

/// How it behaves. What is not named is as by default, or stays.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OptionsBody {
    /// `descriptive`, `field` or `secret`.
    #[schema(value_type = Option<String>)]
    merge: Option<MergePolicy>,
    /// `retain` or `propagate`.
    #[schema(value_type = Option<String>)]
    deletions: Option<DeletionPolicy>,
    /// `ignore` or `propagate`.
    #[schema(value_type = Option<String>)]
    expired: Option<ExpiryPolicy>,
    /// `conflict`, `prefer_local` or `prefer_remote`.
    #[schema(value_type = Option<String>)]
    initial: Option<InitialPolicy>,
    /// `conflict` or `overwrite`.
    #[schema(value_type = Option<String>)]
    on_drift: Option<DriftPolicy>,
    annotate: Option<bool>,
    /// 0 never runs by itself at intervals.
    interval_seconds: Option<u32>,
    on_change: Option<bool>,
    max_delete_percent: Option<u32>,
    max_delete_count: Option<u32>,
    concurrency_max: Option<u32>,
}

impl OptionsBody {
    fn wanted(self) -> WantedOptions {
        WantedOptions {
            merge: self.merge,
            deletions: self.deletions,
            expired: self.expired,
            initial: self.initial,
            on_drift: self.on_drift,
            annotate: self.annotate,
            interval_seconds: self.interval_seconds,
            on_change: self.on_change,
            max_delete_percent: self.max_delete_percent,
            max_delete_count: self.max_delete_count,
            concurrency_max: self.concurrency_max,
        }
    }
}

/// A connection to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionCreate {
    name: String,
    pub(super) collection_id: Uuid,
    /// `https://host:8200`, with the path prefix of a Vault behind one (`https://host/vault`); plain http
    /// to loopback addresses only.
    address: String,
    namespace: Option<String>,
    tls: Option<TlsBody>,
    auth: AuthBody,
    /// The KV v2 mount.
    mount: String,
    /// The path prefix below it; empty for the whole mount.
    #[serde(default)]
    path: String,
    /// `push`, `pull` or `bidirectional`.
    mode: String,
    options: Option<OptionsBody>,
}

impl ConnectionCreate {
    /// Takes the body apart: what the connection should be, and the credential.
    pub(super) fn wanted(self) -> (Wanted, WantedCredential) {
        let AuthBody { method, mount, namespace, role_id, secret_id, wrapping_token } = self.auth;
        let wanted = Wanted {
            name: Some(self.name),
            address: Some(self.address),
            namespace: Some(self.namespace),
            tls: self.tls.map(TlsBody::wanted),
            auth: WantedAuth { method, mount, namespace: Some(namespace), role_id: Some(role_id) },
            mount: Some(self.mount),
            path: Some(self.path),
            mode: Some(self.mode),
            options: self.options.map(OptionsBody::wanted),
        };
        (wanted, WantedCredential { secret_id, wrapping_token })
    }
}

/// What to change of a connection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionPatch {
    name: Option<String>,
    address: Option<String>,
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    namespace: Option<Option<String>>,
    tls: Option<TlsBody>,
    auth: Option<AuthPatch>,
    mount: Option<String>,
    path: Option<String>,
    mode: Option<String>,
    options: Option<OptionsBody>,
}

impl ConnectionPatch {
    pub(super) fn wanted(self) -> Wanted {
        let auth = self.auth.map_or_else(WantedAuth::default, |auth| {
            let AuthPatch { method, mount, namespace, role_id } = auth;
            WantedAuth { method, mount, namespace, role_id }
        });
        Wanted {
            name: self.name,
            address: self.address,
            namespace: self.namespace,
            tls: self.tls.map(TlsBody::wanted),
            auth,
            mount: self.mount,
            path: self.path,
            mode: self.mode,
            options: self.options.map(OptionsBody::wanted),
        }
    }
}
