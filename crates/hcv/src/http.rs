//! Sends a request in a single attempt and returns its answer. Sets the headers, applies the limits and
//! counts the requests.
//!
//! This module does not know when tokens end (`session.rs`), and does not judge any status (`fault.rs`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
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
    budget::Budget,
    helping::{Helping, RefusedHeaders},
    redaction::{Secrets, Sent},
    remote_fault,
    route::Route,
    traffic::{Exchange, RequestKind, Watch, method_name},
    transport::TransportError,
    wire,
};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
const NO_FORWARDING: HeaderName = HeaderName::from_static("x-vault-no-request-forwarding");

/// The maximum number of bytes of an answer that is not a listing. A version of a secret fits into one
/// storage entry (1 MiB by default), and JSON escapes can make six bytes of one.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The effect of a request whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repetition {
    /// The request changes nothing, or has the same result when it is repeated.
    Repeatable,
    /// The request may have changed something, and must not be repeated blindly.
    Once,
}

/// The namespace of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// The root namespace. Some `sys/` paths exist only there.
    Root,
    /// The namespace of the secrets.
    OfSecrets,
    /// The namespace of the login, which can be another one.
    OfLogin,
    /// A namespace that exists on no server. A server refuses it only if it knows namespaces.
    Nowhere,
}

/// The namespaces of a connection, as headers. `None` is the root namespace.
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

    /// Returns whether the login and the secrets are in different namespaces.
    pub(crate) fn differ(&self) -> bool {
        self.of_secrets != self.of_login
    }

    /// Returns whether the connection names a namespace other than the root.
    pub(crate) fn any(&self) -> bool {
        self.of_secrets.is_some() || self.of_login.is_some()
    }
}

/// A name that no administrator gives to a namespace.
const NOWHERE: &str = "vaultterm-asks-for-a-namespace-that-cannot-exist-4f1c9a7e";

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) route: Route,
    /// The encoded query. Empty if there is none.
    pub(crate) query: String,
    /// The content type and the body. A body with secrets is wiped when its last copy is dropped.
    pub(crate) body: Option<(&'static str, Bytes)>,
    pub(crate) repetition: Repetition,
    /// A description for people, for example `reading kv/data/team/a`.
    pub(crate) doing: String,
    /// The capabilities that the request needs. Errors name them when they are missing.
    pub(crate) needs: &'static [&'static str],
    /// The part of the body that must not appear in a message.
    pub(crate) secrets: Secrets,
    /// The namespace of the request.
    pub(crate) namespace: Namespace,
    /// Whether a standby may forward the request.
    pub(crate) forwarded: bool,
    /// The maximum number of bytes of the answer.
    pub(crate) bytes_max: usize,
    /// A time limit that replaces that of the session.
    pub(crate) timeout: Option<Duration>,
}

impl Request {
    /// Returns a request that changes nothing.
    pub(crate) fn get(route: Route, doing: &str, needs: &'static [&'static str]) -> Self {
        let doing = format!("{doing} {route}");
        Self {
            method: Method::GET,
            route,
            query: String::new(),
            body: None,
            repetition: Repetition::Repeatable,
            doing,
            needs,
            secrets: Secrets::None,
            namespace: Namespace::OfSecrets,
            forwarded: true,
            bytes_max: ANSWER_BYTES_MAX,
            timeout: None,
        }
    }

    /// Returns a request with a JSON body.
    pub(crate) fn post(
        route: Route,
        doing: &str,
        needs: &'static [&'static str],
        repetition: Repetition,
        json: Zeroizing<Vec<u8>>,
    ) -> Self {
        Self {
            method: Method::POST,
            body: Some(("application/json", Bytes::from_owner(json))),
            repetition,
            ..Self::get(route, doing, needs)
        }
    }

    /// Sets the query, which must be encoded already.
    pub(crate) fn query(mut self, query: String) -> Self {
        self.query = query;
        self
    }
}

/// An answer of any status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The time that the server asked the client to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The time at which the answer was made, by the clock of the server or proxy that made it. It is cut to
    /// whole seconds. A `deletion_time` up to this time has passed, if the answer comes from the node whose
    /// clock sets deletion times. A standby or a proxy has another clock.
    pub(crate) server_time: UnixNanos,
    /// The other host (`https://host:port`) that a redirect names.
    pub(crate) elsewhere: Option<String>,
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// What the request sent. It is struck out of every text of the answer that is kept.
    pub(crate) sent: Sent,
}

impl Answer {
    /// Parses the body.
    ///
    /// # Errors
    /// [`FaultClass::Protocol`]. The message names the position and never the content, because the body may
    /// hold values.
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
            remote_fault::hinted(FaultClass::Protocol, message, hint)
        })
    }
}

/// The transport to one server.
#[derive(Debug)]
pub(crate) struct Transport {
    client: Client,
    /// `https://host:port`, with the path prefix if there is one.
    base: String,
    namespaces: Namespaces,
    pub(crate) helping: Helping,
    watch: Watch,
    /// What paces the requests: that of the connection, and that of the installation.
    budgets: Vec<Arc<Budget>>,
    requests: AtomicU64,
}

impl Transport {
    /// Returns a transport to the server at `base`.
    pub(crate) fn new(client: Client, base: String, namespaces: Namespaces, refused: Arc<RefusedHeaders>) -> Self {
        let helping = Helping::new(&base, refused);
        Self {
            client,
            base,
            namespaces,
            helping,
            watch: Watch::default(),
            budgets: Vec::new(),
            requests: AtomicU64::new(0),
        }
    }

    /// Tells a listener about each request.
    pub(crate) fn watched_by(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// Paces the requests by all of these budgets.
    pub(crate) fn paced_by(self, budgets: Vec<Arc<Budget>>) -> Self {
        Self { budgets, ..self }
    }

    /// Returns the number of requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Returns the namespaces of the requests.
    pub(crate) const fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Sends a request in one attempt. If the server refuses it because of a helping header, it had no
    /// effect, and the same attempt goes on without that header.
    ///
    /// # Errors
    /// [`TransportError`] when no complete answer came. An answer of any status is not an error.
    pub(crate) async fn send(&self, request: &Request, token: Option<&SecretText>) -> Result<Answer, TransportError> {
        loop {
            for budget in &self.budgets {
                budget.turn().await;
            }
            let helping = self.helping.headers();
            let began = Instant::now();
            let answer = self.exchange(request, token, helping.clone()).await;
            self.watch.tell(Exchange {
                kind: RequestKind::of(request.route.area(), &request.method, &request.query),
                method: method_name(&request.method),
                attempt: vaultterm_sync::attempt(),
                status: answer.as_ref().ok().map(|answer| answer.status.as_u16()),
                took: began.elapsed(),
                failure: answer.as_ref().err().map(TransportError::class),
            });
            let answer = answer?;
            for budget in &self.budgets {
                budget.answered(began.elapsed());
            }
            // Each turn leaves out one header, so there are at most three turns.
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

    /// Returns the other host that a redirect names. It is shown to people, and no request goes to it.
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
    // The whole length is reserved at once if the server announces it, because growing would leave copies
    // behind.
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
    // A wait of more than ten minutes is cut, because the next run is then the better time to try again.
    Some(Duration::from_secs(seconds.min(600)))
}

/// Returns the time of the answer, cut to whole seconds. If the answer has no `Date`, the clock of this
/// machine is used.
fn server_time(headers: &HeaderMap) -> UnixNanos {
    let told = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(wire::http_date);
    told.unwrap_or_else(vaultterm_sync::system_time)
}
