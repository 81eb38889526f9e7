//! The collector: its address, and one request to it. No message names a header, the query of the address or what the
//! collector wrote.

use std::{error::Error, fmt, time::Duration};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use vaultterm_outbound::{Address, AddressError, ClientError, Limits, Resolver, system_roots, trusting};
use zeroize::Zeroizing;

use crate::message::{Identity, body};

const LIMITS: Limits = Limits { connect_timeout: Duration::from_secs(5), request_timeout: Duration::from_secs(10) };
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The longest time that a collector may ask to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Characters of a cause that a message holds at most.
const CAUSE_CHARS_MAX: usize = 200;

/// Where spans are sent to.
#[derive(Clone)]
pub struct CollectorSettings {
    /// The URL that takes traces.
    pub url: String,
    /// Headers of each request. Their values may be secrets.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// The CA certificates to trust (PEM) instead of the system's.
    pub ca_pem: Option<Vec<u8>>,
}

/// Why a collector cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Headers would go over the network in plain text.
    #[error("headers may hold a secret, and are not sent over plain http to another machine")]
    PlainHeaders,
    /// The name of a header, or its value.
    #[error("header {0} has a name or a value that HTTP does not allow")]
    Header(usize),
    /// The CA certificates.
    #[error("the CA certificates cannot be read as PEM")]
    Ca,
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why a collector did not take what it was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unanswered {
    /// What happened, without the URL.
    pub why: String,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// Whether another attempt may succeed.
    pub(crate) again: bool,
    /// How long the collector asks to wait.
    pub(crate) after: Option<Duration>,
}

/// A collector.
#[derive(Clone)]
pub struct Collector {
    client: Client,
    url: Url,
    headers: HeaderMap,
    origin: String,
}

impl Collector {
    /// Prepares to send. Nothing is sent yet.
    ///
    /// # Errors
    /// [`CollectorError`].
    pub fn new(settings: &CollectorSettings) -> Result<Self, CollectorError> {
        // The spans themselves hold no secret, and collectors inside of a cluster usually speak plain http.
        let address = Address::parse(&settings.url, true)?;
        if !settings.headers.is_empty() && Address::parse(&settings.url, false).is_err() {
            return Err(CollectorError::PlainHeaders);
        }
        let mut headers = HeaderMap::new();
        for (at, (name, value)) in settings.headers.iter().enumerate() {
            let refused = CollectorError::Header(at + 1);
            let Ok(name) = name.parse::<HeaderName>() else { return Err(refused) };
            let Ok(mut value) = HeaderValue::from_str(value) else { return Err(refused) };
            value.set_sensitive(true);
            headers.append(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let roots = roots(&address, settings.ca_pem.as_deref())?;
        let client =
            vaultterm_outbound::client(trusting(roots)?.with_no_client_auth(), Resolver::of_names(false), LIMITS)?;
        Ok(Self { client, url: address.url().clone(), headers, origin: address.origin() })
    }

    /// Returns scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the address that spans are sent to. Its query may hold a secret.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Asks whether the collector takes spans, without sending any.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn ask(&self, identity: &Identity) -> Result<(), Unanswered> {
        self.send(body(identity, Vec::new())).await.map(drop)
    }

    /// Sends a body in one attempt. Returns how many of its spans the collector refused.
    pub(crate) async fn send(&self, body: Vec<u8>) -> Result<u64, Unanswered> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        match request.send().await {
            Ok(response) => answered(response).await,
            Err(error) => {
                let why = reason(&error.without_url());
                Err(Unanswered { why, status: None, again: true, after: None })
            }
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({})", self.origin)
    }
}

fn roots(address: &Address, ca_pem: Option<&[u8]>) -> Result<RootCertStore, CollectorError> {
    let Some(pem) = ca_pem else {
        // Plain http must work on a machine without CA certificates.
        return Ok(if address.is_plaintext() { RootCertStore::empty() } else { system_roots()? });
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.ok().filter(|found| !found.is_empty()).ok_or(CollectorError::Ca)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|_| CollectorError::Ca)?;
    }
    Ok(roots)
}

async fn answered(response: Response) -> Result<u64, Unanswered> {
    let status = response.status();
    if status.is_success() {
        let answer = ExportTraceServiceResponse::decode(read(response).await.as_slice()).unwrap_or_default();
        let refused = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        return Ok(u64::try_from(refused).unwrap_or(0));
    }
    let after = seconds(response.headers());
    // A body that was read leaves the connection for the next request.
    drop(read(response).await);
    let why = match status.as_u16() {
        code @ 300..=399 => format!("HTTP {code}: the collector redirects, which is never followed"),
        code => format!("HTTP {code}"),
    };
    Err(Unanswered { why, status: Some(status.as_u16()), again: may_pass(status), after })
}

/// Returns whether the protocol says that a request may be sent again after this answer.
const fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502..=504)
}

fn seconds(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Reads an answer as far as it is needed.
async fn read(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Vec::new();
        }
        body.extend_from_slice(&chunk);
    }
    body
}

/// Says why no answer came, in words without the URL.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", LIMITS.request_timeout.as_secs());
    }
    let mut root: &dyn Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    let cause: String = root.to_string().chars().filter(|sign| !sign.is_control()).take(CAUSE_CHARS_MAX).collect();
    let what = if error.is_connect() { "the connection cannot be opened" } else { "the request broke off" };
    format!("{what}: {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(url: &str, headers: &[(&str, &str)]) -> Result<Collector, String> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned())));
        let settings = CollectorSettings { url: url.to_owned(), headers: headers.collect(), ca_pem: None };
        Collector::new(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_header_goes_over_tls_or_stays_on_this_machine_and_no_message_repeats_it() {
        let secret = [("authorization", "hunter2")];
        assert!(made("http://collector.example.com:4318/v1/traces", &[]).is_ok());
        assert!(made("http://127.0.0.1:4318/v1/traces", &secret).is_ok());
        assert!(made("http://collector.example.com:4318/v1/traces", &secret).unwrap_err().contains("plain http"));
        for (url, headers) in [
            ("http://169.254.169.254/v1/traces", &secret[..]),
            ("collector.example.com:4318", &secret),
            ("http://user:hunter2@127.0.0.1:4318", &[]),
            ("http://127.0.0.1:4318", &[("author ization", "hunter2")]),
            ("http://127.0.0.1:4318", &[("authorization", "hunter2\n")]),
        ] {
            let error = made(url, headers).err().unwrap();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_answer_may_pass_only_where_the_protocol_says_so() {
        for (code, again) in
            [(400, false), (401, false), (404, false), (429, true), (500, false), (502, true), (503, true)]
        {
            assert_eq!(may_pass(StatusCode::from_u16(code).unwrap()), again, "{code}");
        }
    }
}
