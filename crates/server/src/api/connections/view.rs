//! A connection as it is answered: its settings, and how it stands.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_operations::connections::Seen;
use vaultterm_sync::Connection;

use crate::{api::runs::RunView, moment};

/// A connection.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionView {
    id: Uuid,
    name: String,
    collection_id: Uuid,
    address: String,
    namespace: Option<String>,
    tls: TlsView,
    auth: AuthView,
    mount: String,
    path: String,
    mode: &'static str,
    options: OptionsView,
    /// What the options risk. Nothing is stopped by it.
    warnings: Vec<&'static str>,
    /// `new`, `ready`, `running`, `conflicts`, `halted`, `auth_failed`, `unreachable`,
    /// `remote_sealed`, `failed`, `partial`, `paused` or `unlicensed`.
    state: &'static str,
    /// Why, where the state alone does not say it.
    state_detail: Option<String>,
    /// After refused logins: before this moment the schedule does not log in again.
    next_login_at: Option<String>,
    last_run: Option<RunView>,
    /// When a test or run last talked to the server with success.
    last_verified_at: Option<String>,
    open_conflicts: u64,
    /// Paths whose sides differ because a person accepted that.
    accepted_differences: u64,
    secret_id_expires_at: Option<String>,
    revision: u64,
    created_at: String,
    updated_at: String,
}

/// TLS, without the key.
#[derive(Serialize, ToSchema)]
pub(crate) struct TlsView {
    ca_pem: Option<String>,
    server_name: Option<String>,
    client_cert_pem: Option<String>,
}

/// The login, without the `SecretID`.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuthView {
    method: &'static str,
    mount: String,
    /// The namespace of the login; null for that of the secrets.
    namespace: Option<String>,
    role_id: String,
}

/// How it behaves.
#[derive(Serialize, ToSchema)]
pub(crate) struct OptionsView {
    merge: &'static str,
    deletions: &'static str,
    expired: &'static str,
    initial: &'static str,
    on_drift: &'static str,
    annotate: bool,
    interval_seconds: u32,
    on_change: bool,
    max_delete_percent: u32,
    max_delete_count: u32,
    concurrency_max: u32,
}

impl OptionsView {
    fn of(connection: &Connection) -> Self {
        let options = &connection.options;
        Self {
            merge: options.merge.as_str(),
            deletions: options.deletions.as_str(),
            expired: options.expired.as_str(),
            initial: options.initial.as_str(),
            on_drift: options.on_drift.as_str(),
            annotate: options.annotate,
            interval_seconds: connection.schedule.interval_seconds,
            on_change: connection.schedule.on_change,
            max_delete_percent: options.max_delete_percent,
            max_delete_count: options.max_delete_count,
            concurrency_max: connection.concurrency_max,
        }
    }
}

impl ConnectionView {
    pub(super) fn of(seen: &Seen) -> Self {
        let Seen { summary, standing, why, next_login } = seen;
        let connection = &summary.connection;
        Self {
            id: connection.id.0,
            name: connection.name.clone(),
            collection_id: connection.collection_id.0,
            address: connection.address.clone(),
            namespace: connection.namespace.clone(),
            tls: TlsView {
                ca_pem: connection.tls.ca_pem.clone(),
                server_name: connection.tls.server_name.clone(),
                client_cert_pem: connection.tls.client_cert_pem.clone(),
            },
            auth: AuthView {
                method: "approle",
                mount: connection.auth_mount.clone(),
                namespace: connection.auth_namespace.clone(),
                role_id: connection.role_id.clone(),
            },
            mount: connection.mount.clone(),
            path: connection.path.clone(),
            mode: connection.options.mode.as_str(),
            options: OptionsView::of(connection),
            warnings: connection.options.risk().into_iter().collect(),
            state: standing.as_str(),
            state_detail: why.clone(),
            next_login_at: next_login.map(moment::of),
            last_run: summary.last_run.as_ref().map(RunView::of),
            last_verified_at: summary.last_verified_us.map(moment::of_us),
            open_conflicts: summary.open_conflicts,
            accepted_differences: summary.accepted_paths,
            secret_id_expires_at: summary.secret_id_expires_us.map(moment::of_us),
            revision: connection.revision,
            created_at: moment::of_us(summary.created_us),
            updated_at: moment::of_us(summary.updated_us),
        }
    }
}
