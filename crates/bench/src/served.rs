//! What a user runs: `vaultterm serve`, in a process of its own. Measures the memory that it holds during runs, and how long
//! people wait for a record and for its values while a run pulls.
//!
//! The server is set up and used as the manual says: `vaultterm init`, the evaluation license, and the HTTP API.

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
use vaultterm_testkit::openbao::{OpenBao, Setup};

use crate::{
    bare::Bare,
    house::{self, AT_ONCE, MOUNT, Town},
    process::Process,
    works::Work,
};

/// Names the binary of `vaultterm`.
const BINARY: &str = "VAULTTERM_BENCH_BINARY";
const OWNER: &str = "bench@example.com";
/// How long a server may take to start. It is generous because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a person asks while nothing else happens, and the pause between two requests.
const IDLE_TIMES: usize = 500;
const PAUSE: Duration = Duration::from_millis(5);
/// The fewest requests during a run of which p99 says anything.
const TIMES_MIN: usize = 100;
/// The scope that the bare client fills.
const SOURCE: &str = "source";

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

/// How long people wait for one kind of request.
pub(crate) struct Waiting {
    pub(crate) what: &'static str,
    /// In milliseconds, sorted: while nothing else happens, and during a run.
    pub(crate) idle: Vec<f64>,
    pub(crate) during: Vec<f64>,
}

impl Waiting {
    /// Returns whether the run lasted long enough for a p99.
    pub(crate) fn counts(&self) -> bool {
        self.during.len() >= TIMES_MIN
    }

    /// Returns p99 during a run as a multiple of p99 while nothing else happens.
    pub(crate) fn slowdown(&self) -> f64 {
        percentile(&self.during, 99) / percentile(&self.idle, 99)
    }
}

/// What was measured of a server.
pub(crate) struct Measured {
    pub(crate) secrets: usize,
    /// The memory that it held at most until its owner had logged in, and during works, in MB.
    pub(crate) started_mb: u64,
    pub(crate) peaks_mb: Vec<(Work, u64)>,
    pub(crate) waiting: [Waiting; 2],
}

/// Returns the binary, if there is one to measure.
pub(crate) fn binary() -> Option<PathBuf> {
    env::var_os(BINARY).map(PathBuf::from)
}

/// Measures a server with this many secrets.
pub(crate) async fn measure(binary: &Path, secrets: usize) -> Result<Measured> {
    let vault = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
    let town = house::prepare(&vault).await;
    let bare = Bare::login(&vault, &town).await?;
    bare.push(SOURCE, &Vec::from_iter(0..secrets)).await?;

    let served = Served::start(binary).await?;
    let started_mb = served.process.peak_mb()?;
    let all = secrets as u64;
    let mut peaks_mb = Vec::new();
    let main = served.collection("main").await?;
    let pull = served.connect(&vault, &town, &main, ["pull", "pull", SOURCE]).await?;
    let push = served.connect(&vault, &town, &main, ["push", "push", "pushed"]).await?;
    let runs = [
        (Work::InitialPull, &pull, "created_local"),
        (Work::NoChange, &pull, "unchanged"),
        (Work::InitialPush, &push, "created_remote"),
    ];
    for (work, connection, counted) in runs {
        served.process.forget_peak()?;
        let run = served.begin(connection).await?;
        let ended = served.end(&run).await?;
        ensure!(ended["counts"][counted] == all, "{}: {ended:#}", work.name());
        peaks_mb.push((work, served.process.peak_mb()?));
    }

    let records = served.records(&main).await?;
    let [read, reveal] = served.ask(&records, |asked| Ok(asked < IDLE_TIMES)).await?;
    let beside = served.collection("beside").await?;
    let pull = served.connect(&vault, &town, &beside, ["beside", "pull", SOURCE]).await?;
    let run = served.begin(&pull).await?;
    let following = served.follow(&run);
    let [read_during, reveal_during] = served.ask(&records, |_| Ok(!following.is_finished())).await?;
    let ended = following.await??;
    ensure!(ended["counts"]["created_local"] == all, "{ended:#}");
    served.stop()?;
    Ok(Measured {
        secrets,
        started_mb,
        peaks_mb,
        waiting: [
            Waiting { what: "read", idle: read, during: read_during },
            Waiting { what: "reveal", idle: reveal, during: reveal_during },
        ],
    })
}

/// A running server, its owner's token, and its process.
struct Served {
    folder: TempDir,
    shell: Child,
    leash: Option<ChildStdin>,
    process: Process,
    api: Api,
}

/// The HTTP API, as the owner uses it.
#[derive(Clone)]
struct Api {
    http: Client,
    base: String,
    token: String,
}

impl Api {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
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

    async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn ended(self, run: String) -> Result<Value> {
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
    async fn start(binary: &Path) -> Result<Self> {
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
        Ok(Self { folder, shell, leash, process, api })
    }

    async fn collection(&self, name: &str) -> Result<String> {
        id(&self.api.post("/collections", json!({ "name": name })).await?)
    }

    /// Connects a collection to a scope. No run starts by itself.
    async fn connect(
        &self,
        vault: &OpenBao,
        town: &Town,
        collection: &str,
        [name, mode, scope]: [&str; 3],
    ) -> Result<String> {
        let body = json!({
            "name": name, "collection_id": collection, "address": vault.address(),
            "auth": {"method": "approle", "role_id": town.role_id, "secret_id": town.secret_id},
            "mount": MOUNT, "path": scope, "mode": mode,
            "options": {"interval_seconds": 0, "on_change": false, "concurrency_max": AT_ONCE},
        });
        id(&self.api.post("/connections", body).await?)
    }

    async fn begin(&self, connection: &str) -> Result<String> {
        id(&self.api.post(&format!("/connections/{connection}/runs"), json!({})).await?)
    }

    /// Waits until a run has ended.
    async fn end(&self, run: &str) -> Result<Value> {
        self.api.clone().ended(run.to_owned()).await
    }

    /// Waits for the end of a run in a task of its own.
    fn follow(&self, run: &str) -> tokio::task::JoinHandle<Result<Value>> {
        tokio::spawn(self.api.clone().ended(run.to_owned()))
    }

    /// Returns the ids of some records of a collection.
    async fn records(&self, collection: &str) -> Result<Vec<String>> {
        let page = self.api.get(&format!("/collections/{collection}/records?limit=100")).await?;
        let items = page["items"].as_array().context("the answer is a list")?;
        items.iter().map(id).collect()
    }

    /// Reads and reveals one record after another, with a pause after each request. Returns how long each request took, in
    /// milliseconds.
    async fn ask(&self, records: &[String], mut goes_on: impl FnMut(usize) -> Result<bool>) -> Result<[Vec<f64>; 2]> {
        let (mut reads, mut reveals) = (Vec::new(), Vec::new());
        for record in records.iter().cycle() {
            if !goes_on(reads.len())? && !reads.is_empty() {
                break;
            }
            let began = Instant::now();
            self.api.get(&format!("/records/{record}")).await?;
            reads.push(began.elapsed().as_secs_f64() * 1_000.0);
            tokio::time::sleep(PAUSE).await;
            let began = Instant::now();
            self.api.post(&format!("/records/{record}/reveal"), json!({})).await?;
            reveals.push(began.elapsed().as_secs_f64() * 1_000.0);
            tokio::time::sleep(PAUSE).await;
        }
        Ok([reads, reveals].map(|mut times| {
            times.sort_by(f64::total_cmp);
            times
        }))
    }

    /// Asks the server to stop, and waits until it has.
    fn stop(mut self) -> Result<()> {
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

/// Returns a percentile of sorted times, of which there is at least one.
pub(crate) fn percentile(times: &[f64], share: usize) -> f64 {
    times[(times.len() * share / 100).min(times.len() - 1)]
}
