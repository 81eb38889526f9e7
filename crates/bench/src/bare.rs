//! The bare client that the engine is compared with. It sends plain requests, as many at once as the engine,
//! and does nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use vaultterm_testkit::openbao::OpenBao;

use crate::house::{AT_ONCE, MOUNT, Town, path};

/// A client with a token of the same role as the engine's token.
pub(crate) struct Bare {
    http: Client,
    base: String,
    token: String,
    /// Whether the server lists a whole scope in one request. HashiCorp Vault does not, so the client asks
    /// for every folder and every key.
    scans: bool,
}

impl Bare {
    pub(crate) async fn login(server: &OpenBao, town: &Town) -> Result<Self> {
        let http = Client::builder().no_proxy().tls_certs_only([]).build()?;
        let base = format!("{}/v1", server.address());
        let body = json!({"role_id": town.role_id, "secret_id": town.secret_id});
        let answer: Value = http.post(format!("{base}/auth/approle/login")).json(&body).send().await?.json().await?;
        let token = answer["auth"]["client_token"].as_str().context("the login answers a token")?.to_owned();
        Ok(Self { http, base, token, scans: server.flavor() == "openbao" })
    }

    /// Writes every secret with check-and-set and marks it, with two requests per secret.
    pub(crate) async fn push(&self, scope: &str, secrets: usize) -> Result<Duration> {
        let began = Instant::now();
        let work = stream::iter(0..secrets).map(|n| async move {
            let place = format!("{scope}/{}", path(n));
            let body = json!({"options": {"cas": 0}, "data": value(n)});
            self.ask(Method::POST, &format!("data/{place}"), "", Some((body, "application/json"))).await?;
            let marks = json!({"custom_metadata": {
                "bench-by": "bare", "bench-instance": "0193a000-0000-7000-8000-000000000000",
                "bench-record": "0193a000-0000-7000-8000-000000000000", "bench-type": "PASSWORD",
            }});
            let merge = Some((marks, "application/merge-patch+json"));
            self.ask(Method::PATCH, &format!("metadata/{place}"), "", merge).await
        });
        work.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        Ok(began.elapsed())
    }

    /// Lists, then reads every secret.
    pub(crate) async fn pull(&self, scope: &str, secrets: usize) -> Result<Duration> {
        let began = Instant::now();
        self.list(scope, secrets).await?;
        let work = stream::iter(0..secrets).map(|n| async move {
            self.ask(Method::GET, &format!("data/{scope}/{}", path(n)), "?version=1", None).await
        });
        work.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        Ok(began.elapsed())
    }

    /// Lists the whole scope with the metadata of every secret, in the fastest way the server has.
    pub(crate) async fn list(&self, scope: &str, secrets: usize) -> Result<Duration> {
        let began = Instant::now();
        let keys = if self.scans { self.scan(scope).await? } else { self.look_at_each(scope).await? };
        let took = began.elapsed();
        ensure!(keys == secrets, "{keys} of {secrets} secrets are listed");
        Ok(took)
    }

    async fn scan(&self, scope: &str) -> Result<usize> {
        let answer = self.ask(Method::GET, &format!("detailed-metadata/{scope}"), "?scan=true", None).await?;
        Ok(answer["data"]["keys"].as_array().map_or(0, Vec::len))
    }

    /// Lists the folders of the scope, which hold no folders themselves, and asks for each key.
    async fn look_at_each(&self, scope: &str) -> Result<usize> {
        let names = async |folder: String| {
            let answer = self.ask(Method::GET, &format!("metadata/{folder}"), "?list=true", None).await?;
            let keys = answer["data"]["keys"].as_array().cloned().unwrap_or_default();
            let name = move |key: &Value| format!("{folder}{}", key.as_str().unwrap_or_default());
            anyhow::Ok(keys.iter().map(name).collect::<Vec<_>>())
        };
        let folders = names(format!("{scope}/")).await?;
        let lists = stream::iter(folders).map(names).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
        let keys: Vec<String> = lists.into_iter().flatten().collect();
        let count = keys.len();
        let looks = stream::iter(keys)
            .map(|key| async move { self.ask(Method::GET, &format!("metadata/{key}"), "", None).await });
        looks.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        Ok(count)
    }

    /// Checks that the engine wrote all secrets, and checks the content of about twenty of them.
    pub(crate) async fn check(&self, scope: &str, secrets: usize) -> Result<()> {
        self.list(scope, secrets).await?;
        for n in (0..secrets).step_by((secrets / 20).max(1)) {
            let answer = self.ask(Method::GET, &format!("data/{scope}/{}", path(n)), "", None).await?;
            ensure!(answer["data"]["data"] == value(n), "{scope}/{} holds something else", path(n));
        }
        Ok(())
    }

    async fn ask(&self, method: Method, place: &str, query: &str, body: Option<(Value, &str)>) -> Result<Value> {
        let url = format!("{}/{MOUNT}/{place}{query}", self.base);
        let mut request = self.http.request(method, url).header("X-Vault-Token", &self.token);
        if let Some((body, kind)) = body {
            request = request.header("content-type", kind).body(body.to_string());
        }
        let answer = request.send().await?.error_for_status()?;
        let bytes = answer.bytes().await?;
        Ok(if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? })
    }
}

/// Returns the data of the secret with number `n`.
fn value(n: usize) -> Value {
    json!({"username": format!("user-{n}"), "password": format!("correct horse battery staple {n}")})
}
