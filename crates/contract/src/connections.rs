//! Connections: their settings, how they stand, and what they leave out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::{DeletionPolicy, DriftPolicy, ExpiryPolicy, InitialPolicy, MergePolicy, Mode, names};

use crate::RunView;

/// A connection.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ConnectionView {
    pub id: Uuid,
    pub name: String,
    pub collection_id: Uuid,
    pub address: String,
    pub namespace: Option<String>,
    pub tls: TlsView,
    pub auth: AuthView,
    pub mount: String,
    pub path: String,
    #[schema(value_type = String)]
    pub mode: Mode,
    pub options: OptionsView,
    /// Warnings about the risks of the options. A warning stops nothing.
    pub warnings: Vec<String>,
    /// `new`, `ready`, `running`, `conflicts`, `halted`, `auth_failed`, `unreachable`,
    /// `remote_sealed`, `failed`, `partial`, `paused` or `unlicensed`.
    #[schema(value_type = String)]
    pub state: Standing,
    /// Why, where the state alone does not say it.
    pub state_detail: Option<String>,
    /// After refused logins: before this moment the schedule does not log in again.
    pub next_login_at: Option<String>,
    pub last_run: Option<RunView>,
    /// How old what VaultTerm knows of Vault may become before the next run by itself has looked at everything, in seconds:
    /// the pause between two such runs and the time that one takes. Null if none starts at intervals, or none has ended.
    #[serde(default)]
    pub answers_age_seconds_max: Option<u64>,
    /// When a test or run last talked to the server with success.
    pub last_verified_at: Option<String>,
    pub open_conflicts: u64,
    /// The number of paths whose two sides differ, and a person accepted the difference.
    pub accepted_differences: u64,
    /// The number of paths at which somebody hinted that a secret changed in Vault, and no run has looked yet.
    #[serde(default)]
    pub hints_waiting: u64,
    /// Whether somebody hinted to look at everything, and no run has done so yet.
    #[serde(default)]
    pub hinted_everything: bool,
    pub secret_id_expires_at: Option<String>,
    pub revision: u64,
    pub created_at: String,
    pub updated_at: String,
}

/// TLS, without the key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TlsView {
    pub ca_pem: Option<String>,
    pub server_name: Option<String>,
    pub client_cert_pem: Option<String>,
}

/// The login, without the `SecretID`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuthView {
    pub method: String,
    pub mount: String,
    /// The namespace of the login; null for that of the secrets.
    pub namespace: Option<String>,
    pub role_id: String,
}

/// How it behaves.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OptionsView {
    #[schema(value_type = String)]
    pub merge: MergePolicy,
    #[schema(value_type = String)]
    pub deletions: DeletionPolicy,
    #[schema(value_type = String)]
    pub expired: ExpiryPolicy,
    #[schema(value_type = String)]
    pub initial: InitialPolicy,
    #[schema(value_type = String)]
    pub on_drift: DriftPolicy,
    pub annotate: bool,
    pub interval_seconds: u32,
    pub on_change: bool,
    pub max_delete_percent: u32,
    pub max_delete_count: u32,
    pub concurrency_max: u32,
    /// 0 for no limit.
    #[serde(default)]
    pub requests_per_second_max: u32,
}

/// What a test found: needed beside granted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TestView {
    pub ok: bool,
    pub checks: Vec<CheckView>,
    pub server: Option<ServerView>,
    pub secret_id_expires_at: Option<String>,
}

/// One thing that was checked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// `address`, `tls`, `health`, `namespace`, `login`, `mount`, `listing`, `freshness`, `token`, `answers`
    /// (of a server that is too slow), or a capability and its path.
    pub name: String,
    /// Whether nothing failed. A right that is missing and optional is no failure.
    pub ok: bool,
    /// `ok`, `failed`, `optional` (a right that was not granted, or that could not be asked for, and that a run can do
    /// without) or `wait` (a person has to go on).
    #[schema(value_type = String)]
    pub state: CheckState,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

names!(
    /// What a check found.
    CheckState, "state" {
        /// It passed.
        Ok = "ok",
        /// It failed.
        Failed = "failed",
        /// A right is missing or not known, and a run can do without it.
        Optional = "optional",
        /// Nothing is wrong, and a person has to go on.
        Wait = "wait",
    }
);

/// What answered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerView {
    pub product: String,
    pub version: String,
}

/// A name in Vault that is left out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct IgnoredView {
    /// The name below the connection's path, exactly as Vault lists it.
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub accepted_by: String,
    pub accepted_at: String,
}

/// What a connection leaves out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct IgnoredList {
    pub items: Vec<IgnoredView>,
}

/// A name to leave out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// The name below the connection's path, exactly as the plan shows it.
    pub path: String,
    /// The reason, for people who look at it later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A path whose two sides differ, and a person accepted the difference.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AcceptedDifferenceView {
    /// The path below the connection's own.
    pub path: String,
    pub accepted_by: String,
    pub accepted_at: String,
}

/// The accepted differences of a connection.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AcceptedDifferenceList {
    pub items: Vec<AcceptedDifferenceView>,
}

/// A policy, and the script that sets it up.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    pub hcl: String,
    pub script: String,
    /// The same script, which prints a wrapping token in place of the SecretID.
    #[serde(default)]
    pub wrapping_script: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyScope {
    pub mount: String,
    #[serde(default)]
    pub path: String,
    /// `push`, `pull` or `bidirectional`.
    pub mode: String,
    /// `vault` (unless told) or `openbao`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_mount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotate: Option<bool>,
}

names!(
    /// The state of a connection, as a person needs to know it first.
    Standing, "standing of a connection" {
        /// No person has run it yet.
        New = "new",
        /// The last run did all there was to do.
        Ready = "ready",
        /// A run goes on.
        Running = "running",
        /// Conflicts wait for a person.
        Conflicts = "conflicts",
        /// A guard halted the last run, and a person must acknowledge why.
        Halted = "halted",
        /// Vault refused the login, or denied what a run needs.
        AuthFailed = "auth_failed",
        /// Vault cannot be reached.
        Unreachable = "unreachable",
        /// Vault is sealed.
        RemoteSealed = "remote_sealed",
        /// Something else stopped the last run.
        Failed = "failed",
        /// The last run left something out.
        Partial = "partial",
        /// A person paused it.
        Paused = "paused",
        /// The license does not include synchronization.
        Unlicensed = "unlicensed",
    }
);
