//! The remote side as the engine sees it: one KV v2 scope.
//!
//! An implementation makes one attempt per call and says what went wrong by class; waiting
//! and repeating is the engine's business (`retry.rs`). The exception is a token that
//! expired: the implementation logs in again once by itself.

use std::future::Future;

use vaultterm_reconcile::{Annotation, RemoteSight, RemoteSnapshot, RemoteStamp, SecretPath, UnixNanos, Version};
use vaultterm_sealing::{SecretFields, SecretText};

use crate::{Connection, ConnectionSecrets, Mark, RemoteIdentity};

/// Opens sessions.
pub trait Connector: Send + Sync {
    /// A logged-in session.
    type Remote: Remote;

    /// Takes the `SecretID` out of the wrapping token in `secrets`; `None` when they hold a
    /// `SecretID` already. The token is spent: the engine stores the answer in its place
    /// before anything else can fail.
    ///
    /// # Errors
    /// [`RemoteFault`]; a token that was used before is reported as possible interception.
    fn unwrap_secret_id(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> impl Future<Output = Result<Option<SecretText>, RemoteFault>> + Send;

    /// Logs in with a `SecretID` and checks what answers: health, KV version, mount identity,
    /// the capabilities that the mode needs.
    ///
    /// # Errors
    /// [`RemoteFault`] with a message that says what to do; [`FaultClass::LoginRefused`] for
    /// a credential that is still wrapped.
    fn connect(
        &self,
        connection: &Connection,
        secrets: &ConnectionSecrets,
    ) -> impl Future<Output = Result<Connected<Self::Remote>, RemoteFault>> + Send;
}

/// A session, and what was learned by opening it.
pub struct Connected<R> {
    /// The session.
    pub remote: R,
    /// What answered.
    pub identity: RemoteIdentity,
    /// When the `SecretID` expires, where the role may know.
    pub secret_id_expires: Option<UnixNanos>,
}

/// One KV v2 scope (mount and path prefix), logged in. Paths are below the prefix.
pub trait Remote: Send + Sync {
    /// Observes the stamps of the whole scope.
    ///
    /// # Errors
    /// Any listing error: a scope seen in part is never returned.
    fn observe(&self) -> impl Future<Output = Result<RemoteSnapshot, RemoteFault>> + Send;

    /// Asks for the metadata of one path. A missing one is [`RemoteSight::ProvenAbsent`], a
    /// forbidden one [`RemoteSight::Unreadable`].
    ///
    /// # Errors
    /// [`RemoteFault`] when the server's state could not be learned.
    fn look(&self, path: &SecretPath) -> impl Future<Output = Result<RemoteSight, RemoteFault>> + Send;

    /// Asks how many versions of a secret the mount keeps (`max_versions`; 0 when it is not set).
    /// `None` where the role may not read the mount's configuration.
    ///
    /// # Errors
    /// [`RemoteFault`] when the server's state could not be learned.
    fn versions_max(&self) -> impl Future<Output = Result<Option<u64>, RemoteFault>> + Send;

    /// Reads exactly one version. `None` when it is not live (any more) or never was.
    ///
    /// # Errors
    /// [`RemoteFault`].
    fn read(
        &self,
        path: &SecretPath,
        version: Version,
    ) -> impl Future<Output = Result<Option<SecretRead>, RemoteFault>> + Send;

    /// Writes a new version if the newest is `cas` (0: none under the current metadata).
    ///
    /// # Errors
    /// [`FaultClass::Stale`] when the newest is another one; [`FaultClass::Unknown`] when the
    /// write may or may not have happened.
    fn write(
        &self,
        path: &SecretPath,
        fields: &SecretFields,
        cas: Version,
    ) -> impl Future<Output = Result<WriteReceipt, RemoteFault>> + Send;

    /// Marks the secret as managed by this instance, and as touched by a run, leaving other people's
    /// keys alone. A deleted secret can be marked too.
    ///
    /// # Errors
    /// [`RemoteFault`].
    fn annotate(&self, path: &SecretPath, mark: &Mark) -> impl Future<Output = Result<(), RemoteFault>> + Send;

    /// Soft-deletes exactly one version; a version written meanwhile stays alive.
    ///
    /// # Errors
    /// [`RemoteFault`].
    fn delete(
        &self,
        path: &SecretPath,
        version: Version,
    ) -> impl Future<Output = Result<Option<String>, RemoteFault>> + Send;

    /// Counts the HTTP requests made so far, the login included.
    fn requests(&self) -> u64;

    /// Returns what is known at this moment about how old an answer can be. It may fall to
    /// [`Freshness::Unknown`] while the session lasts (another node answers, a header is refused),
    /// so the engine asks after an observation, not before.
    fn freshness(&self) -> Freshness;

    /// Revokes the token.
    ///
    /// # Errors
    /// [`RemoteFault`] when the token lives on: the run tells it.
    fn close(&self) -> impl Future<Output = Result<(), RemoteFault>> + Send;
}

/// Why the answers of a session are never older than what the session saw or wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The server hands out a state index, and accepts it together with the wish to be forwarded.
    Index,
    /// The node that answers is the active one, or the only one.
    Active,
    /// The node that answers is a standby that forwards every request to the active one.
    Forwarded,
    /// Nothing of this is known. Absence counts only when it was seen in two runs.
    Unknown,
}

impl Freshness {
    /// Says whether an answer is as new as what the session saw or wrote.
    #[must_use]
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

/// What one read answers.
#[derive(Debug)]
pub struct SecretRead {
    /// The data.
    pub fields: SecretFields,
    /// `created_time` of the version read: compared with the stamp that was planned on.
    pub version_created: UnixNanos,
    /// Whose it is, from `custom_metadata`.
    pub annotation: Annotation,
}

/// What one write answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteReceipt {
    /// The version made.
    pub version: Version,
    /// Its `created_time`.
    pub version_created: UnixNanos,
    /// Its `deletion_time`, when `delete_version_after` applies.
    pub expires: Option<UnixNanos>,
    /// Vault's request id, for the audit.
    pub request_id: Option<String>,
}

impl WriteReceipt {
    /// Builds the stamp of what was written. `key_created` is the key's metadata creation
    /// time if it had metadata before; a new key is created with its first version.
    #[must_use]
    pub fn stamp(&self, key_created: Option<UnixNanos>) -> RemoteStamp {
        RemoteStamp {
            key_created: key_created.unwrap_or(self.version_created),
            version: self.version,
            version_created: self.version_created,
        }
    }
}

/// What kind of fault: decides what the engine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// Connect, TLS, timeout, reset before the request could have had an effect.
    Unavailable,
    /// The connection failed in a way that repeating cannot heal (untrusted certificate,
    /// refused address, malformed address).
    Misconfigured,
    /// A namespace is configured, and the server ignores it: it would serve the root namespace.
    NamespaceIgnored,
    /// Login refused (`RoleID`, `SecretID`, wrapping token), or a root token.
    LoginRefused,
    /// Check-and-set mismatch.
    Stale,
    /// The server refuses the content or path (400, 413).
    Invalid,
    /// 403 with a valid token: names the missing capability.
    Denied,
    /// The mount is missing, or no KV v2.
    WrongMount,
    /// A standby that has not caught up (412, 429 with Retry-After and no errors).
    StaleReplica,
    /// Rate limit (429).
    RateLimited,
    /// A redirect, which is never followed.
    Redirected,
    /// Standby, uninitialised or sealed (472, 473, 501, 503).
    Sealed,
    /// A write whose outcome is not known.
    Unknown,
    /// HTML, cut JSON, an answer of another shape.
    Protocol,
}

impl FaultClass {
    /// Every class.
    pub const ALL: [Self; 14] = [
        Self::Unavailable,
        Self::Misconfigured,
        Self::NamespaceIgnored,
        Self::LoginRefused,
        Self::Stale,
        Self::Invalid,
        Self::Denied,
        Self::WrongMount,
        Self::StaleReplica,
        Self::RateLimited,
        Self::Redirected,
        Self::Sealed,
        Self::Unknown,
        Self::Protocol,
    ];

    /// Returns the name used in problems, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
            Self::NamespaceIgnored => "namespace_ignored",
            Self::LoginRefused => "login_refused",
            Self::Stale => "stale",
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::WrongMount => "wrong_mount",
            Self::StaleReplica => "stale_replica",
            Self::RateLimited => "rate_limited",
            Self::Redirected => "redirected",
            Self::Sealed => "remote_sealed",
            Self::Unknown => "unknown_outcome",
            Self::Protocol => "protocol_error",
        }
    }
}

/// A remote request that did not succeed. Never holds a value, a `SecretID` or a token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RemoteFault {
    /// What kind.
    pub class: FaultClass,
    /// What happened, for people: operation, path, Vault's own message.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// How long the server asked to wait.
    pub retry_after: Option<std::time::Duration>,
}
