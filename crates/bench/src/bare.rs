//! The bare client that the engine is compared with. It sends plain requests, as many at once as the engine,
//! and does nothing else: it keeps nothing, encrypts nothing and compares nothing.

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use vaultterm_testkit::openbao::{OpenBao, Setup};

use crate::{
    content::{path, some, value},
    house::{self, AT_ONCE, Lists, MOUNT, SOURCE, Town},
};

/// The secrets for which the engine asks in one request, where the server can answer it. More are listed folder by folder.
const SCANNED_MAX: usize = 15_000;

/// Starts a server with this many secrets in [`SOURCE`], and a client of it.
pub(crate) async fn filled(secrets: usize) -> Result<(OpenBao, Town, Bare)> {
    let vault = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
    let town = house::prepare(&vault).await;
    let bare = Bare::login(&vault, &town).await?;
    bare.push(SOURCE, &Vec::from_iter(0..secrets)).await?;
    Ok((vault, town, bare))
}

/// A client with a token of the same role as the engine's token.
pub(crate) struct Bare {
    http: Client,
    base: String,
    token: String,
    /// Whether the server shows the metadata of many secrets in one answer. HashiCorp Vault does not, so the client asks for
    /// every folder and every key.
    detailed: bool,
}

impl Bare {
    pub(crate) async fn login(server: &OpenBao, town: &Town) -> Result<Self> {
        let http = Client::builder().no_proxy().tls_certs_only([]).build()?;
        let base = format!("{}/v1", server.address());
        let body = json!({"role_id": town.role_id, "secret_id": town.secret_id});
        let answer: Value = http.post(format!("{base}/auth/approle/login")).json(&body).send().await?.json().await?;
        let token = answer["auth"]["client_token"].as_str().context("the login answers a token")?.to_owned();
        Ok(Self { http, base, token, detailed: server.flavor() == "openbao" })
    }

    /// Returns the token, for a program that uses the same.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Creates secrets with check-and-set and marks them, with two requests per secret.
    pub(crate) async fn push(&self, scope: &str, numbers: &[usize]) -> Result<()> {
        let work = stream::iter(numbers).map(|n| async move {
            self.write(scope, *n, 0, 0).await?;
            self.mark_one(scope, *n).await
        });
        work.buffer_unordered(AT_ONCE).try_for_each(|()| async { Ok(()) }).await
    }

    /// Marks secrets as managed.
    pub(crate) async fn mark(&self, scope: &str, numbers: &[usize]) -> Result<()> {
        let work = stream::iter(numbers).map(|n| self.mark_one(scope, *n));
        work.buffer_unordered(AT_ONCE).try_for_each(|()| async { Ok(()) }).await
    }

    async fn mark_one(&self, scope: &str, n: usize) -> Result<()> {
        let marks = json!({"custom_metadata": {
            "bench-by": "bare", "bench-instance": "0193a000-0000-7000-8000-000000000000",
            "bench-record": "0193a000-0000-7000-8000-000000000000", "bench-type": "PASSWORD",
        }});
        let merge = Some((marks, "application/merge-patch+json"));
        self.ask(Method::PATCH, &format!("metadata/{scope}/{}", path(n)), "", merge).await.map(drop)
    }

    /// Looks at secrets and writes the next version of each with check-and-set, with two requests per secret.
    pub(crate) async fn update(&self, scope: &str, numbers: &[usize], generation: u32) -> Result<()> {
        let work = stream::iter(numbers).map(|n| async move {
            let seen = self.ask(Method::GET, &format!("metadata/{scope}/{}", path(*n)), "", None).await?;
            let version = seen["data"]["current_version"].as_u64().context("the metadata name a version")?;
            self.write(scope, *n, generation, version).await
        });
        work.buffer_unordered(AT_ONCE).try_for_each(|()| async { Ok(()) }).await
    }

    async fn write(&self, scope: &str, n: usize, generation: u32, cas: u64) -> Result<()> {
        let body = json!({"options": {"cas": cas}, "data": value(n, generation)});
        let body = Some((body, "application/json"));
        self.ask(Method::POST, &format!("data/{scope}/{}", path(n)), "", body).await.map(drop)
    }

    /// Reads the values of secrets.
    pub(crate) async fn read(&self, scope: &str, numbers: &[usize]) -> Result<()> {
        let work = stream::iter(numbers).map(|n| async move { self.read_one(scope, *n).await });
        work.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await
    }

    /// Reads the value of a secret.
    pub(crate) async fn read_one(&self, scope: &str, n: usize) -> Result<Value> {
        self.ask(Method::GET, &format!("data/{scope}/{}", path(n)), "", None).await
    }

    /// Lists a scope with the metadata of every secret, in the way in which the engine lists it.
    pub(crate) async fn list(&self, scope: &str, secrets: usize, lists: Lists) -> Result<()> {
        let keys = match lists {
            Lists::Cheapest if self.detailed && secrets <= SCANNED_MAX => self.scan(scope).await?,
            Lists::Cheapest | Lists::ByFolder if self.detailed => self.folders(scope, "detailed-metadata").await?.len(),
            Lists::Cheapest | Lists::ByFolder | Lists::PerKey => self.look_at_each(scope).await?,
        };
        ensure!(keys == secrets, "{keys} of {secrets} secrets are listed");
        Ok(())
    }

    async fn scan(&self, scope: &str) -> Result<usize> {
        let answer = self.ask(Method::GET, &format!("detailed-metadata/{scope}"), "?scan=true", None).await?;
        Ok(answer["data"]["keys"].as_array().map_or(0, Vec::len))
    }

    /// Lists the folders of the scope, which hold no folders themselves, and asks for each key.
    async fn look_at_each(&self, scope: &str) -> Result<usize> {
        let keys = self.folders(scope, "metadata").await?;
        let count = keys.len();
        let looks = stream::iter(keys)
            .map(|key| async move { self.ask(Method::GET, &format!("metadata/{key}"), "", None).await });
        looks.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        Ok(count)
    }

    /// Lists the folders of the scope, and returns the keys in them.
    async fn folders(&self, scope: &str, api: &str) -> Result<Vec<String>> {
        let names = async |folder: String| {
            let answer = self.ask(Method::GET, &format!("{api}/{folder}"), "?list=true", None).await?;
            let keys = answer["data"]["keys"].as_array().cloned().unwrap_or_default();
            let name = move |key: &Value| format!("{folder}{}", key.as_str().unwrap_or_default());
            anyhow::Ok(keys.iter().map(name).collect::<Vec<_>>())
        };
        let folders = names(format!("{scope}/")).await?;
        let lists = stream::iter(folders).map(names).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// Checks the number of secrets in a scope, and what about twenty of these numbers hold.
    pub(crate) async fn check(&self, scope: &str, secrets: usize, numbers: &[usize], generation: u32) -> Result<()> {
        self.list(scope, secrets, Lists::Cheapest).await?;
        for n in some(numbers) {
            let answer = self.ask(Method::GET, &format!("data/{scope}/{}", path(n)), "", None).await?;
            ensure!(answer["data"]["data"] == value(n, generation), "{scope}/{} holds something else", path(n));
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
