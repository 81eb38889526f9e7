//! One request, one attempt, one answer: headers, limits, the count.
//!
//! It knows nothing of tokens' lives (`session.rs`) and judges no status (`fault.rs`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde::Deserialize;
use vaultterm_reconcile::UnixNanos;
use vaultterm_sealing::SecretText;
use vaultterm_sync::{FaultClass, RemoteFault};
use zeroize::Zeroizing;

use crate::{
    fault::{self, TransportError},
    helping::{Helping, RefusedHeaders},
    redaction::{Secrets, Sent},
    route::Route,
    wire,
};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
const NO_FORWARDING: HeaderName = HeaderName::from_static("x-vault-no-request-forwarding");

/// Bytes of an answer that is not a listing, at most: one KV version fits one storage entry
/// (1 MiB by default), JSON escapes can make six bytes of one.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What happens when the answer to a request is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it changes nothing, or the same thing again.
    Repeatable,
    /// The server's state is not known.
    Once,
}

/// The namespace that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// The root: some `sys/` paths exist there only.
    Root,
    /// Where the secrets are.
    OfSecrets,
    /// Where the login is, which may be another one.
    OfLogin,
    /// One that exists on no server: only a server that knows namespaces refuses it.
    Nowhere,
}

/// The namespaces of a connection, as headers; `None` for the root.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespaces {
    pub(crate) of_secrets: Option<HeaderValue>,
    pub(crate) of_login: Option<HeaderValue>,
}

impl Namespaces {
    fn header(&self, namespace: Namespace) -> Option<HeaderValue> {
        match namespace {
            Namespace::Root => None,
            Namespace::OfSecrets => self.of_secrets.clone(),
            Namespace::OfLogin => self.of_login.clone(),
            Namespace::Nowhere => Some(HeaderValue::from_static(NOWHERE)),
        }
    }

    /// Says whether the login is in another namespace than the secrets.
    pub(crate) fn differ(&self) -> bool {
        self.of_secrets != self.of_login
    }

    /// Says whether any namespace but the root is named.
    pub(crate) fn any(&self) -> bool {
        self.of_secrets.is_some() || self.of_login.is_some()
    }
}

/// A name that nobody gives a namespace.
const NOWHERE: &str = "vaultterm-asks-for-a-namespace-that-cannot-exist-4f1c9a7e";

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) route: Route,
    /// Encoded; empty for none.
    pub(crate) query: String,
    /// Content type and body. Bodies with secrets are wiped when the last copy is dropped.
    pub(crate) body: Option<(&'static str, Bytes)>,
    pub(crate) effect: Effect,
    /// What it does, for people: `reading kv/data/team/a`.
    pub(crate) doing: String,
    /// The capabilities it needs, to be named when they are missing.
    pub(crate) needs: &'static [&'static str],
    /// What of the body must not come back in a message.
    pub(crate) secrets: Secrets,
    /// The namespace to send it to.
    pub(crate) namespace: Namespace,
    /// Whether a standby may forward it.
    pub(crate) forwarded: bool,
    /// Bytes of the answer, at most.
    pub(crate) bytes_max: usize,
    /// Another time limit than the session's.
    pub(crate) timeout: Option<Duration>,
}

impl Request {
    /// Makes a request that changes nothing.
    pub(crate) fn get(route: Route, doing: &str, needs: &'static [&'static str]) -> Self {
        let doing = format!("{doing} {route}");
        Self {
            method: Method::GET,
            route,
            query: String::new(),
            body: None,
            effect: Effect::Repeatable,
            doing,
            needs,
            secrets: Secrets::None,
            namespace: Namespace::OfSecrets,
            forwarded: true,
            bytes_max: ANSWER_BYTES_MAX,
            timeout: None,
        }
    }

    /// Makes a request with a JSON body.
    pub(crate) fn post(
        route: Route,
        doing: &str,
        needs: &'static [&'static str],
        effect: Effect,
        json: Zeroizing<Vec<u8>>,
    ) -> Self {
        Self {
            method: Method::POST,
            body: Some(("application/json", Bytes::from_owner(json))),
            effect,
            ..Self::get(route, doing, needs)
        }
    }

    /// Sets the query, which must be encoded.
    pub(crate) fn query(mut self, query: String) -> Self {
        self.query = query;
        self
    }
}

/// One answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long the server asked to wait.
    pub(crate) retry_after: Option<Duration>,
    /// When it was made, by the clock of what answered: a `deletion_time` up to here has passed.
    /// Less than a second early, and as wrong as that clock is against the one that sets
    /// deletion times: another node's, where a standby or a proxy answered.
    pub(crate) server_time: UnixNanos,
    /// The other host (`https://host:port`) that a redirect names.
    pub(crate) elsewhere: Option<String>,
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// What its request sent, to be struck out of every text that is kept of it.
    pub(crate) sent: Sent,
}

impl Answer {
    /// Parses the body.
    ///
    /// # Errors
    /// [`FaultClass::Protocol`]. Says where, never what: the body may hold values.
    pub(crate) fn parse<'a, T: Deserialize<'a>>(&'a self, doing: &str) -> Result<T, RemoteFault> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (what, hint) = if self.body.trim_ascii_start().first() == Some(&b'<') {
                let what = "is HTML, not JSON: something other than Vault answered".to_owned();
                (what, "check host and port of the address, and what stands in between (a proxy, a login page)")
            } else if error.is_eof() {
                let what = format!("lacks its end (after {} bytes)", self.body.len());
                (what, "something in between cut it, or the server was stopped: if it stays so, look there")
            } else {
                let what =
                    format!("is not the JSON that was expected (line {}, column {})", error.line(), error.column());
                (what, "something in between may have changed it, or the server is of a kind not known here")
            };
            let message = format!("{doing}: the answer (HTTP {}) {what}", self.status.as_u16());
            fault::hinted(FaultClass::Protocol, message, hint)
        })
    }
}

/// The way to one server.
#[derive(Debug)]
pub(crate) struct Transport {
    client: Client,
    /// `https://host:port`, and the path prefix, if there is one.
    base: String,
    namespaces: Namespaces,
    pub(crate) helping: Helping,
    requests: AtomicU64,
}

impl Transport {
    /// Makes the way to a server.
    pub(crate) fn new(client: Client, base: String, namespaces: Namespaces, refused: Arc<RefusedHeaders>) -> Self {
        let helping = Helping::new(&base, refused);
        Self { client, base, namespaces, helping, requests: AtomicU64::new(0) }
    }

    /// Counts the requests made so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Returns the namespaces that requests are sent to.
    pub(crate) const fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Makes one attempt. A request that was refused for a header that only helps is the same
    /// attempt without that header: it had no effect.
    ///
    /// # Errors
    /// [`TransportError`] when no whole answer came. Any status is an answer.
    pub(crate) async fn send(&self, request: &Request, token: Option<&SecretText>) -> Result<Answer, TransportError> {
        loop {
            let helping = self.helping.headers();
            let answer = self.exchange(request, token, helping.clone()).await?;
            // Each turn leaves one header out, so there are three at most.
            if answer.status != StatusCode::BAD_REQUEST || !self.helping.refuses(&answer.body, &helping) {
                return Ok(answer);
            }
        }
    }

    async fn exchange(
        &self,
        request: &Request,
        token: Option<&SecretText>,
        helping: HeaderMap,
    ) -> Result<Answer, TransportError> {
        let mut url = format!("{}/v1/{}", self.base, request.route.encoded());
        if !request.query.is_empty() {
            url.push('?');
            url.push_str(&request.query);
        }
        let headers = self.headers(request, token, helping)?;
        let mut call = self.client.request(request.method.clone(), url).headers(headers);
        if let Some((content_type, body)) = &request.body {
            call = call.header(CONTENT_TYPE, *content_type).body(body.clone());
        }
        if let Some(timeout) = request.timeout {
            call = call.timeout(timeout);
        }
        self.requests.fetch_add(1, Relaxed);
        let response = call.send().await.map_err(|error| TransportError::sending(&error))?;
        self.helping.see(response.headers());
        let status = response.status();
        tracing::trace!(doing = request.doing, status = status.as_u16(), "vault answered");
        let sent = Sent::new(request.body.as_ref().map(|(_, body)| body), request.secrets, token);
        let retry_after = seconds(response.headers());
        let server_time = server_time(response.headers());
        let elsewhere = self.elsewhere(response.headers()).map(|host| sent.foreign(&host));
        let body = bounded(response, request.bytes_max).await?;
        Ok(Answer { status, retry_after, server_time, elsewhere, body, sent })
    }

    /// Says which other host a redirect names. It is told to people and never asked.
    fn elsewhere(&self, headers: &HeaderMap) -> Option<String> {
        let here = Url::parse(&self.base).ok()?;
        let there = here.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
        (there.origin() != here.origin()).then(|| there.origin().ascii_serialization())
    }

    fn headers(
        &self,
        request: &Request,
        token: Option<&SecretText>,
        helping: HeaderMap,
    ) -> Result<HeaderMap, TransportError> {
        let mut headers = helping;
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = self.namespaces.header(request.namespace) {
            headers.insert(NAMESPACE, namespace);
        }
        if !request.forwarded {
            headers.insert(NO_FORWARDING, HeaderValue::from_static("true"));
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose()).map_err(|_| TransportError::TokenShape)?;
            value.set_sensitive(true);
            headers.insert(TOKEN, value);
        }
        Ok(headers)
    }
}

async fn bounded(mut response: Response, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, TransportError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > bytes_max as u64 {
        return Err(TransportError::TooLarge { bytes_max });
    }
    // Reserved at once where the server says how much comes: growing would leave copies behind.
    let mut body = Zeroizing::new(Vec::with_capacity(usize::try_from(announced).unwrap_or(0)));
    while let Some(chunk) = response.chunk().await.map_err(|error| TransportError::receiving(&error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(TransportError::TooLarge { bytes_max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn seconds(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    // A server that asks for more than ten minutes gets a next run, not a longer wait.
    Some(Duration::from_secs(seconds.min(600)))
}

/// Tells the time as the answer does, cut to whole seconds; this machine's clock stands in for an
/// answer that does not.
fn server_time(headers: &HeaderMap) -> UnixNanos {
    let told = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(wire::http_date);
    told.unwrap_or_else(|| UnixNanos(wire::nanos(jiff::Timestamp::now())))
}
