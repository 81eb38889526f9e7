//! Connections and their secrets.

use vaultterm_reconcile::Options;
use vaultterm_sealing::SecretText;
use vaultterm_sync::{CollectionId, Connection, ConnectionId, ConnectionSecrets, Credential, Run, Schedule, Tls};

use crate::{Context, Page, Paged, Store, StoreError};

/// A connection to create.
#[derive(Debug)]
pub struct NewConnection {
    /// Everything but the secrets; `id`, `revision`, `paused`, `started`, `scope_changed` and
    /// `identity` are set by the store.
    pub connection: Connection,
    /// Its secrets.
    pub secrets: ConnectionSecrets,
}

/// What to change; `None` stays. Another address, namespace, mount or path sets
/// `scope_changed`.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the names are the connection's")]
pub struct ConnectionUpdate {
    pub name: Option<String>,
    pub address: Option<String>,
    pub namespace: Option<Option<String>>,
    pub tls: Option<Tls>,
    pub client_key_pem: Option<Option<SecretText>>,
    pub auth_mount: Option<String>,
    pub role_id: Option<String>,
    pub mount: Option<String>,
    pub path: Option<String>,
    pub options: Option<Options>,
    pub schedule: Option<Schedule>,
    pub concurrency_max: Option<u32>,
    pub paused: Option<bool>,
}

/// A connection and how it stands.
#[derive(Clone, Debug)]
pub struct ConnectionSummary {
    /// The connection.
    pub connection: Connection,
    /// Its newest run.
    pub last_run: Option<Run>,
    /// A run holds the lease now.
    pub running: bool,
    /// Conflicts that wait for a person.
    pub open_conflicts: u64,
    /// When a test or run last succeeded in talking to the server, microseconds.
    pub last_verified_us: Option<i64>,
    /// When the `SecretID` expires, microseconds, where the role may know.
    pub secret_id_expires_us: Option<i64>,
    /// Microseconds.
    pub created_us: i64,
    /// Microseconds.
    pub updated_us: i64,
}

impl Store {
    /// Creates a connection (`HCV_CONNECTION_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] for the name; [`StoreError::Refused`] when another connection
    /// that writes covers an overlapping remote scope.
    pub async fn create_connection(&self, context: &Context, new: NewConnection) -> Result<Connection, StoreError> {
        let _ = (context, new);
        todo!()
    }

    /// Finds a connection and how it stands.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn connection_summary(&self, id: ConnectionId) -> Result<Option<ConnectionSummary>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Finds a connection by name.
    pub async fn connection_by_name(&self, name: &str) -> Result<Option<Connection>, StoreError> {
        let _ = name;
        todo!()
    }

    /// Lists connections by name: of the given collections, or all with `None`.
    pub async fn connection_summaries(
        &self,
        collections: Option<&[CollectionId]>,
        page: &Page,
    ) -> Result<Paged<ConnectionSummary>, StoreError> {
        let _ = (collections, page);
        todo!()
    }

    /// Loads a connection's secrets.
    pub async fn connection_secrets(&self, id: ConnectionId) -> Result<Option<ConnectionSecrets>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Changes a connection (`HCV_CONNECTION_UPDATED`).
    pub async fn update_connection(
        &self,
        context: &Context,
        id: ConnectionId,
        expect: u64,
        update: ConnectionUpdate,
    ) -> Result<Connection, StoreError> {
        let _ = (context, id, expect, update);
        todo!()
    }

    /// Replaces the credential (`HCV_SECRET_ID_ROTATED`).
    pub async fn rotate_secret_id(
        &self,
        context: &Context,
        id: ConnectionId,
        credential: &Credential,
    ) -> Result<(), StoreError> {
        let _ = (context, id, credential);
        todo!()
    }

    /// Records that a test ran (`HCV_CONNECTION_TESTED`).
    pub async fn record_connection_test(
        &self,
        context: &Context,
        id: ConnectionId,
        ok: bool,
        secret_id_expires_us: Option<i64>,
    ) -> Result<(), StoreError> {
        let _ = (context, id, ok, secret_id_expires_us);
        todo!()
    }

    /// Deletes a connection with base, plans, runs and conflicts (`HCV_CONNECTION_DELETED`);
    /// records and secrets stay.
    ///
    /// # Errors
    /// [`StoreError::Refused`] while a run holds the lease.
    pub async fn delete_connection(&self, context: &Context, id: ConnectionId) -> Result<(), StoreError> {
        let _ = (context, id);
        todo!()
    }

    /// Lists what the scheduler needs: every connection that is started and not paused, with
    /// its newest run, and whether its collection changed since that run began.
    pub async fn schedulable(&self) -> Result<Vec<(ConnectionSummary, bool)>, StoreError> {
        todo!()
    }
}
