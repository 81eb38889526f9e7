//! The errors of a request to which no complete answer came.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError, InvalidMessage};
use vaultterm_outbound::AddressError;
use vaultterm_sync::{Advice, ToDo};

use crate::wire::printable;

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
    Tls { message: String, hint: Option<Advice>, lasting: bool },
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
        Self::Tls { message, hint: hint.map(Advice::from), lasting }
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
        Self::Tls { message, hint: Some(hint.into()), lasting: false }
    }

    fn certificate(reason: &CertificateError) -> Self {
        use CertificateError as C;
        let (what, hint): (String, Advice) = match reason {
            C::UnknownIssuer => ("it is signed by a CA that is not trusted here".to_owned(), ToDo::GiveCa.into()),
            C::BadSignature => (
                "its signature is not by the CA trusted here, though the CA's name is the same".to_owned(),
                ToDo::GiveNewCa.into(),
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
                    "use the name in the certificate as address, or give it as server name".into(),
                )
            }
            C::Expired | C::ExpiredContext { .. } => {
                ("it has expired".to_owned(), "renew the server's certificate, or set this machine's clock".into())
            }
            C::NotValidYet | C::NotValidYetContext { .. } => {
                ("it is not valid yet".to_owned(), "check the clocks of this machine and of the server".into())
            }
            C::Revoked => ("it was revoked".to_owned(), "the server needs a new certificate".into()),
            other => (other.to_string(), "check the server's certificate and the CA given".into()),
        };
        Self::Tls {
            message: format!("TLS: the server's certificate is not accepted: {what}"),
            hint: Some(hint),
            lasting: true,
        }
    }

    /// Returns the error in one word, for those who count.
    pub(crate) const fn class(&self) -> &'static str {
        match self {
            Self::Address(_) => "address_refused",
            Self::Dns(_) => "dns",
            Self::Connect(_) => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Broken(_) => "broken",
            Self::TooLarge { .. } => "too_large",
            Self::TokenShape => "token_shape",
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
}

/// Returns the name from the debug output of a TLS library, for example from `DnsName("vault.example.com")`.
fn bare(shown: &str) -> &str {
    shown.split('"').nth(1).unwrap_or(shown)
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
