//! A client of the HTTP API, and its answers.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::house::PATIENCE;

/// A client of the HTTP API.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) http: Client,
    pub(crate) address: String,
    pub(crate) token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Guest {
    pub(crate) fn new(address: &str, token: Option<String>) -> Self {
        // An error only says that a provider is installed already, so it does not matter.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        // A server that was frozen closes the connections that it finds idle when it goes on.
        let idle = Duration::from_secs(1);
        let http = Client::builder().no_proxy().tls_certs_only([]).pool_idle_timeout(idle).build();
        let http = http.expect("an HTTP client");
        Self { http, address: address.to_owned(), token }
    }

    /// Returns a client of the same server with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Self {
        let answer = self.post("/auth/login", json!({"email": email, "password": password})).await.expect(200);
        self.with_token(answer.body["token"].as_str().expect("a token"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(body.to_string())).await
    }

    /// Changes an object that has this revision.
    pub(crate) async fn patch(&self, path: &str, revision: &Value, body: Value) -> Answer {
        let if_match = format!("\"{revision}\"");
        self.send(Method::PATCH, path, &[("if-match", &if_match)], Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// Returns the items of a list from all its pages. Asks again while the server is busy, as it does while its database is
    /// away.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = path.to_owned();
        loop {
            let mut page = self.get(&next).await;
            let asked = Instant::now();
            while page.status == 503 && asked.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(200)).await;
                page = self.get(&next).await;
            }
            let mut page = page.expect(200).body;
            items.append(page["items"].as_array_mut().expect("items"));
            let Some(cursor) = page["next_cursor"].as_str() else { return items };
            let mut url = reqwest::Url::parse("http://x").expect("valid").join(path).expect("valid");
            url.query_pairs_mut().append_pair("cursor", cursor);
            next = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        }
    }

    /// Sends a request. A path that does not begin with `/` is used as it is. All other paths are below
    /// `/api/v1`.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let response = self.open(method, path, headers, body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the answer comes whole");
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// Sends a request and leaves the body to the caller.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Response {
        let url = match path.strip_prefix('/') {
            Some(path) => format!("{}/api/v1/{path}", self.address),
            None => format!("{}/{path}", self.address),
        };
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        request.send().await.expect("the server answers")
    }
}

impl Answer {
    /// Asserts the status of the answer.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Returns the id in the answer.
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().expect("an id").to_owned()
    }

    /// Asserts that the answer is a problem document of this kind. Returns all its text.
    pub(crate) fn problem(self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        assert_eq!(self.body["type"], format!("urn:vaultterm:problem:{kind}"), "{}", self.body);
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["instance"], self.headers["x-request-id"].to_str().expect("ASCII"));
        self.body.to_string()
    }
}
