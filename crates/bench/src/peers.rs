//! Other programs that write to Vault or read from it, beside the engine: the same secrets, the same server, a token of the
//! same role. `peers/programs.rs` lists them.
//!
//! Each program that writes also runs with a token that may only read, before anything was written. What it then does, and what
//! it does when nothing changed, is told by its exit code and by the audit log of the server; nobody has to believe us.

mod programs;

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use vaultterm_testkit::openbao::{Answered, AppRole, OpenBao, Setup};

use crate::{
    bare::Bare,
    content::{path, value},
    figures::{Figure, Lines, engine_seconds, rounded},
    house::{self, MOUNT, Town},
    works::Work,
};
use programs::{PROGRAMS, Program, Run};

/// Names the folder with the environments of Python.
const FOLDER: &str = "VAULTTERM_BENCH_PEERS";
/// The most secrets with which other programs are measured, because some take minutes for 10,000.
const SECRETS_MAX: usize = 10_000;
/// The policy of the token that may only read.
const READER: &str = r#"
path "kv/*" { capabilities = ["read", "list"] }
path "peer-from/*" { capabilities = ["read", "list"] }
path "peer-to/*" { capabilities = ["read", "list"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
"#;

/// What `tools/peers/measured.py` tells of a run.
#[derive(Debug, Deserialize)]
struct Report {
    exit: i32,
    seconds: f64,
    cpu: f64,
    rss_mb: u64,
}

/// What was seen of a program.
pub(crate) struct Seen {
    /// The name of the figure: `peer_` and the program with what it did.
    pub(crate) name: String,
    pub(crate) secrets: usize,
    pub(crate) took: Duration,
    /// The works of the engine that do the same.
    works: &'static [Work],
    report: Report,
    answered: Answered,
    /// How often the engine is faster, if its works were measured.
    ratio: Option<f64>,
    /// The exit code, and how many requests the server refused, when it ran with a token that may only read.
    denied: Option<(i32, u64)>,
}

impl Seen {
    /// Returns whether the program ran where nothing had changed.
    pub(crate) fn is_quiet(&self) -> bool {
        self.works == [Work::NoChange]
    }

    /// Returns the faults that were seen.
    fn faults(&self) -> Vec<String> {
        let Answered { values_asked, values_written, .. } = self.answered;
        let mut faults = Vec::new();
        if self.is_quiet() && values_asked >= self.secrets as u64 {
            faults.push(format!("asks for {values_asked} values to find that nothing changed"));
        }
        if self.is_quiet() && values_written > 0 {
            faults.push(format!("writes {values_written} versions although nothing changed"));
        }
        if self.report.exit != 0 {
            faults.push(format!("ends with exit code {}", self.report.exit));
        }
        if let Some((0, refused)) = self.denied.filter(|(_, refused)| *refused > 0) {
            faults.push(format!("ends with exit code 0 although the server refused {refused} requests"));
        }
        faults
    }

    fn line(&self) -> Value {
        let Report { exit, seconds, cpu, rss_mb } = self.report;
        let works: Vec<_> = self.works.iter().map(|work| work.name()).collect();
        json!({
            "ratio": self.ratio.map(rounded), "requests": self.answered.requests, "rss_mb": rss_mb,
            "seconds": rounded(seconds), "cpu_ms_per_secret": rounded(cpu * 1_000.0 / self.secrets as f64),
            "values_asked": self.answered.values_asked, "values_written": self.answered.values_written,
            "exit": exit, "same_as": works, "faults": self.faults(),
        })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Report { seconds, rss_mb, .. }, Answered { requests, .. }) = (&self.report, self.answered);
        write!(f, "{:<36}{:>8} {seconds:>8.2} s {requests:>9} requests {rss_mb:>5} MB", self.name, self.secrets)?;
        if let Some(ratio) = self.ratio {
            write!(f, ", {ratio:.1} times the engine's time")?;
        }
        self.faults().iter().try_for_each(|fault| write!(f, "; {fault}"))
    }
}

/// Where programs run, and with what.
struct Place<'a> {
    server: &'a OpenBao,
    /// The environments of Python.
    python: PathBuf,
    /// The scripts of this repository.
    scripts: PathBuf,
    /// A folder for files of the programs.
    work: PathBuf,
    secrets: usize,
}

/// Measures other programs with this many secrets.
pub(crate) async fn measure(figures: &[Figure], lines: &mut Lines, secrets: usize) -> Result<Vec<Seen>> {
    if secrets > SECRETS_MAX {
        println!("other programs are measured with up to {SECRETS_MAX} secrets, not with {secrets}");
        return Ok(Vec::new());
    }
    let python = env::var_os(FOLDER).with_context(|| {
        format!("no other programs are installed: run `cargo xtask bench --peers`, which sets {FOLDER}")
    })?;
    let server = OpenBao::start_with(Setup { raft: true, ..Setup::default() }).await;
    let town = house::prepare(&server).await;
    let reader = AppRole { name: "reader", policy: READER, more: Value::Null };
    let reader = server.root().make_role(reader).await;
    let reader = Town { role_id: reader.role_id, secret_id: reader.secret_id };
    let (bare, reader) = (Bare::login(&server, &town).await?, Bare::login(&server, &reader).await?);
    for mount in ["peer-from", "peer-to"] {
        server.root().mount_kv(mount, 2).await;
    }
    bare.push(programs::SOURCE, &Vec::from_iter(0..secrets)).await?;
    let folder = tempfile::tempdir()?;
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/peers");
    let place = Place { server: &server, python: python.into(), scripts, work: folder.path().to_owned(), secrets };
    place.write_files()?;
    let filled = place.run(&programs::FILL, bare.token())?;
    ensure!(filled.0.exit == 0, "the mount `peer-from` could not be filled: {}", place.printed());

    let mut all = Vec::new();
    for Program { name, runs, writes } in PROGRAMS {
        let mut denied = None;
        for (at, run) in runs.iter().enumerate() {
            if at == 0 && *writes {
                let (report, answered) = place.run(run, reader.token())?;
                denied = Some((report.exit, answered.refused));
            }
            let (report, answered) = place.run(run, bare.token())?;
            ensure!(report.exit == 0, "{name} {} ends with exit code {}: {}", run.what, report.exit, place.printed());
            let took = Duration::from_secs_f64(report.seconds);
            let ratio = engine_seconds(figures, run.works, secrets).map(|engine| report.seconds / engine);
            let name = format!("peer_{name}_{}", run.what);
            let seen = Seen { name, secrets, took, works: run.works, report, answered, ratio, denied: denied.take() };
            println!("  {seen}");
            lines.add(&seen.name, secrets, seen.line());
            all.push(seen);
        }
    }
    Ok(all)
}

impl Place<'_> {
    /// Writes the files from which config-to-vault copies, and the configuration of vault-sync.
    fn write_files(&self) -> Result<()> {
        let config = self.work.join("config");
        fs::create_dir(&config)?;
        for n in 0..self.secrets {
            let name = path(n).replace('/', "-");
            fs::write(config.join(format!("{name}.json")), value(n, 0).to_string())?;
        }
        // The token comes from the environment, which vault-sync prefers.
        let side = |mount: &str| json!({"auth_method": "token", "url": self.server.address(), "token": "-", "kv_store": mount});
        let both = json!({"source": side("peer-from"), "destination": side("peer-to")});
        fs::write(self.work.join("vault-sync.json"), both.to_string())?;
        Ok(())
    }

    /// Runs a program to its end. Returns what it took and what the server answered.
    fn run(&self, run: &Run, token: &str) -> Result<(Report, Answered)> {
        let report = self.work.join("report.json");
        let fill = |part: &&str| {
            part.replace("{python}", &self.python.display().to_string())
                .replace("{scripts}", &self.scripts.display().to_string())
                .replace("{work}", &self.work.display().to_string())
                .replace("{address}", &self.server.address())
                .replace("{secrets}", &self.secrets.to_string())
                .replace("{token}", token)
                .replace("{mount}", MOUNT)
        };
        let _ = self.server.take_answered();
        let ended = Command::new("python3")
            .arg(self.scripts.join("measured.py"))
            .args([&report, &self.work.join("printed")])
            .args(run.program.iter().map(fill))
            .current_dir(&self.work)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", &self.work)
            .env("VAULT_ADDR", self.server.address())
            .env("VAULT_TOKEN", token)
            .output()
            .context("cannot start python3")?;
        ensure!(ended.status.success(), "measured.py failed: {}", String::from_utf8_lossy(&ended.stderr));
        let report = serde_json::from_slice(&fs::read(&report)?)?;
        Ok((report, self.server.take_answered()))
    }

    /// Returns the end of what the last program printed.
    fn printed(&self) -> String {
        let text = fs::read_to_string(self.work.join("printed")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}
