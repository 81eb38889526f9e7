//! Sorts errors into the classes of the table "Remote faults" in the specification of the synchronization.
//!
//! An error has one of two sources. Either no complete answer came ([`TransportError`]), or an answer came
//! with a status that refuses the request ([`judge`]). Callers handle 404 themselves, because they know what
//! its kinds mean ([`absence`]). The session handles 403: it finds out whether the token or a capability is
//! missing.

use std::{error::Error, io};

use reqwest::StatusCode;
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use vaultterm_outbound::AddressError;
use vaultterm_sync::{FaultClass, RemoteFault};

use crate::{
    http::{Answer, Effect, Request},
    wire::{Refusal, printable},
};

/// Returns a fault without a hint.
pub(crate) fn new(class: FaultClass, message: impl Into<String>) -> RemoteFault {
    RemoteFault { class, message: message.into(), hint: None, retry_after: None }
}

/// Returns a fault with a hint.
pub(crate) fn hinted(class: FaultClass, message: impl Into<String>, hint: impl Into<String>) -> RemoteFault {
    RemoteFault { hint: Some(hint.into()), ..new(class, message) }
}

/// Why no complete answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("the host name cannot be resolved: {0}")]
    Dns(String),
    #[error("the connection cannot be opened: {0}")]
    Connect(String),
    #[error("{message}")]
    Tls { message: String, hint: Option<&'static str>, lasting: bool },
    #[error("no answer came in time")]
    Timeout { connecting: bool },
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the answer has more than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error("the token holds characters that no header can carry")]
    TokenShape,
}

/// The step on the way to a server that failed, for `connection test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Address,
    Tls,
    Answer,
}

impl TransportError {
    /// Classifies an error that happened before the head of the answer was complete.
    pub(crate) fn sending(error: &reqwest::Error) -> Self {
        if let Some(address) = find::<AddressError>(error) {
            return Self::Address(address.clone());
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::tls(tls);
        }
        if error.is_timeout() {
            return Self::Timeout { connecting: error.is_connect() };
        }
        if error.is_dns() {
            return Self::Dns(root_cause(error));
        }
        if error.is_connect() { Self::Connect(root_cause(error)) } else { Self::Broken(root_cause(error)) }
    }

    /// Classifies an error that happened in the body of the answer.
    pub(crate) fn receiving(error: &reqwest::Error) -> Self {
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::tls(tls);
        }
        if error.is_timeout() { Self::Timeout { connecting: false } } else { Self::Broken(root_cause(error)) }
    }

    /// Returns the error for a failed check of TLS.
    fn tls(error: &rustls::Error) -> Self {
        use rustls::Error as E;
        let (message, hint, lasting) = match error {
            E::InvalidCertificate(reason) => return Self::certificate(reason),
            E::InvalidMessage(InvalidMessage::InvalidContentType) => (
                "TLS: the server does not speak TLS on this port".to_owned(),
                Some("it may be a plain http port: check scheme and port of the address"),
                true,
            ),
            E::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::BadCertificate) => (
                format!("TLS: the server asks for a client certificate ({error})"),
                Some("give the connection a client certificate and key that the server's CA signed (mTLS)"),
                true,
            ),
            E::AlertReceived(AlertDescription::UnknownCA) => (
                "TLS: the server does not trust the client certificate (unknown CA)".to_owned(),
                Some("give a client certificate that is signed by the CA the server trusts"),
                true,
            ),
            E::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => (
                format!("TLS: no common version or cipher ({error})"),
                Some("the server must offer TLS 1.2 or 1.3"),
                true,
            ),
            E::AlertReceived(alert) => (format!("TLS: the server broke off ({alert:?})"), None, false),
            other => (format!("TLS: {other}"), None, false),
        };
        Self::Tls { message, hint, lasting }
    }

    /// Classifies an error of the first request of a connection on which the server asked for a client
    /// certificate. If the server broke the connection off, the certificate is the most likely reason.
    pub(crate) fn after_certificate_request(self, shown: bool) -> Self {
        let Self::Broken(how) = self else { return self };
        let (message, hint) = if shown {
            (
                format!("TLS: the server broke off after it was shown the client certificate ({how})"),
                "give a client certificate that is signed by the CA the server trusts and has not expired",
            )
        } else {
            (
                format!("TLS: the server asks for a client certificate and broke off without one ({how})"),
                "give the connection a client certificate and key that the server's CA signed (mTLS)",
            )
        };
        Self::Tls { message, hint: Some(hint), lasting: false }
    }

    fn certificate(reason: &CertificateError) -> Self {
        use CertificateError as C;
        let (what, hint) = match reason {
            C::UnknownIssuer => (
                "it is signed by a CA that is not trusted here".to_owned(),
                "give the connection the CA of the server (--ca-cert)",
            ),
            C::BadSignature => (
                "its signature is not by the CA trusted here, though the CA's name is the same".to_owned(),
                "give the connection the CA that the server uses now (--ca-cert); if it did not change, somebody pretends to be the server",
            ),
            C::NotValidForName | C::NotValidForNameContext { .. } => {
                let names = match reason {
                    C::NotValidForNameContext { expected, presented } => {
                        let presented: Vec<_> = presented.iter().map(|name| bare(name)).collect();
                        format!(": expected {}, found {}", expected.to_str(), presented.join(", "))
                    }
                    _ => String::new(),
                };
                (
                    format!("it is for another name{}", printable(&names)),
                    "use the name in the certificate as address, or give it as server name",
                )
            }
            C::Expired | C::ExpiredContext { .. } => {
                ("it has expired".to_owned(), "renew the server's certificate, or set this machine's clock")
            }
            C::NotValidYet | C::NotValidYetContext { .. } => {
                ("it is not valid yet".to_owned(), "check the clocks of this machine and of the server")
            }
            C::Revoked => ("it was revoked".to_owned(), "the server needs a new certificate"),
            other => (other.to_string(), "check the server's certificate and the CA given"),
        };
        Self::Tls {
            message: format!("TLS: the server's certificate is not accepted: {what}"),
            hint: Some(hint),
            lasting: true,
        }
    }

    /// Returns the step that failed.
    pub(crate) fn stage(&self) -> Stage {
        match self {
            Self::Address(_) | Self::Dns(_) | Self::Connect(_) | Self::Timeout { connecting: true } => Stage::Address,
            Self::Tls { .. } => Stage::Tls,
            _ => Stage::Answer,
        }
    }

    /// Returns the fault of a request that failed with this error.
    pub(crate) fn fault(&self, request: &Request) -> RemoteFault {
        let message = format!("{}: {self}", request.doing);
        match self {
            Self::Address(_) => hinted(FaultClass::Misconfigured, message, "check the address of the connection"),
            Self::Tls { hint, lasting: true, .. } => {
                RemoteFault { hint: hint.map(str::to_owned), ..new(FaultClass::Misconfigured, message) }
            }
            Self::Dns(_) => hinted(FaultClass::Unavailable, message, "check the host name and this machine's DNS"),
            Self::Connect(_) | Self::Timeout { connecting: true } => {
                hinted(FaultClass::Unavailable, message, "check address and port, and that the server is up")
            }
            Self::TokenShape => new(FaultClass::Protocol, message),
            Self::TooLarge { .. } if request.effect == Effect::Repeatable => new(FaultClass::Protocol, message),
            Self::Tls { hint, .. } if request.effect == Effect::Repeatable => {
                RemoteFault { hint: hint.map(str::to_owned), ..new(FaultClass::Unavailable, message) }
            }
            Self::Timeout { .. } if request.effect == Effect::Repeatable => {
                hinted(FaultClass::Unavailable, message, "see what the server is busy with, and what stands in between")
            }
            Self::Broken(_) if request.effect == Effect::Repeatable => hinted(
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

/// Returns the name from the debug output of a TLS library, for example from `DnsName("vault.example.com")`.
fn bare(shown: &str) -> &str {
    shown.split('"').nth(1).unwrap_or(shown)
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
        500.. if request.effect == Effect::Once => hinted(FaultClass::Unknown, in_doubt(&message), LOOKED_AT),
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

/// Finds an error of type `T` in the chain of sources. `io::Error` does not show the error that it wraps as
/// its `source()`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    // Chains are short. The bound protects against a cycle in errors of other crates.
    for _ in 0..32 {
        let error = next?;
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Returns the innermost message. The outer messages only repeat the URL and say "error sending request".
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause: &(dyn Error + 'static) = error;
    for _ in 0..32 {
        let inner = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => cause.source(),
        };
        match inner {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    printable(&cause.to_string())
}
