//! The remote side as the engine uses it: one KV v2 scope.
//!
//! An implementation makes one attempt per call, and reports errors by class. The engine decides about
//! waiting and repeating (`retry.rs`). An expired token is an exception: the implementation logs in again
//! once by itself.

use std::future::Future;

use vaultterm_reconcile::{
    RecordId, RecordType, RemoteSight, RemoteSnapshot, RemoteStamp, RunMark, SecretPath, SeenMark, UnixNanos, Version,
    names,
};
use vaultterm_sealing::{SecretFields, SecretText};

use crate::{Advice, Connection, ConnectionSecrets, RemoteIdentity};

/// Opens sessions.
pub trait Connector: Send + Sync {
    /// A logged-in session.
    type Remote: Remote;

    /// Takes the `SecretID` out of the wrapping token in `secrets`. Returns `None` if they contain a
    /// `SecretID` already. The token is used up, so the engine replaces it with the result before anything
    /// else can fail.
    ///
    /// # Errors
    /// [`RemoteFault`]. A token that was used before is reported as a possible interception.
    fn unwrap_secret_id(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> impl Future<Output = Result<Option<SecretText>, RemoteFault>> + Send;

    /// Logs in with a `SecretID`, and checks the health, the KV version, the identity of the mount, and the
    /// capabilities that the mode needs.
    ///
    /// # Errors
    /// [`RemoteFault`] with a message that says what to do; [`FaultClass::LoginRefused`] for a credential
    /// that is still wrapped.
    fn connect(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> impl Future<Output = Result<Connected<Self::Remote>, RemoteFault>> + Send;
}

/// A session, with what the client learned when it opened it.
pub struct Connected<R> {
    /// The session.
    pub remote: R,
    /// The identity of the server.
    pub identity: RemoteIdentity,
    /// The time at which the `SecretID` expires, if the role may look it up.
    pub secret_id_expires: Option<UnixNanos>,
}

/// The keys that are written to a secret's `custom_metadata`. A part that is `None` stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The record to which the secret belongs, and its type: `managed-by`, `vaultterm-instance`,
    /// `vaultterm-record`, `vaultterm-type`.
    pub record: Option<(RecordId, RecordType)>,
    /// `vaultterm-run`.
    pub run: RunMark,
}

/// One KV v2 scope (mount and path prefix), logged in. Paths are below the prefix.
pub trait Remote: Send + Sync {
    /// Takes note, before [`Self::observe`], of how many secrets of the scope were in step last; 0 if that is not known. Only the
    /// way of listing may depend on it, and never what is found.
    fn expect(&self, secrets: u64) {
        let _ = secrets;
    }

    /// Observes the stamps of the whole scope.
    ///
    /// # Errors
    /// The error of any listing. A partial view of a scope is never returned.
    fn observe(&self) -> impl Future<Output = Result<RemoteSnapshot, RemoteFault>> + Send;

    /// Asks for the metadata of a path. A missing path is [`RemoteSight::ProvenAbsent`], and a forbidden one
    /// [`RemoteSight::Unreadable`].
    ///
    /// # Errors
    /// [`RemoteFault`] if the state on the server could not be found out.
    fn look(&self, path: &SecretPath) -> impl Future<Output = Result<RemoteSight, RemoteFault>> + Send;

    /// Returns the number of versions that the mount keeps of a secret (`max_versions`; 0 if it is not set),
    /// or `None` if the role may not read the configuration of the mount.
    ///
    /// # Errors
    /// [`RemoteFault`] if the state on the server could not be found out.
    fn versions_max(&self) -> impl Future<Output = Result<Option<u64>, RemoteFault>> + Send;

    /// Reads exactly one version. Returns `None` if it is not live or never existed.
    ///
    /// # Errors
    /// [`RemoteFault`].
    fn read(
        &self,
        path: &SecretPath,
        version: Version,
    ) -> impl Future<Output = Result<Option<SecretRead>, RemoteFault>> + Send;

    /// Writes a new version if the newest one is `cas` (0: there is none under the current metadata).
    ///
    /// # Errors
    /// [`FaultClass::Stale`] if the newest version is another one; [`FaultClass::Unknown`] if the write may
    /// have happened.
    fn write(
        &self,
        path: &SecretPath,
        fields: &SecretFields,
        cas: Version,
    ) -> impl Future<Output = Result<WriteReceipt, RemoteFault>> + Send;

    /// Marks the secret as managed by this instance, and as touched by a run. Other keys stay as they are. A
    /// deleted secret can be marked too.
    ///
    /// # Errors
    /// [`RemoteFault`].
    fn mark(&self, path: &SecretPath, mark: &Mark) -> impl Future<Output = Result<(), RemoteFault>> + Send;

    /// Soft-deletes exactly one version. A version that is written meanwhile stays alive.
    ///
    /// # Errors
    /// [`RemoteFault`].
    fn delete(
        &self,
        path: &SecretPath,
        version: Version,
    ) -> impl Future<Output = Result<Option<String>, RemoteFault>> + Send;

    /// Returns who wrote the newest version of a secret that this session has looked at, in words for people. Most
    /// servers do not tell. A server that tells may be asked for the name behind an id.
    fn writer(&self, path: &SecretPath) -> impl Future<Output = Option<String>> + Send {
        let _ = path;
        async { None }
    }

    /// Returns the number of HTTP requests so far, including the login.
    fn requests(&self) -> u64;

    /// Returns what is known at this moment about the age of answers. It may fall to [`Freshness::Unknown`]
    /// during the session (another node answers, a header is refused). The engine therefore asks after an
    /// observation, and not before.
    fn freshness(&self) -> Freshness;

    /// Revokes the token.
    ///
    /// # Errors
    /// [`RemoteFault`] if the token stays alive. The run reports it.
    fn close(&self) -> impl Future<Output = Result<(), RemoteFault>> + Send;
}

/// Why answers in a session are never older than what the session has seen or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The server sends a state index, and accepts it together with the request to be forwarded.
    Index,
    /// The node that answers is the active one, or the only one.
    Active,
    /// The node that answers is a standby that forwards every request to the active one.
    Forwarded,
    /// None of this is known. An absence counts only after two runs have seen it.
    Unknown,
}

impl Freshness {
    /// Returns whether an answer is known to be as new as what the session has seen or written.
    #[must_use]
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

/// The result of a read.
#[derive(Debug)]
pub struct SecretRead {
    /// The data.
    pub fields: SecretFields,
    /// `created_time` of the version. It is compared with the planned stamp.
    pub version_created: UnixNanos,
    /// The manager of the secret, from `custom_metadata`.
    pub mark: SeenMark,
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteReceipt {
    /// The new version.
    pub version: Version,
    /// The `created_time` of the version.
    pub version_created: UnixNanos,
    /// The `deletion_time` of the version, if `delete_version_after` applies.
    pub expires: Option<UnixNanos>,
    /// Vault's request id, for the audit log.
    pub request_id: Option<String>,
}

impl WriteReceipt {
    /// Returns the stamp of the written version. `key_created` is the creation time of the key's metadata, if
    /// the key had metadata before. A new key is created with its first version.
    #[must_use]
    pub fn stamp(&self, key_created: Option<UnixNanos>) -> RemoteStamp {
        RemoteStamp {
            key_created: key_created.unwrap_or(self.version_created),
            version: self.version,
            version_created: self.version_created,
        }
    }
}

names!(
    /// The class of a fault. It decides what the engine does.
    FaultClass, "class of fault" {
        /// Connecting failed, TLS failed, the time limit passed or the connection was reset, before the request
        /// could have had an effect.
        Unavailable = "unavailable",
        /// The connection failed in a way that repeating cannot heal (untrusted certificate,
        /// refused address, malformed address).
        Misconfigured = "misconfigured",
        /// A namespace is configured, and the server ignores it. It would use the root namespace instead.
        NamespaceIgnored = "namespace_ignored",
        /// The login was refused (`RoleID`, `SecretID`, wrapping token), or the token is a root token.
        LoginRefused = "login_refused",
        /// The newest version is not the one that the check-and-set parameter names.
        Stale = "stale",
        /// The server refuses the content or path (400, 413).
        Invalid = "invalid",
        /// The token is valid and lacks a capability (403). The message names the capability.
        Denied = "denied",
        /// The mount is missing, or is not a KV v2 mount.
        WrongMount = "wrong_mount",
        /// The node is a standby that has not caught up (412, or 429 with Retry-After and no errors).
        StaleReplica = "stale_replica",
        /// The server limits the rate of requests (429).
        RateLimited = "rate_limited",
        /// The server sent a redirect. It is never followed.
        Redirected = "redirected",
        /// The server is a standby, uninitialised or sealed (472, 473, 501, 503).
        Sealed = "remote_sealed",
        /// It is not known whether a write happened.
        Unknown = "unknown_outcome",
        /// The answer is HTML, incomplete JSON, or JSON of another shape.
        Protocol = "protocol_error",
    }
);

/// A remote request that failed. It never contains a value, a `SecretID` or a token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RemoteFault {
    /// The class.
    pub class: FaultClass,
    /// What happened, for people: the operation, the path, and Vault's own message.
    pub message: String,
    /// What to do next.
    pub hint: Option<Advice>,
    /// The time that the server asked the client to wait.
    pub retry_after: Option<std::time::Duration>,
}
