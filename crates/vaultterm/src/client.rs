//! The client of the HTTP API: one request per call, no retries, typed answers.
//!
//! A reply keeps its JSON beside the typed value, because `--format json` prints exactly what the API
//! returned. `lookup.rs` turns names into ids, and `events.rs` reads event streams.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, redirect, tls::Certificate};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use vaultterm_contract::ListView;
use zeroize::Zeroizing;

use crate::{address::Address, events::EventStream, failure::Failure, settings::Settings};

/// The path at which the API begins.
const BASE: &str = "/api/v1";
/// The time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of an ordinary request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The time limit of a request for which the server reads a whole scope in Vault.
const VAULT_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The number of items per page, which is the maximum of the API.
const PAGE: usize = 500;
/// The maximum number of pages of a list, so that a faulty server cannot keep the client busy forever.
const PAGES_MAX: usize = 10_000;

/// A connection to a server.
pub(crate) struct Client {
    http: reqwest::Client,
    address: Address,
    token: Option<Zeroizing<String>>,
    /// Whether the requests need a login. Those of the login itself do not.
    needs_login: bool,
}

/// A reply: the JSON as it came, and the value read from it.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    /// The JSON as the server sent it.
    pub(crate) json: Value,
    /// The value that was read from the JSON.
    pub(crate) data: T,
}

impl<T> Reply<Vec<T>> {
    /// Splits the reply with a list into a reply per item.
    pub(crate) fn into_items(mut self) -> impl Iterator<Item = Reply<T>> {
        let items = self.json.get_mut("items").map(Value::take);
        let json = if let Some(Value::Array(items)) = items { items } else { Vec::new() };
        json.into_iter().zip(self.data).map(|(json, data)| Reply { json, data })
    }
}

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The server answers from its own data.
    Usual,
    /// The server first asks a Vault.
    Vault,
}

impl Client {
    /// Returns a client for the configured server. Opens no connection.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let address = settings.address()?;
        let token = settings.token(&address)?;
        let http = http_client(&address, settings.ca_pem()?)?;
        Ok(Self { http, address, token, needs_login: true })
    }

    /// Returns a client without a token, for logging in.
    pub(crate) fn without_token(settings: &Settings) -> Result<Self, Failure> {
        let address = settings.address()?;
        let http = http_client(&address, settings.ca_pem()?)?;
        Ok(Self { http, address, token: None, needs_login: false })
    }

    /// Returns the address of the server.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a `GET`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, Failure> {
        self.read(self.request(Method::GET, path)).await
    }

    /// Sends a `GET` with a query.
    pub(crate) async fn query<T: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<Reply<T>, Failure> {
        self.read(self.request_with(Method::GET, path, query)).await
    }

    /// Sends a `POST`.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        patience: Patience,
    ) -> Result<Reply<T>, Failure> {
        let request = self.request(Method::POST, path).json(body);
        self.read(match patience {
            Patience::Usual => request,
            Patience::Vault => request.timeout(VAULT_TIMEOUT),
        })
        .await
    }

    /// Sends a `POST` whose answer is a file.
    pub(crate) async fn post_for_file(&self, path: &str, body: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let response = self.send(self.request(Method::POST, path).json(body).timeout(VAULT_TIMEOUT)).await?;
        self.body(response).await.map(Zeroizing::new)
    }

    /// Sends a `POST` whose answer has no body.
    pub(crate) async fn post_only(&self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        self.send(self.request(Method::POST, path).json(body)).await.map(drop)
    }

    /// Sends a `PATCH` for an object that was read at this revision.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        revision: u64,
        body: &impl Serialize,
    ) -> Result<Reply<T>, Failure> {
        self.read(self.request(Method::PATCH, path).header("if-match", etag(revision)).json(body)).await
    }

    /// Sends a `PUT` and returns the JSON of its answer, if it has a body.
    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        let response = self.send(self.request(Method::PUT, path).json(body)).await?;
        let bytes = self.body(response).await?;
        Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Sends a `PUT` and reads its answer.
    pub(crate) async fn put_for<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Reply<T>, Failure> {
        self.read(self.request(Method::PUT, path).json(body)).await
    }

    /// Sends a `DELETE` for an object that was read at this revision.
    pub(crate) async fn delete(&self, path: &str, revision: Option<u64>) -> Result<(), Failure> {
        let request = self.request(Method::DELETE, path);
        let request = match revision {
            Some(revision) => request.header("if-match", etag(revision)),
            None => request,
        };
        self.send(request).await.map(drop)
    }

    /// Sends a `DELETE` and reads its answer.
    pub(crate) async fn delete_for<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, Failure> {
        self.read(self.request(Method::DELETE, path)).await
    }

    /// Sends a `DELETE` for the object that the query names.
    pub(crate) async fn delete_one(&self, path: &str, query: &Query) -> Result<(), Failure> {
        self.send(self.request_with(Method::DELETE, path, query)).await.map(drop)
    }

    /// Reads a list to its end, or up to `limit` items. The JSON of the reply is a single page with all
    /// items.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query,
        limit: Option<usize>,
    ) -> Result<Reply<Vec<T>>, Failure> {
        let mut items: Vec<Value> = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let wanted = limit.map_or(PAGE, |limit| PAGE.min(limit - items.len()));
            let query = query.clone().with("limit", wanted).with_some("cursor", cursor.as_ref());
            let mut page: Reply<ListView<Value>> = self.query(path, &query).await?;
            items.append(&mut page.data.items);
            let full = limit.is_some_and(|limit| items.len() >= limit);
            if full || page.data.next_cursor.is_none() || page.data.next_cursor == cursor {
                let json = json!({ "items": items, "next_cursor": page.data.next_cursor });
                let data = items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
                return data.map(|data| Reply { json, data }).map_err(|error| foreign_answer(&error));
            }
            cursor = page.data.next_cursor;
        }
        Err(Failure::server("the list does not end").hint("narrow it down, or ask for fewer with --limit"))
    }

    /// Opens an event stream. With `last_event_id`, the stream begins after that event.
    pub(crate) async fn events(&self, path: &str, last_event_id: Option<&str>) -> Result<EventStream, Failure> {
        let request = self.request(Method::GET, path).header("accept", "text/event-stream").timeout(VAULT_TIMEOUT);
        let request = match last_event_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        Ok(EventStream::new(self.send(request).await?))
    }

    /// Starts a download. The caller reads the body piece by piece.
    pub(crate) async fn download(&self, path: &str, query: &Query) -> Result<Response, Failure> {
        self.send(self.request_with(Method::GET, path, query).timeout(VAULT_TIMEOUT)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_with(method, path, &Query::default())
    }

    fn request_with(&self, method: Method, path: &str, query: &Query) -> RequestBuilder {
        let mut url = self.address.join(&format!("{BASE}{path}"));
        if !query.0.is_empty() {
            url.query_pairs_mut().extend_pairs(&query.0);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token.as_str()),
            None => request,
        }
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Reply<T>, Failure> {
        let response = self.send(request).await?;
        let bytes = Zeroizing::new(self.body(response).await?);
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| foreign_answer(&error))?;
        let data = serde_json::from_slice(&bytes).map_err(|error| foreign_answer(&error))?;
        Ok(Reply { json, data })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await?;
        let failure = Failure::from_answer(status.as_u16(), &body);
        if failure.status == Some(401) && self.needs_login && self.token.is_none() {
            return Err(Failure {
                message: format!("nobody is logged in at {}", self.address),
                causes: Vec::new(),
                hints: vec!["log in with `vaultterm login`, or set VAULTTERM_TOKEN".to_owned()],
                ..failure
            });
        }
        Err(failure)
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, Failure> {
        response.bytes().await.map(Into::into).map_err(|error| self.unreachable(error))
    }

    /// Returns the error for a server that does not answer.
    pub(crate) fn unreachable(&self, error: reqwest::Error) -> Failure {
        // The URLs contain no secret, but they add nothing to the message.
        let error = error.without_url();
        if error.is_timeout() && !error.is_connect() {
            return Failure::server(format!("the server at {} did not answer in time", self.address)).because(&error);
        }
        let failure = Failure::server(format!("cannot reach the server at {}", self.address)).because(&error);
        let certificate = failure.causes.iter().any(|cause| cause.to_lowercase().contains("certificate"));
        if certificate {
            failure.hint("if a private CA signed it, name that CA with VAULTTERM_CACERT (or --cacert)")
        } else if self.address.is_loopback() {
            failure.hint("start it with `vaultterm serve`, or set VAULTTERM_ADDR to where it runs")
        } else {
            failure.hint("check VAULTTERM_ADDR, and that the server runs (`vaultterm serve`)")
        }
    }
}

/// Builds the HTTP client. It follows no redirects, because the token would go with them.
fn http_client(address: &Address, ca_pem: Option<Zeroizing<Vec<u8>>>) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("vaultterm/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT);
    if address.is_loopback() {
        // For a server on this machine a proxy has no use and could read the traffic.
        builder = builder.no_proxy();
    }
    builder = match ca_pem {
        Some(pem) => builder.tls_certs_only(certificates(&pem)?),
        // Plain http needs no certificate, so a machine without a CA bundle must work too.
        None if !address.is_https() => builder.tls_certs_only([]),
        None => builder,
    };
    builder.build().map_err(|error| {
        Failure::local("cannot set up TLS")
            .because(&error)
            .hint("without a system CA bundle, name the CA with VAULTTERM_CACERT (or --cacert)")
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, Failure> {
    let unusable = || Failure::local("the file of VAULTTERM_CACERT (or --cacert) holds no PEM certificate");
    let certificates = Certificate::from_pem_bundle(pem).map_err(|error| unusable().because(&error))?;
    if certificates.is_empty() { Err(unusable()) } else { Ok(certificates) }
}

fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// Returns the error for an answer that this version of the command line does not understand. It does not
/// show the answer.
fn foreign_answer(error: &serde_json::Error) -> Failure {
    Failure::server("the server's answer is not understood")
        .because_of(format!("unexpected JSON at line {}, column {}", error.line(), error.column()))
        .hint("check that VAULTTERM_ADDR is a VaultTerm server of this version (`vaultterm version`)")
}

/// The query of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    /// Adds a parameter if it has a value.
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}
