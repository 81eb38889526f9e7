//! Sorts errors into the classes of the table "Remote faults" in the specification of the synchronization.
//!
//! An error has one of two sources. Either no complete answer came ([`TransportError`]), or an answer came
//! with a status that refuses the request ([`judge`]). Callers handle 404 themselves, because they know what
//! its kinds mean ([`absence`]). The session handles 403: it finds out whether the token or a capability is
//! missing.

use reqwest::StatusCode;
use vaultterm_sync::{FaultClass, RemoteFault};

use crate::{
    http::{Answer, Repetition, Request},
    transport::TransportError,
    wire::Refusal,
};

pub(crate) use crate::remote_fault::{hinted, new};

impl TransportError {
    /// Returns the fault of a request that failed with this error.
    pub(crate) fn fault(&self, request: &Request) -> RemoteFault {
        let message = format!("{}: {self}", request.doing);
        match self {
            Self::Address(_) => hinted(FaultClass::Misconfigured, message, "check the address of the connection"),
            Self::Tls { hint, lasting: true, .. } => {
                RemoteFault { hint: hint.clone(), ..new(FaultClass::Misconfigured, message) }
            }
            Self::Dns(_) => hinted(FaultClass::Unavailable, message, "check the host name and this machine's DNS"),
            Self::Connect(_) | Self::Timeout { connecting: true } => {
                hinted(FaultClass::Unavailable, message, "check address and port, and that the server is up")
            }
            Self::TokenShape => new(FaultClass::Protocol, message),
            Self::TooLarge { .. } if request.repetition == Repetition::Repeatable => new(FaultClass::Protocol, message),
            Self::Tls { hint, .. } if request.repetition == Repetition::Repeatable => {
                RemoteFault { hint: hint.clone(), ..new(FaultClass::Unavailable, message) }
            }
            Self::Timeout { .. } if request.repetition == Repetition::Repeatable => {
                hinted(FaultClass::Unavailable, message, "see what the server is busy with, and what stands in between")
            }
            Self::Broken(_) if request.repetition == Repetition::Repeatable => hinted(
                FaultClass::Unavailable,
                message,
                "see whether the server was stopped, and what stands in between",
            ),
            Self::Timeout { .. } | Self::Broken(_) | Self::Tls { .. } | Self::TooLarge { .. } => {
                hinted(FaultClass::Unknown, in_doubt(&message), LOOKED_AT)
            }
        }
    }
}

/// The hint for a change whose result is unknown.
const LOOKED_AT: &str = "the next run looks at the secret and goes on from what is there";

fn in_doubt(message: &str) -> String {
    format!("{message}; it may or may not have happened")
}

/// Judges an answer. Success and 404 pass, and every other status is a fault. 403 becomes
/// [`FaultClass::Denied`], because a single answer cannot tell more.
pub(crate) fn judge(request: &Request, answer: Answer) -> Result<Answer, RemoteFault> {
    match answer.status {
        StatusCode::OK | StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(answer),
        _ => Err(refused(request, &answer)),
    }
}

/// Returns the fault of an answer that refuses the request.
pub(crate) fn refused(request: &Request, answer: &Answer) -> RemoteFault {
    let status = answer.status.as_u16();
    let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
    let said = refusal.as_ref().and_then(|refusal| refusal.errors.as_ref()).map(|errors| errors.join("; "));
    let from_vault = said.is_some();
    let said = said.unwrap_or_default();
    let message = if said.trim().is_empty() {
        format!("{}: HTTP {status}", request.doing)
    } else {
        format!("{}: HTTP {status}: {}", request.doing, answer.sent.foreign(&said))
    };
    let mut fault = match status {
        400 if plain_http_on_tls_port(&answer.body) => hinted(
            FaultClass::Misconfigured,
            format!("{}: plain http was sent to an https port", request.doing),
            "write the address with https://",
        ),
        400 if said.contains("did not match the current version") => new(FaultClass::Stale, message),
        // The active node and a standby use different words for this.
        400 if said.contains("from non-versioned to versioned data") => {
            hinted(FaultClass::Unavailable, message, "the mount is being upgraded to KV version 2: wait")
        }
        400 if said.contains("number of strings") => {
            hinted(FaultClass::Invalid, message, "divide the record, or raise the server's max_request_json_strings")
        }
        413 => hinted(
            FaultClass::Invalid,
            message,
            "make the record smaller, or raise the limit (max_request_size of the server, or that of a proxy)",
        ),
        400 | 405 | 415 | 422 if from_vault => new(FaultClass::Invalid, message),
        403 => new(FaultClass::Denied, message),
        404 => new(FaultClass::WrongMount, message),
        412 => hinted(FaultClass::StaleReplica, message, BEHIND),
        429 if said.is_empty() && answer.retry_after.is_some() => hinted(FaultClass::StaleReplica, message, BEHIND),
        429 => hinted(
            FaultClass::RateLimited,
            message,
            "raise the server's quota, or lower the connection's concurrency_max",
        ),
        300..400 => redirected(&message, answer),
        472 | 473 => hinted(FaultClass::Sealed, message, "use the address of the active node of the primary cluster"),
        501 => hinted(FaultClass::Sealed, message, "initialize the server, then unseal it"),
        500 if breaks_json_limit(refusal.as_ref()) => hinted(
            FaultClass::Invalid,
            message,
            "divide the record, or let the server's operator raise the limit of JSON that is named",
        ),
        // A 503 of a gateway says nothing about what happened behind it. Vault's own 503 does.
        503 if from_vault => hinted(FaultClass::Sealed, message, "unseal the server"),
        500.. if request.repetition == Repetition::Once => hinted(FaultClass::Unknown, in_doubt(&message), LOOKED_AT),
        500.. if from_vault => hinted(FaultClass::Unavailable, message, "the server's log says what failed"),
        500.. => hinted(
            FaultClass::Unavailable,
            format!("{message}, not from Vault"),
            "something in between answers: see whether it reaches the server",
        ),
        _ => new(FaultClass::Protocol, message),
    };
    fault.retry_after = answer.retry_after;
    fault
}

/// The messages of HashiCorp Vault for a body that breaks one of its limits of JSON. It answers HTTP 500 with
/// one of these lines, before the request has any effect.
const JSON_LIMITS: [&str; 8] = [
    "JSON payload exceeds allowed",
    "JSON array exceeds allowed",
    "JSON object exceeds allowed",
    "JSON input exceeds allowed",
    "JSON string value exceeds allowed",
    "JSON number value exceeds allowed",
    "duplicate key '",
    "malformed JSON",
];

fn breaks_json_limit(refusal: Option<&Refusal>) -> bool {
    let errors = refusal.and_then(|refusal| refusal.errors.as_deref()).unwrap_or_default();
    matches!(errors, [error] if JSON_LIMITS.iter().any(|limit| error.starts_with(limit)))
}

/// The hint for a standby that does not catch up.
const BEHIND: &str =
    "a standby does not catch up with the active node: see to its replication, or use the address of the active node";

/// Returns the fault of a redirect, by its kind. The client follows no redirect, because the token would
/// travel with it.
fn redirected(message: &str, answer: &Answer) -> RemoteFault {
    match &answer.elsewhere {
        Some(host) => hinted(
            FaultClass::Redirected,
            format!("{message}, a redirect to {host}, which is not followed"),
            "a standby that does not forward names the active node so: if that host is it, use its address; else something in between redirects",
        ),
        None => hinted(
            FaultClass::Redirected,
            format!("{message}, a redirect to another path, which is not followed"),
            "the path is malformed to the server, or something in between rewrites paths",
        ),
    }
}

/// The kinds of 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// There was never anything at this path, or its metadata was deleted, or a listing is empty.
    Nothing,
    /// The version is deleted or destroyed. The answer holds its metadata.
    Deleted,
    /// There is no mount at this path.
    NoMount,
    /// The server or its KV engine does not have this part of the API.
    NoSuchApi,
    /// The namespace does not exist.
    NoNamespace,
    /// Another 404: from a proxy, or with an unknown message. It proves nothing.
    Unclear,
}

/// Returns the kind of a 404.
pub(crate) fn absence(answer: &Answer) -> Absence {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body) else { return Absence::Unclear };
    match refusal.errors.as_deref() {
        Some([]) => Absence::Nothing,
        Some([error, ..]) if error.contains("no handler for route") => Absence::NoMount,
        Some([error, ..]) if error.contains("namespace not found") => Absence::NoNamespace,
        Some([error, ..]) if error.contains("unsupported path") => Absence::NoSuchApi,
        Some(_) => Absence::Unclear,
        None if refusal.data.is_some() => Absence::Deleted,
        None if refusal.warnings.is_some() => Absence::NoSuchApi,
        None => Absence::Unclear,
    }
}

/// Returns the fault of a 404 that proves nothing about a secret.
pub(crate) fn not_found(request: &Request, answer: &Answer, mount: &str) -> RemoteFault {
    match absence(answer) {
        Absence::NoMount => hinted(
            FaultClass::WrongMount,
            format!("{}: there is no secrets engine at `{mount}/` (any more)", request.doing),
            "check mount and namespace of the connection",
        ),
        Absence::NoNamespace => hinted(
            FaultClass::WrongMount,
            format!("{}: the namespace does not exist (any more)", request.doing),
            "check the namespace of the connection",
        ),
        Absence::NoSuchApi => new(
            FaultClass::WrongMount,
            format!("{}: the server does not offer this: no KV version 2 engine, or an old one", request.doing),
        ),
        Absence::Unclear => hinted(
            FaultClass::Protocol,
            format!("{}: HTTP 404 that does not come from a KV engine", request.doing),
            "something in between answers: see whether it reaches the server",
        ),
        Absence::Nothing | Absence::Deleted => new(FaultClass::Protocol, format!("{}: HTTP 404", request.doing)),
    }
}

/// Returns whether a 400 refuses the token. Other paths refuse it with 403.
pub(crate) fn is_invalid_token(answer: &Answer) -> bool {
    let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
    let errors = refusal.and_then(|refusal| refusal.errors).unwrap_or_default();
    errors.iter().any(|error| error.contains("invalid token"))
}

/// Checks for the answer of Go's TLS listener to plain http.
fn plain_http_on_tls_port(body: &[u8]) -> bool {
    body.starts_with(b"Client sent an HTTP request to an HTTPS server")
}
