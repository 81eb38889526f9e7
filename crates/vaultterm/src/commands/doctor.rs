//! `vaultterm doctor`: checks an installation without changing it.

use serde_json::json;
use vaultterm_store::Store;

use crate::{
    api::Check,
    app::App,
    commands::connection::test::{checks_table, tell_hints},
    failure::{Exit, Failure},
    installation::{self, Locked},
    server_config::{ConfigArgs, ServerConfig},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Checks configuration, data directory, key, database, audit log and owner.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let mut report = Report::default();
    if let Some(config) = report.note("configuration", ServerConfig::load(&args.config, None), |config| {
        format!("data directory {}", config.data_dir.display())
    }) {
        examine(&config, &mut report).await;
    }
    let checks = report.0;
    let ok = checks.iter().all(|check| check.ok);
    app.console.answer(&json!({ "ok": ok, "checks": checks }), || checks_table(&checks))?;
    if ok {
        return Ok(Exit::Done);
    }
    tell_hints(&app.console, &checks);
    Err(Failure::silent(Exit::Local))
}

#[derive(Default)]
struct Report(Vec<Check>);

impl Report {
    /// Notes how a step went; answers what it gave.
    fn note<T>(&mut self, name: &str, result: Result<T, Failure>, detail: impl FnOnce(&T) -> String) -> Option<T> {
        match result {
            Ok(found) => {
                self.push(name, true, detail(&found), None);
                Some(found)
            }
            Err(failure) => {
                let why = std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join(": ");
                self.push(name, false, why, failure.hints.into_iter().next());
                None
            }
        }
    }

    fn push(&mut self, name: &str, ok: bool, detail: impl Into<String>, hint: Option<String>) {
        self.0.push(Check { name: name.to_owned(), ok, detail: detail.into(), hint });
    }
}

async fn examine(config: &ServerConfig, report: &mut Report) {
    match installation::open_to_others(config) {
        Some(mode) => {
            let hint = format!("run: chmod 700 {}", config.data_dir.display());
            report.push("data directory", false, format!("others may look into it (mode {mode:o})"), Some(hint));
        }
        None if config.data_dir.exists() => report.push("data directory", true, "private to its owner", None),
        None => {
            let hint = "run `vaultterm init` first".to_owned();
            report.push("data directory", false, "does not exist", Some(hint));
            return;
        }
    }
    report.note("master key", config.root_key(), |_| "readable by its owner only".to_owned());
    let database = installation::open_existing(config).await;
    let Some(database) = report.note("database", database, |_| config.database.display().to_string()) else { return };
    match installation::lock(config) {
        Ok(Locked::ByAnother) => report.push("server", true, "runs on this database", None),
        Ok(Locked::ByUs(_)) => report.push("server", true, "does not run", None),
        Err(failure) => report.push("server", false, failure.message, None),
    }
    let store = installation::unlock(config, &database).await;
    if let Some(store) = report.note("keys", store, |_| "the master key opens them".to_owned()) {
        examine_store(&store, report).await;
    }
    database.close().await;
}

async fn examine_store(store: &Store, report: &mut Report) {
    match store.verify_audit().await {
        Ok(verdict) => {
            let detail = match &verdict.broken {
                None => format!("{} entries in an unbroken chain", verdict.entries),
                Some(why) => format!("unbroken up to entry {}: {why}", verdict.entries),
            };
            let hint = verdict.broken.as_ref().map(|_| "compare it with an export or a backup".to_owned());
            report.push("audit log", verdict.broken.is_none(), detail, hint);
        }
        Err(error) => report.push("audit log", false, error.to_string(), None),
    }
    match installation::has_owner(store).await {
        Ok(true) => report.push("owner", true, "there is one", None),
        Ok(false) => {
            let hint = "run `vaultterm init` for a new set-up link".to_owned();
            report.push("owner", false, "nobody can log in yet", Some(hint));
        }
        Err(error) => report.push("owner", false, error.to_string(), None),
    }
}
