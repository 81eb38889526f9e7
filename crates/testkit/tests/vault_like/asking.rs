//! A server that answers as Vault does, and requests to it.

use std::io::{Read as _, Write as _};

use reqwest::{Client, Method, header::HeaderMap};
use serde_json::{Value, json};
use vaultterm_testkit::openbao::{OpenBao, Product, Setup};

pub(crate) const MOUNT: &str = "kv";

/// The server, with a KV v2 mount.
pub(crate) struct Vault {
    pub(crate) server: OpenBao,
    http: Client,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// Asserts that the answer is a refusal with exactly these messages.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, errors: &[&str]) {
        assert_eq!((self.status, &self.body), (status, &json!({ "errors": errors })));
    }

    /// Asserts the status of the answer and returns its `data`.
    #[track_caller]
    pub(crate) fn data(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["data"].clone()
    }
}

impl Vault {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let server = OpenBao::start_with(Setup { product: Some(Product::vault()), ..setup }).await;
        server.root().mount_kv(MOUNT, 2).await;
        let redirects = reqwest::redirect::Policy::none();
        let http = Client::builder().no_proxy().tls_certs_only([]).redirect(redirects).build().unwrap();
        Self { server, http }
    }

    /// Sends a request as the administrator.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask_with(method, path, &[("X-Vault-Token", self.server.root_token())], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Value::Null).await
    }

    /// Writes a version and returns its number.
    pub(crate) async fn put(&self, path: &str, data: Value) -> u64 {
        self.ask("POST", &format!("{MOUNT}/data/{path}"), json!({ "data": data })).await.data(200)["version"]
            .as_u64()
            .unwrap()
    }

    /// Sends a request with these headers and no others.
    pub(crate) async fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(&self.server.address(), method, path, headers, body).await
    }

    /// Sends a request as the administrator, with a body that need not be JSON.
    pub(crate) async fn post_raw(&self, path: &str, body: String) -> Answer {
        self.send(&self.server.address(), "POST", path, &[("X-Vault-Token", self.server.root_token())], body).await
    }

    /// Sends a request to another address.
    pub(crate) async fn send(
        &self,
        address: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let patch = method == Method::PATCH;
        let mut request = self.http.request(method, format!("{address}/v1/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if patch {
            request = request.header("Content-Type", "application/merge-patch+json");
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let answer = request.send().await.expect("the server answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("the answer comes whole");
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// Sends a request for a path that a client library would normalize. Returns the status and the body.
    pub(crate) async fn ask_untidied(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let (port, token) = (self.server.port(), self.server.root_token().to_owned());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Vault-Token: {token}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let asked = tokio::task::spawn_blocking(move || {
            let mut server = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            server.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            server.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = asked.await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// Logs in and returns the whole answer.
    pub(crate) async fn login(&self, role_id: &str, secret_id: &str) -> Answer {
        self.ask_with("POST", "auth/approle/login", &[], json!({"role_id": role_id, "secret_id": secret_id})).await
    }
}
