//! Why an operation was not done, in the product's own terms: what kind, what happened, which part of the
//! request was wrong, and what to do next. Each surface words it: the HTTP API as a problem document.

mod from;

use vaultterm_store::Scope;
use vaultterm_sync::{Advice, FaultClass};

pub use from::is_busy;

/// After how many seconds a busy database may be asked again.
const BUSY_SECONDS: u64 = 2;

/// The kinds of refusal: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The caller is not known.
    Unauthenticated,
    /// The e-mail address or the password is wrong.
    LoginRefused,
    /// The password is right, and a code of the second factor is missing.
    SecondFactorNeeded,
    /// The caller must first prove again who they are.
    StepUp,
    /// The caller may not do it.
    Forbidden,
    /// The license does not include it.
    Unlicensed,
    /// There is no such object, or the caller may not know of it.
    NotFound,
    /// The name or the path is taken.
    Exists,
    /// It is not possible in this state.
    Refused,
    /// A run is in progress on the connection.
    RunInProgress,
    /// The connection is paused.
    Paused,
    /// The plan can no longer be applied.
    PlanNotApplicable,
    /// The state on which the caller's decision is based has changed since then.
    Stale,
    /// The object changed since the caller read it.
    Changed,
    /// The change needs the revision that the caller read, and the caller named none.
    RevisionNeeded,
    /// The revision that the caller named cannot be read.
    RevisionUnreadable,
    /// The request itself is wrong, so it would be refused in any state.
    Invalid,
    /// The license is not accepted.
    LicenseRefused,
    /// Too many attempts.
    RateLimited,
    /// Something failed inside: the log has the details.
    Internal,
    /// A stored value does not open.
    Damaged,
    /// The server is not ready, or is shutting down.
    Unavailable,
    /// The database is busy. Nothing was done.
    Busy,
    /// Vault, or the way to it.
    Vault(FaultClass),
}

/// One part of what was asked for that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its name, dotted.
    pub field: String,
    /// What is wrong with it. Never its value.
    pub message: String,
}

/// What the caller can do next. A surface that has a command or a page for it names that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Log in.
    LogIn,
    /// Prove again who it is, then do the same.
    ProveAgain,
    /// Create a token with this scope, or with one of these.
    CreateTokenWith(Vec<Scope>),
    /// Ask an owner of the installation: the addresses of some of them, where the caller may know them.
    AskOwner(Vec<String>),
    /// Ask an admin of the collection: the addresses of some who can give the role, where the caller may know them.
    AskAdmin(Vec<String>),
    /// Choose another name.
    ChooseAnotherName,
    /// Read the object again, then repeat the change with its revision.
    ReadAgain,
    /// Look at the members of the collection again.
    LookAtMembers,
    /// Look at the conflict again, then decide on what it shows.
    LookAtConflict,
    /// Send the same request again in a moment.
    TryAgain,
    /// Resume the connection of this name, if it is known.
    ResumeConnection(Option<String>),
    /// Wait for the run to end, or cancel it.
    WaitForRun,
    /// Install a license.
    InstallLicense,
    /// Take an older revision or a backup, and find out who can write the database.
    RestoreValue,
    /// Ask the operator for another set-up link.
    AskForSetUpLink,
    /// Wait for the end of the rotation of the record key.
    WaitForRotation,
    /// Do what the engine or the client of Vault advises.
    Follow(Advice),
    /// A sentence that holds on every surface.
    Text(String),
}

/// Why an operation was not done. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Which kind.
    pub kind: RefusalKind,
    /// What happened this time.
    pub detail: String,
    /// The parts of the request that are wrong.
    pub fields: Vec<FieldError>,
    /// What to do.
    pub next: Option<Next>,
    /// How long to wait before the same request may succeed.
    pub retry_after_seconds: Option<u64>,
}

impl Refusal {
    /// Makes a refusal without advice.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), fields: Vec::new(), next: None, retry_after_seconds: None }
    }

    /// Makes the refusal of a request of which one part is wrong.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let detail = format!("`{field}`: {message}");
        Self { fields: vec![FieldError { field, message }], ..Self::new(RefusalKind::Invalid, detail) }
    }

    /// Makes the refusal for an object that does not exist, or that the caller may not know of.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(RefusalKind::NotFound, format!("there is no such {what}, or you may not see it"))
    }

    /// Logs an error in full, and makes a refusal that tells nothing of it.
    #[must_use]
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = with_causes(error), "a request failed inside");
        Self::new(RefusalKind::Internal, "the server's log has the details under this request's id")
    }

    /// Logs that a stored value was changed or moved in the database, and makes the refusal to show it.
    #[must_use]
    pub fn damaged(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = with_causes(error), "a stored value does not open");
        Self::new(RefusalKind::Damaged, "it was changed in the database, or moved from where it was sealed")
            .then(Next::RestoreValue)
    }

    /// Makes the refusal of a server that is shutting down.
    #[must_use]
    pub fn closing() -> Self {
        Self::new(RefusalKind::Unavailable, "the server is shutting down")
    }

    /// Makes the refusal of a run while its connection is paused.
    #[must_use]
    pub fn paused(name: Option<&str>) -> Self {
        Self::new(RefusalKind::Paused, "no run starts while the connection is paused")
            .then(Next::ResumeConnection(name.map(str::to_owned)))
    }

    /// Makes the refusal of a request that the database had no turn for: nothing was done.
    #[must_use]
    pub fn busy() -> Self {
        Self::new(RefusalKind::Busy, "other changes hold the database; nothing was done")
            .then(Next::TryAgain)
            .after(BUSY_SECONDS)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn then(self, next: Next) -> Self {
        Self { next: Some(next), ..self }
    }

    /// Adds what to do next, as a sentence that holds on every surface.
    #[must_use]
    pub fn hint(self, text: impl Into<String>) -> Self {
        self.then(Next::Text(text.into()))
    }

    /// Adds how many seconds to wait.
    #[must_use]
    pub fn after(self, seconds: u64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }
}

/// Returns an error and everything behind it, for the log.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
