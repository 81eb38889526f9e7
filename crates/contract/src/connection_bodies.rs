//! What creates or changes a connection.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::{DeletionPolicy, DriftPolicy, ExpiryPolicy, InitialPolicy, MergePolicy};
use zeroize::Zeroizing;

use crate::named::named;

/// How TLS to Vault is done. What is not named stays; null removes.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsBody {
    /// CA certificates (PEM); the machine's own unless told.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ca_pem: Option<Option<String>>,
    /// Name to expect in the server's certificate.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub server_name: Option<Option<String>>,
    /// Client certificate chain (PEM), for mutual TLS.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_cert_pem: Option<Option<String>>,
    /// Its private key (PEM). Written, never read back.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_key_pem: Option<Option<Zeroizing<String>>>,
}

/// How VaultTerm logs in.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthBody {
    /// `approle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where AppRole is mounted; `approle` unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// The namespace in which AppRole is mounted: that of the secrets unless told, `root` for the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub role_id: String,
    /// Written, never read back.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<Zeroizing<String>>,
    /// A response-wrapping token of a `SecretID`, in its place.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapping_token: Option<Zeroizing<String>>,
}

/// How VaultTerm logs in, changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// null: that of the secrets.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub namespace: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_id: Option<String>,
}

/// A new credential: exactly one of the two.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialBody {
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<Zeroizing<String>>,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapping_token: Option<Zeroizing<String>>,
}

/// How it behaves. What is not named is as by default, or stays.
#[derive(Clone, Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptionsBody {
    /// `descriptive`, `field` or `secret`.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge: Option<MergePolicy>,
    /// `retain` or `propagate`.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletions: Option<DeletionPolicy>,
    /// `ignore` or `propagate`.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<ExpiryPolicy>,
    /// `conflict`, `prefer_local` or `prefer_remote`.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<InitialPolicy>,
    /// `conflict` or `overwrite`.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_drift: Option<DriftPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotate: Option<bool>,
    /// 0 never runs by itself at intervals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_change: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delete_percent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delete_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u32>,
    /// The maximum number of requests to Vault per second, evenly paced. 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second_max: Option<u32>,
}

/// A connection to create.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionCreate {
    pub name: String,
    pub collection_id: Uuid,
    /// `https://host:8200`, with the path prefix of a Vault behind one (`https://host/vault`); plain http
    /// to loopback addresses only.
    pub address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsBody>,
    pub auth: AuthBody,
    /// The KV v2 mount.
    pub mount: String,
    /// The path prefix below it; empty for the whole mount.
    #[serde(default)]
    pub path: String,
    /// `push`, `pull` or `bidirectional`.
    pub mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<OptionsBody>,
}

/// Where a server would be, before there is a connection.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReachBody {
    /// The collection that the connection would be for. Its admins may ask.
    pub collection_id: Uuid,
    pub address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsBody>,
}

/// What to change of a connection.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub namespace: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthPatch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<OptionsBody>,
}
