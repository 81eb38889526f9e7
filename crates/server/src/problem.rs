//! Every error of the API as a problem document (RFC 9457). The one place that decides which
//! status and which words an error gets.
//!
//! What failed inside is logged here and not told: the answer names the request instead.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use vaultterm_outbound::AddressError;
use vaultterm_sealing::{FieldsError, SealingError};
use vaultterm_store::StoreError;
use vaultterm_sync::{EngineError, FaultClass, JournalError, RemoteFault, Unlicensed};

/// The media type of a problem document.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";
/// What every `type` begins with.
const TYPE: &str = "urn:vaultterm:problem:";

/// After how many seconds a busy database may be asked again.
const BUSY_SECONDS: u64 = 2;

/// The kinds of problem that are not Vault's: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Malformed,
    Unauthenticated,
    LoginRefused,
    Forbidden,
    Unlicensed,
    NotFound,
    MethodNotAllowed,
    Exists,
    Refused,
    RunInProgress,
    Paused,
    PlanNotApplicable,
    Stale,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    LicenseRefused,
    PreconditionRequired,
    RateLimited,
    Internal,
    Damaged,
    Sealed,
    Unavailable,
    Busy,
    Unfinished,
}

impl Kind {
    /// Every kind, by status.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 26] = [
        Self::Malformed,
        Self::Unauthenticated,
        Self::LoginRefused,
        Self::Forbidden,
        Self::Unlicensed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Exists,
        Self::Refused,
        Self::RunInProgress,
        Self::Paused,
        Self::PlanNotApplicable,
        Self::Stale,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::LicenseRefused,
        Self::PreconditionRequired,
        Self::RateLimited,
        Self::Internal,
        Self::Damaged,
        Self::Sealed,
        Self::Unavailable,
        Self::Busy,
        Self::Unfinished,
    ];

    const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed-request", "The request is not understood"),
            Self::Unauthenticated => (401, "unauthenticated", "A valid token is needed"),
            Self::LoginRefused => (401, "login-refused", "The login was refused"),
            Self::Forbidden => (403, "forbidden", "Not allowed"),
            Self::Unlicensed => (403, "unlicensed", "The license does not include it"),
            Self::NotFound => (404, "not-found", "Not found"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "The path has no such method"),
            Self::Exists => (409, "exists", "It exists already"),
            Self::Refused => (409, "refused", "Not possible in this state"),
            Self::RunInProgress => (409, "run-in-progress", "A run is in progress"),
            Self::Paused => (409, "paused", "The connection is paused"),
            Self::PlanNotApplicable => (409, "plan-not-applicable", "The plan can no longer be applied"),
            Self::Stale => (409, "stale", "It changed meanwhile"),
            Self::PreconditionFailed => (412, "precondition-failed", "It changed since it was read"),
            Self::TooLarge => (413, "too-large", "The request is too large"),
            Self::UnsupportedMediaType => (415, "unsupported-media-type", "The body must be JSON"),
            Self::Invalid => (422, "invalid", "The request is not valid"),
            Self::LicenseRefused => (422, "license-refused", "The license is refused"),
            Self::PreconditionRequired => (428, "precondition-required", "If-Match is missing"),
            Self::RateLimited => (429, "rate-limited", "Too many attempts"),
            Self::Internal => (500, "internal", "Something failed inside"),
            Self::Damaged => (500, "damaged", "A stored value does not open"),
            Self::Sealed => (503, "sealed", "The root key is sealed"),
            Self::Unavailable => (503, "unavailable", "Not ready"),
            Self::Busy => (503, "busy", "The database is busy"),
            Self::Unfinished => (504, "unfinished", "Not done in time, and still going on"),
        }
    }
}

/// A problem: what every handler answers when it cannot do what it was asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct Problem(Box<Document>);

/// A problem document (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Document {
    /// Which kind: `urn:vaultterm:problem:…`, a closed list.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened this time. Never a secret.
    detail: String,
    /// The request's id, as in the log.
    instance: String,
    /// Fields of the request that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// Seconds to wait, for `Retry-After`.
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// One field that is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct FieldError {
    /// Its name in the body, dotted.
    field: String,
    /// What is wrong with it. Never its value.
    message: String,
}

impl Problem {
    /// What happened, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, slug, title) = kind.parts();
        Self(Box::new(Document {
            kind: format!("{TYPE}{slug}"),
            title,
            status,
            detail: detail.into(),
            instance: String::new(),
            errors: Vec::new(),
            hint: None,
            retryable: matches!(
                kind,
                Kind::RunInProgress | Kind::RateLimited | Kind::Sealed | Kind::Unavailable | Kind::Busy
            ),
            retry_after: None,
        }))
    }

    /// One field of the request is wrong.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let mut problem = Self::new(Kind::Invalid, format!("`{field}`: {message}"));
        problem.0.errors.push(FieldError { field, message });
        problem
    }

    /// A decision by field left fields open.
    fn undecided(names: &[String], detail: String) -> Self {
        let mut problem = Self::new(Kind::Refused, detail)
            .hint("name each of them in `fields`, with `take` (`local` or `remote`) or a new `value`");
        let open = |name: &String| FieldError { field: format!("fields.{name}"), message: "is not decided".to_owned() };
        problem.0.errors = names.iter().map(open).collect();
        problem
    }

    /// There is nothing of this name, or the caller may not know of it.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no such {what}, or you may not see it"))
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The database has no turn to give: nothing was done, and the same request may be sent again.
    fn busy() -> Self {
        Self::new(Kind::Busy, "other changes hold the database; nothing was done")
            .hint("send the same request again in a moment")
            .retry_after(BUSY_SECONDS)
    }

    /// The connection is paused.
    fn paused() -> Self {
        Self::new(Kind::Paused, "no run starts while the connection is paused")
            .hint("resume it: `vaultterm connection resume`")
    }

    /// Something inside failed: logged in full, told only by the request's id.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = with_causes(error), "a request failed inside");
        Self::new(Kind::Internal, "the server's log has the details under this request's id")
    }

    /// A stored value was changed or moved in the database, behind our back.
    fn damaged(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = with_causes(error), "a stored value does not open");
        Self::new(Kind::Damaged, "it was changed in the database, or moved from where it was sealed").hint(
            "an older revision may still open (`vaultterm record history`, `record restore --revision N`), \
             and so does a backup; find out who can write the database",
        )
    }

    /// Writes the document, with the request's id.
    pub(crate) fn render(mut self, request_id: &str) -> Response {
        request_id.clone_into(&mut self.0.instance);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == 413 {
            // The rest of the body is not read: the next request needs another connection.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.0.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Tells whether an error of the database, as the engine passes it on, means that it is busy.
pub(crate) fn is_busy(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Busy))
}

/// An error and everything behind it, for the log.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl IntoResponse for Problem {
    /// Leaves the document to the gate, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists { .. } => Self::new(Kind::Exists, error.to_string()).hint("choose another name"),
            StoreError::Stale { .. } => Self::new(Kind::PreconditionFailed, error.to_string())
                .hint("read it again, then repeat the change with its revision"),
            StoreError::NotFound(what) => Self::new(Kind::NotFound, format!("there is no such {what}")),
            StoreError::Refused(why) => Self::new(Kind::Refused, why),
            StoreError::Invalid { field, why } => Self::field(field, why),
            StoreError::InjectOnly { .. } => Self::new(Kind::Forbidden, error.to_string()),
            StoreError::RolesMoved => Self::new(Kind::Stale, error.to_string()).hint("look at the members again"),
            StoreError::Paused => Self::paused(),
            StoreError::Busy => Self::busy(),
            StoreError::Fields(error) => error.into(),
            StoreError::Sealing(SealingError::DoesNotOpen | SealingError::Malformed) => Self::damaged(&error),
            StoreError::Sealing(_) | StoreError::Malformed(_) | StoreError::Database(_) | StoreError::Migration(_) => {
                Self::internal(&error)
            }
        }
    }
}

impl From<FieldsError> for Problem {
    fn from(error: FieldsError) -> Self {
        match &error {
            FieldsError::NumberWouldChange { field }
            | FieldsError::FieldName { field, .. }
            | FieldsError::Twice { field } => Self::field(format!("fields.{field}"), error.to_string()),
            _ => Self::field("fields", error.to_string()),
        }
    }
}

impl From<AddressError> for Problem {
    fn from(error: AddressError) -> Self {
        let problem = Self::field("address", error.to_string());
        match error {
            AddressError::Plaintext => problem
                .hint("use https, or start the server with VAULTTERM_ALLOW_PLAINTEXT_VAULT=1 if the network is yours"),
            AddressError::Malformed(_) => problem.hint("write it as https://host:8200"),
            AddressError::Forbidden { .. } => problem.hint("name the address of a Vault server"),
        }
    }
}

impl From<RemoteFault> for Problem {
    /// What Vault answered, or that it did not: `vault-…`, one kind for each class.
    fn from(fault: RemoteFault) -> Self {
        let (status, title, retryable) = match fault.class {
            FaultClass::Unavailable => (502, "Vault cannot be reached", true),
            FaultClass::Misconfigured => (422, "The connection is not set up right", false),
            FaultClass::NamespaceIgnored => (422, "The server ignores the namespace", false),
            FaultClass::LoginRefused => (502, "Vault refused the login", false),
            FaultClass::Stale => (409, "The secret changed meanwhile", true),
            FaultClass::Invalid => (502, "Vault refused the request", false),
            FaultClass::Denied => (502, "Vault denied the request", false),
            FaultClass::WrongMount => (502, "The mount is not KV v2", false),
            FaultClass::StaleReplica => (502, "Vault's replica is behind", true),
            FaultClass::RateLimited => (503, "Vault limits the rate", true),
            FaultClass::Redirected => (502, "Vault redirects", false),
            FaultClass::Sealed => (503, "Vault is sealed or standing by", true),
            FaultClass::Unknown => (504, "Vault did not answer in time", true),
            FaultClass::Protocol => (502, "The answer is not Vault's", false),
        };
        Self(Box::new(Document {
            kind: format!("{TYPE}vault-{}", fault.class.as_str().replace('_', "-")),
            title,
            status,
            detail: fault.message,
            instance: String::new(),
            errors: Vec::new(),
            hint: fault.hint,
            retryable,
            retry_after: fault.retry_after.map(|wait| wait.as_secs().max(1)),
        }))
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound(what) => Self::not_found(what),
            EngineError::RunInProgress => {
                Self::new(Kind::RunInProgress, error.to_string()).hint("wait for it to end, or cancel it")
            }
            EngineError::PlanNotApplicable(why) => Self::new(Kind::PlanNotApplicable, why),
            EngineError::Stale(why) => {
                Self::new(Kind::Stale, why).hint("look at the conflict again, then decide on what it shows now")
            }
            EngineError::NotResolvable(why) => Self::new(Kind::Refused, why),
            EngineError::Undecided(ref names) => Self::undecided(names, error.to_string()),
            EngineError::Unlicensed(missing) => Self::new(Kind::Unlicensed, missing.to_string()).hint(Unlicensed::HINT),
            EngineError::Remote(fault) => fault.into(),
            EngineError::Journal(error) => error.into(),
        }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::LeaseLost => {
                Self::new(Kind::RunInProgress, "another run took over the connection; nothing was lost")
            }
            JournalError::Paused => Self::paused(),
            JournalError::Unreadable(_) => Self::damaged(&error),
            JournalError::Database(ref source) if is_busy(source.as_ref()) => Self::busy(),
            JournalError::Database(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_database_is_503_with_retry_after_for_the_store_and_for_the_engine() {
        let engine = EngineError::Journal(JournalError::Database(Box::new(StoreError::Busy)));
        for problem in [Problem::from(StoreError::Busy), Problem::from(engine)] {
            assert!(problem.0.retryable);
            let answer = problem.render("r");
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[header::RETRY_AFTER], "2");
        }
        let broken = JournalError::Database(Box::new(StoreError::Malformed("row")));
        assert_eq!(Problem::from(broken).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn what_is_wrong_in_itself_is_422_and_names_its_field() {
        let wrong = StoreError::Invalid { field: "cursor".to_owned(), why: "is not one of this list".to_owned() };
        let problem = Problem::from(wrong);
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem.0.errors[0].field, "cursor");
    }
}
