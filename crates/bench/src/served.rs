//! What a user runs: `vaultterm serve`, in a process of its own. It is set up and used as the manual says: `vaultterm init`, the
//! evaluation license, and the HTTP API.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use vaultterm_testkit::openbao::OpenBao;

use crate::{
    house::{AT_ONCE, MOUNT, Town},
    process::Process,
};

/// Names the binary of `vaultterm`.
const BINARY: &str = "VAULTTERM_BENCH_BINARY";
const OWNER: &str = "bench@example.com";
/// How long a server may take to start. It is generous because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the server and waits for the end of standard input. The kernel closes that input however this process dies, so the
/// server cannot outlive it. The word `term` on it asks the server to stop.
const LEASH: &str = r#"
trap '' INT TERM HUP
"$1" serve --listen 127.0.0.1:0 </dev/null >"$2/address" 2>>"$2/log" &
server=$!
echo "$server" >"$2/id"
read -r word
[ "$word" = term ] && kill -TERM "$server" || kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
"#;

/// Returns the binary, if there is one to measure.
pub(crate) fn binary() -> Option<PathBuf> {
    env::var_os(BINARY).map(PathBuf::from)
}

/// A running server, its owner's token, and its process.
pub(crate) struct Served {
    binary: PathBuf,
    folder: TempDir,
    shell: Child,
    leash: Option<ChildStdin>,
    pub(crate) process: Process,
    pub(crate) api: Api,
}

/// The HTTP API, as the owner uses it.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    base: String,
    token: String,
}

impl Api {
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{method} {path}: HTTP {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn ended(self, run: String) -> Result<Value> {
        loop {
            let seen = self.get(&format!("/runs/{run}")).await?;
            if seen["state"] != "running" {
                ensure!(seen["state"] == "succeeded", "{seen:#}");
                return Ok(seen);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Served {
    /// Sets an installation up as the manual says, starts its server, and begins the evaluation.
    pub(crate) async fn start(binary: &Path) -> Result<Self> {
        const PASSWORD: &str = "correct horse battery staple";
        let folder = tempfile::tempdir()?;
        let password = folder.path().join("password");
        fs::write(&password, format!("{PASSWORD}\n"))?;
        let made = command(binary, folder.path())
            .args(["init", "--owner-email", OWNER, "--owner-password-file"])
            .arg(&password)
            .output()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        ensure!(made.status.success(), "`vaultterm init` failed: {}", String::from_utf8_lossy(&made.stderr));

        let mut shell = command(Path::new("sh"), folder.path())
            .args(["-c", LEASH, "leash"])
            .args([binary, folder.path()])
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start a shell")?;
        let leash = shell.stdin.take();
        let began = Instant::now();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        while !read("address").ends_with('\n') {
            ensure!(began.elapsed() < PATIENCE, "the server did not start: {}", read("log"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let base = format!("{}/api/v1", read("address").trim());
        let process = Process::with_id(read("id").trim());
        // An error only says that a provider is installed already, so it does not matter.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = Client::builder().no_proxy().tls_certs_only([]).build()?;
        let mut api = Api { http, base, token: String::new() };
        let login = api.post("/auth/login", json!({"email": OWNER, "password": PASSWORD})).await?;
        login["token"].as_str().context("the login answers a token")?.clone_into(&mut api.token);
        api.post("/license/evaluation", json!({})).await?;
        Ok(Self { binary: binary.to_owned(), folder, shell, leash, process, api })
    }

    pub(crate) async fn collection(&self, name: &str) -> Result<String> {
        id(&self.api.post("/collections", json!({ "name": name })).await?)
    }

    /// Connects a collection to a scope. No run starts by itself before a person started one, and then one every so many
    /// seconds; 0 is never.
    pub(crate) async fn connect(
        &self,
        vault: &OpenBao,
        town: &Town,
        collection: &str,
        [name, mode, scope]: [&str; 3],
        interval_seconds: u32,
    ) -> Result<String> {
        let body = json!({
            "name": name, "collection_id": collection, "address": vault.address(),
            "auth": {"method": "approle", "role_id": town.role_id, "secret_id": town.secret_id},
            "mount": MOUNT, "path": scope, "mode": mode,
            "options": {"interval_seconds": interval_seconds, "on_change": false, "concurrency_max": AT_ONCE},
        });
        id(&self.api.post("/connections", body).await?)
    }

    /// Starts `vaultterm feed` on the audit log of a Vault.
    pub(crate) async fn feed(&self, log: &Path) -> Result<Feed> {
        let body = json!({"name": "feed", "scopes": ["sync:hint"]});
        let made = self.api.post("/tokens", body).await?;
        let token = made["token"].as_str().context("the answer has a token")?;
        let address = self.api.base.trim_end_matches("/api/v1");
        let child = command(&self.binary, self.folder.path())
            .args(["feed", "--addr", address, "--audit-log"])
            .arg(log)
            .env("VAULTTERM_TOKEN", token)
            .stdin(Stdio::null())
            .stderr(fs::File::create(self.folder.path().join("feed.log"))?)
            .spawn()
            .context("cannot start the feed")?;
        Ok(Feed(child))
    }

    /// Waits until the newest run of a connection is one that something started, and has succeeded.
    pub(crate) async fn ended_by(&self, connection: &str, trigger: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let runs = self.api.get(&format!("/connections/{connection}/runs?limit=1")).await?;
            let newest = &runs["items"][0];
            if newest["trigger"] == trigger && newest["state"] != "running" {
                ensure!(newest["state"] == "succeeded", "{newest:#}");
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "no run was started by {trigger}: {newest:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Makes a plan, and returns it.
    pub(crate) async fn plan(&self, connection: &str) -> Result<Value> {
        self.api.post(&format!("/connections/{connection}/plans"), json!({})).await
    }

    pub(crate) async fn begin(&self, connection: &str) -> Result<String> {
        id(&self.api.post(&format!("/connections/{connection}/runs"), json!({})).await?)
    }

    /// Waits until a run has ended.
    pub(crate) async fn end(&self, run: &str) -> Result<Value> {
        self.api.clone().ended(run.to_owned()).await
    }

    /// Waits for the end of a run in a task of its own.
    pub(crate) fn follow(&self, run: &str) -> tokio::task::JoinHandle<Result<Value>> {
        tokio::spawn(self.api.clone().ended(run.to_owned()))
    }

    /// Returns all records of a collection.
    pub(crate) async fn all_records(&self, collection: &str) -> Result<Vec<Value>> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.api.get(&format!("/collections/{collection}/records?limit=500{cursor}")).await?;
            all.extend(page["items"].as_array().context("the answer is a list")?.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Returns the ids of some records of a collection.
    pub(crate) async fn records(&self, collection: &str) -> Result<Vec<String>> {
        let page = self.api.get(&format!("/collections/{collection}/records?limit=100")).await?;
        let items = page["items"].as_array().context("the answer is a list")?;
        items.iter().map(id).collect()
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(mut leash) = self.leash.take() {
            writeln!(leash, "term").with_context(|| format!("the server ended: {}", self.log()))?;
        }
        self.shell.wait()?;
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The shell kills the server when its input ends, and the folder goes afterwards.
        self.leash.take();
        let _ = self.shell.wait();
    }
}

/// A running `vaultterm feed`. It is killed on drop.
pub(crate) struct Feed(Child);

impl Feed {
    /// Ends the feed, which must still run.
    pub(crate) fn stop(mut self) -> Result<()> {
        let ended = self.0.try_wait()?;
        ensure!(ended.is_none(), "the feed ended before its time: {ended:?}");
        Ok(())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // It fails if the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns a command. The environment holds no settings of the developer.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", folder)
        .env("VAULTTERM_DATA_DIR", folder.join("data"))
        .env("VAULTTERM_METRICS_LISTEN", "off");
    command
}

fn id(object: &Value) -> Result<String> {
    Ok(object["id"].as_str().with_context(|| format!("there is no id in {object}"))?.to_owned())
}
