//! Every refusal as a problem document (RFC 9457). The one place that decides which status a refusal gets, and
//! how the API and the command line word what to do next.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use vaultterm_contract::{Document, FieldError, advice};
use vaultterm_operations::{Next, Refusal, RefusalKind};
use vaultterm_outbound::AddressError;
use vaultterm_sealing::FieldsError;
use vaultterm_store::StoreError;
use vaultterm_sync::{EngineError, FaultClass, JournalError, RemoteFault, ToDo};

/// The media type of a problem document.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";
/// What every `type` begins with.
const TYPE: &str = "urn:vaultterm:problem:";

/// How a kind of problem is told.
struct Parts {
    status: u16,
    slug: Cow<'static, str>,
    title: &'static str,
    /// Whether the same request may succeed later.
    retryable: bool,
}

/// The kinds of problem: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    Malformed,
    Unauthenticated,
    LoginRefused,
    SecondFactorNeeded,
    StepUp,
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
    /// Vault, or the way to it.
    Vault(FaultClass),
}

impl ProblemKind {
    /// Every kind that is not Vault's, by status.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 28] = [
        Self::Malformed,
        Self::Unauthenticated,
        Self::LoginRefused,
        Self::SecondFactorNeeded,
        Self::StepUp,
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

    fn parts(self) -> Parts {
        let retryable =
            matches!(self, Self::RunInProgress | Self::RateLimited | Self::Sealed | Self::Unavailable | Self::Busy);
        let (status, slug, title) = match self {
            Self::Malformed => (400, "malformed-request", "The request is not understood"),
            Self::Unauthenticated => (401, "unauthenticated", "A valid token is needed"),
            Self::LoginRefused => (401, "login-refused", "The login was refused"),
            Self::SecondFactorNeeded => (401, "second-factor-needed", "A code of the second factor is needed"),
            Self::StepUp => (403, "step-up", "A fresh proof of identity is needed"),
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
            Self::Vault(class) => return vault_parts(class),
        };
        Parts { status, slug: Cow::Borrowed(slug), title, retryable }
    }
}

/// Returns how a problem with Vault is told: `vault-…`, one kind for each class.
fn vault_parts(class: FaultClass) -> Parts {
    let (status, title, retryable) = match class {
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
    Parts { status, slug: Cow::Owned(format!("vault-{}", class.as_str().replace('_', "-"))), title, retryable }
}

/// A problem: what every handler answers when it cannot do what it was asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(transparent)]
pub struct Problem(Box<Document>);

impl Problem {
    /// Returns what kind of problem it is, in words.
    pub(crate) fn title(&self) -> &str {
        &self.0.title
    }

    /// Returns what happened, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns what to do, in words of the API.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns how many seconds to wait.
    pub(crate) fn wait_seconds(&self) -> Option<u64> {
        self.0.retry_after
    }

    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let Parts { status, slug, title, retryable } = kind.parts();
        Self(Box::new(Document {
            kind: format!("{TYPE}{slug}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            instance: String::new(),
            errors: Vec::new(),
            hint: None,
            retryable,
            retry_after: None,
        }))
    }

    /// One field of the request is wrong.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let mut problem = Self::new(ProblemKind::Invalid, format!("`{field}`: {message}"));
        problem.0.errors.push(FieldError { field, message });
        problem
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

    /// Something inside failed: logged in full, told only by the request's id.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        Refusal::internal(error).into()
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

impl IntoResponse for Problem {
    /// Leaves the document to the gate, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<RefusalKind> for ProblemKind {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::Unauthenticated => Self::Unauthenticated,
            RefusalKind::LoginRefused => Self::LoginRefused,
            RefusalKind::SecondFactorNeeded => Self::SecondFactorNeeded,
            RefusalKind::StepUp => Self::StepUp,
            RefusalKind::Forbidden => Self::Forbidden,
            RefusalKind::Unlicensed => Self::Unlicensed,
            RefusalKind::NotFound => Self::NotFound,
            RefusalKind::Exists => Self::Exists,
            RefusalKind::Refused => Self::Refused,
            RefusalKind::RunInProgress => Self::RunInProgress,
            RefusalKind::Paused => Self::Paused,
            RefusalKind::PlanNotApplicable => Self::PlanNotApplicable,
            RefusalKind::Stale => Self::Stale,
            RefusalKind::Changed => Self::PreconditionFailed,
            RefusalKind::RevisionNeeded => Self::PreconditionRequired,
            RefusalKind::RevisionUnreadable => Self::Malformed,
            RefusalKind::Invalid => Self::Invalid,
            RefusalKind::LicenseRefused => Self::LicenseRefused,
            RefusalKind::RateLimited => Self::RateLimited,
            RefusalKind::Internal => Self::Internal,
            RefusalKind::Damaged => Self::Damaged,
            RefusalKind::Unavailable => Self::Unavailable,
            RefusalKind::Busy => Self::Busy,
            RefusalKind::Vault(class) => Self::Vault(class),
        }
    }
}

/// Words what to do next for somebody who uses the API or the command line.
fn words(next: Next) -> String {
    let fixed = match next {
        Next::Text(text) => return text,
        Next::Follow(advice) => return advice::worded(&advice),
        Next::ResumeConnection(Some(name)) => return format!("resume it: `vaultterm connection resume {name}`"),
        Next::ResumeConnection(None) => "resume it: `vaultterm connection resume`",
        Next::LogIn => "log in with `vaultterm login`",
        Next::ProveAgain => "prove it with `vaultterm login --again` (`POST /api/v1/auth/step-up`), then repeat it",
        Next::CreateTokenWith(_) => "create a token with this scope: `vaultterm token create`",
        Next::AskOwner(of) => return asked("an owner of this installation", &of),
        Next::AskAdmin(of) => return asked("an admin of the collection", &of),
        Next::ChooseAnotherName => "choose another name",
        Next::ReadAgain => "read it again, then repeat the change with its revision",
        Next::LookAtMembers => "look at the members again",
        Next::LookAtConflict => "`vaultterm conflict show` shows what is there now: decide on that",
        Next::TryAgain => "send the same request again in a moment",
        Next::WaitForRun => "wait for it to end, or cancel it",
        Next::InstallLicense => return advice::worded(&ToDo::InstallLicense.into()),
        Next::AskForSetUpLink => "run `vaultterm init` for what to do next",
        Next::WaitForRotation => "wait for it to end: `vaultterm key status`",
        Next::RestoreValue => {
            "an older revision may still open (`vaultterm record history`, `record restore --revision N`), \
             and so does a backup; find out who can write the database"
        }
    };
    fixed.to_owned()
}

/// Words whom to ask, by address where that is known.
pub(crate) fn asked(whom: &str, addresses: &[String]) -> String {
    match addresses {
        [] => format!("ask {whom}"),
        addresses => format!("ask {whom}, who can give it: {}", addresses.join(", ")),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let Refusal { kind, detail, fields, next, retry_after_seconds } = refusal;
        let (detail, hint) = match kind {
            RefusalKind::RevisionNeeded => (
                "an update needs `If-Match: \"<revision>\"`".to_owned(),
                Some("read the object, then send its `revision` in quotes".to_owned()),
            ),
            RefusalKind::RevisionUnreadable => ("If-Match is not a revision in quotes, such as \"3\"".to_owned(), None),
            _ => (detail, next.map(words)),
        };
        let mut problem = Self::new(kind.into(), detail);
        let fields = fields.into_iter().map(|wrong| FieldError { field: wrong.field, message: wrong.message });
        problem.0.errors = fields.collect();
        problem.0.hint = hint;
        problem.0.retry_after = retry_after_seconds;
        problem
    }
}

/// What an error of a lower floor means to a caller is said in `operations`.
macro_rules! through_refusal {
    ($($error:ty),*) => {$(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Refusal::from(error).into()
            }
        }
    )*};
}
through_refusal!(StoreError, FieldsError, AddressError, RemoteFault, EngineError, JournalError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_database_is_503_with_retry_after() {
        let problem = Problem::from(StoreError::Busy);
        assert!(problem.0.retryable);
        let answer = problem.render("r");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn what_is_wrong_in_itself_is_422_and_names_its_field() {
        let wrong = StoreError::Invalid { field: "cursor".to_owned(), why: "is not a cursor of this list".to_owned() };
        let problem = Problem::from(wrong);
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem.0.errors[0].field, "cursor");
    }
}
