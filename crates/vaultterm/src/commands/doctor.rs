//! `vaultterm doctor`: checks an installation without changing it, and asks the running server.

mod connections;
mod running;
mod traces;

use serde_json::json;
use vaultterm_contract::{CheckState, CheckView, advice};
use vaultterm_hcv::{Binding, Transit, TransitCiphertext, TransitReport};
use vaultterm_sealing::{RootKey, RootKeyError};
use vaultterm_server::UnlockError;
use vaultterm_store::{Database, RevisionsVerdict, Store};

use crate::{
    app::App,
    commands::connection::test::{checks_table, tell_hints},
    failure::{Exit, Failure},
    installation::{self, Locked},
    server_config::{ConfigArgs, MasterKey, Provider, ServerConfig},
    shell,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Checks the configuration, data directory, key, database, audit log, owner and license.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let mut report = Report::default();
    if let Some(config) = report.note("configuration", ServerConfig::load(&args.config, None), |config| {
        format!("data directory {}", config.data_dir.display())
    }) {
        examine(&config, app, &mut report).await;
    }
    let checks = report.0;
    let ok = checks.iter().all(|check| check.ok);
    app.console.answer(&json!({ "ok": ok, "checks": checks }), || checks_table(&checks))?;
    tell_hints(&app.console, &checks);
    if ok {
        return Ok(Exit::Done);
    }
    Err(Failure::silent(Exit::Local))
}

#[derive(Default)]
struct Report(Vec<CheckView>);

impl Report {
    /// Records the result of a step. Returns its value if it succeeded.
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
        let state = if ok { CheckState::Ok } else { CheckState::Failed };
        self.0.push(CheckView { name: name.to_owned(), ok, state, detail: detail.into(), hint });
    }
}

async fn examine(config: &ServerConfig, app: &App, report: &mut Report) {
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
    examine_root_key(config, report).await;
    if let Some(traces::Answer { ok, detail, hint }) = traces::ask(config).await {
        report.push("traces", ok, detail, hint);
    }
    let tried = installation::lock(config).await;
    let database = installation::open_after(config, &tried).await;
    let Some(database) = report.note("database", database, |_| config.database.to_string()) else { return };
    match tried {
        Ok(Locked::ByAnother) => {
            report.push("server", true, "runs on this database", None);
            report.0.extend(running::ask(app).await);
        }
        Ok(Locked::ByUs(_)) => report.push("server", true, "does not run", None),
        Err(failure) => report.push("server", false, failure.message, None),
    }
    examine_servers(&database, report).await;
    let store = installation::unlock(config, &database).await;
    if let Some(store) = report.note("keys", store, |_| "the master key opens them".to_owned()) {
        examine_store(config, &store, report).await;
        examine_license(config, &store, report).await;
        examine_passkeys(&store, app, report).await;
    }
    database.close().await;
}

/// Lists the servers on a database that several may share.
async fn examine_servers(database: &Database, report: &mut Report) {
    match database.nodes().await {
        Ok(nodes) => {
            for node in nodes {
                let (ok, detail) = vaultterm_server::server_health(&node);
                let hint = (!ok).then(|| "start it again, or set the clock of its machine".to_owned());
                report.push(&format!("server {}", node.name), ok, detail, hint);
            }
        }
        Err(error) => report.push("servers", false, error.to_string(), None),
    }
}

/// Checks the key file or the Transit key. It warns of settings that would make the sealed root key
/// unreadable later.
async fn examine_root_key(config: &ServerConfig, report: &mut Report) {
    const NAME: &str = "master key";
    let failed = |error: RootKeyError| Failure::local("the master key cannot be used").because(&error);
    match (config.keys.provider, &config.keys.master_key) {
        (Provider::Local, MasterKey::File(path)) if !path.exists() => {
            let missing = UnlockError::Missing(path.clone());
            report.push(NAME, false, missing.to_string(), missing.hint().as_ref().map(advice::worded));
        }
        (Provider::Local, MasterKey::File(path)) => {
            report.note(NAME, RootKey::read(path).map_err(failed), |_| "readable by its owner only".to_owned());
        }
        (Provider::Local, MasterKey::Given(_)) => {
            let hint = "keep it in a file or under Transit: others can read a process's environment".to_owned();
            report.push(NAME, true, "given in the environment, for tests", Some(hint));
        }
        (Provider::Transit, _) => {
            let transit = match config.keys.transit() {
                Ok(transit) => transit,
                Err(failure) => return report.push(NAME, false, failure.message, None),
            };
            match transit.examine().await {
                Ok(found) => judge_transit(config, &transit, &found, report).await,
                Err(fault) => report.push(NAME, false, fault.message, fault.hint.as_ref().map(advice::worded)),
            }
        }
    }
}

/// Judges a Transit key by its properties, and by the key version under which the root key is sealed.
async fn judge_transit(config: &ServerConfig, transit: &Transit, found: &TransitReport, report: &mut Report) {
    const NAME: &str = "Transit key";
    let sealed = match installation::open_existing(config).await {
        Ok(database) => database.sealed_roots().await.unwrap_or_default().into_iter().next(),
        Err(_) => None,
    };
    let version = sealed
        .and_then(|sealed| TransitCiphertext { text: sealed.ciphertext, binding: Binding::Context }.key_version());
    report.push("master key", true, format!("sealed under {}", transit.describe()), None);
    if found.may_create == Some(true) {
        let hint = "take `create` out of the policy: it makes a key of a mistyped name".to_owned();
        report.push(NAME, false, "the policy has `create` on its encrypt path", Some(hint));
    }
    let Some(facts) = &found.facts else {
        let hint = "grant `read` on its keys/ path: then doctor can warn before the sealed key becomes unreadable";
        return report.push(NAME, true, "exists; its versions cannot be read", Some(hint.to_owned()));
    };
    let versions = format!("latest version {}, opens from {} on", facts.latest_version, facts.min_decryption_version);
    match version {
        Some(version) if version < facts.min_decryption_version => {
            let hint = "lower min_decryption_version, then `vaultterm key rotate transit`".to_owned();
            report.push(NAME, false, format!("the root key is sealed under version {version}; {versions}"), Some(hint));
        }
        Some(version) if version < facts.latest_version => {
            let hint = "run `vaultterm key rotate transit` before anybody raises min_decryption_version".to_owned();
            report.push(NAME, true, format!("the root key is sealed under version {version}; {versions}"), Some(hint));
        }
        _ => report.push(NAME, true, versions, None),
    }
    for (set, what) in [
        (facts.deletion_allowed, "may be deleted, and the root key with it: set deletion_allowed=false"),
        (facts.exportable, "may be taken out of Vault (exportable), for good: use another key"),
        (facts.allow_plaintext_backup, "may be backed up in plain text, for good: use another key"),
    ] {
        if set {
            report.push(NAME, true, "weaker than it could be", Some(format!("the Transit key {what}")));
        }
    }
}

/// Checks the license without installing it. Only the server installs licenses.
async fn examine_license(config: &ServerConfig, store: &Store, report: &mut Report) {
    match vaultterm_server::examine_license(&config.license, store).await {
        Ok((ok, sentence)) => {
            let hint = (!ok).then(|| "install a valid license: `vaultterm license install FILE`".to_owned());
            report.push("license", ok, sentence, hint);
        }
        Err(error) => report.push("license", false, error.to_string(), None),
    }
}

async fn examine_store(config: &ServerConfig, store: &Store, report: &mut Report) {
    match store.verify_audit().await {
        Ok(verdict) => {
            let detail = match &verdict.broken {
                None => format!(
                    "{} entries in an unbroken chain, {} checkpoints",
                    verdict.entries - verdict.pruned,
                    verdict.checkpoints
                ),
                Some(why) => format!("unbroken up to entry {}: {why}", verdict.entries),
            };
            let hint = verdict.broken.as_ref().map(|_| "compare it with an export or a backup".to_owned());
            report.push("audit log", verdict.broken.is_none(), detail, hint);
        }
        Err(error) => report.push("audit log", false, error.to_string(), None),
    }
    match store.verify_revisions().await {
        Ok(verdict) => judge_revisions(&verdict, report),
        Err(error) => report.push("values", false, error.to_string(), None),
    }
    report.0.extend(connections::examine(store).await);
    match store.risky_connections().await {
        Ok(risky) => judge_options(&risky, report),
        Err(error) => report.push("connection options", false, error.to_string(), None),
    }
    examine_anchors(config, store, report).await;
    match installation::has_owner(store).await {
        Ok(true) => report.push("owner", true, "there is one", None),
        Ok(false) => {
            let hint = "run `vaultterm init` for a new set-up link".to_owned();
            report.push("owner", false, "nobody can log in yet", Some(hint));
        }
        Err(error) => report.push("owner", false, error.to_string(), None),
    }
}

/// Reports the revisions that cannot be opened.
fn judge_revisions(verdict: &RevisionsVerdict, report: &mut Report) {
    if verdict.damaged == 0 {
        return report.push("values", true, format!("all {} revisions open", verdict.open), None);
    }
    let all = verdict.open + verdict.damaged;
    let more = if verdict.damaged > verdict.examples.len() as u64 { ", …" } else { "" };
    let hint =
        "find out who can write the database; bring an older revision back (`vaultterm record restore`), or a backup";
    let detail =
        format!("{} of {all} revisions were changed or moved: {}{more}", verdict.damaged, verdict.examples.join("; "));
    report.push("values", false, detail, Some(hint.to_owned()));
}

/// Reports the connections with risky options. These work as they were set, so this is not a failure.
fn judge_options(risky: &[(String, &'static str)], report: &mut Report) {
    if risky.is_empty() {
        return report.push("connection options", true, "none risks a credential", None);
    }
    for (name, risk) in risky {
        let hint = format!("run `vaultterm connection update {} --option merge=descriptive`", shell::word(name));
        report.push("connection options", true, format!("`{name}`: {risk}"), Some(hint));
    }
}

/// Reports the hosts that passkeys are bound to. A browser offers a passkey at its host only, so passkeys are of no use
/// after the public name of the server changed.
async fn examine_passkeys(store: &Store, app: &App, report: &mut Report) {
    const NAME: &str = "passkeys";
    let hosts = match store.passkey_hosts().await {
        Ok(hosts) => hosts,
        Err(error) => return report.push(NAME, false, installation::broken(&error).message, None),
    };
    if hosts.is_empty() {
        return;
    }
    let told: Vec<_> = hosts.iter().map(|(host, count)| format!("{host} ({count})")).collect();
    let address = app.settings.address().ok().and_then(|address| address.join("/").host_str().map(str::to_owned));
    let named = address.filter(|host| host.parse::<std::net::IpAddr>().is_err());
    let changed = hosts.len() > 1 || named.is_some_and(|name| hosts.iter().all(|(host, _)| *host != name));
    let hint = "a passkey works at its host only: people log in with password and code, and make new passkeys";
    report.push(NAME, true, format!("bound to {}", told.join(", ")), changed.then(|| hint.to_owned()));
}

/// Reports the newest checkpoint at each configured anchor, and warns if no anchor is configured.
async fn examine_anchors(config: &ServerConfig, store: &Store, report: &mut Report) {
    let audit = &config.audit;
    let mut names = Vec::new();
    names.extend(audit.anchor_file.as_ref().map(|_| "file"));
    names.extend(audit.syslog.as_ref().map(|_| "syslog"));
    names.extend(audit.anchor_secret.as_ref().map(|_| "vault"));
    if names.is_empty() {
        let hint = "set VAULTTERM_AUDIT_ANCHOR_FILE: without an anchor an older copy of the database goes unnoticed";
        return report.push("audit anchors", true, "none", Some(hint.to_owned()));
    }
    let served = match store.anchors().await {
        Ok(served) => served,
        Err(error) => return report.push("audit anchors", false, error.to_string(), None),
    };
    let newest = match store.newest_checkpoint().await {
        Ok(newest) => newest.map_or(0, |newest| newest.checkpoint.size),
        Err(error) => return report.push("audit anchors", false, error.to_string(), None),
    };
    let now_us = installation::operator().now_us;
    for name in names {
        let row = served.iter().find(|row| row.name == name);
        let detail = row.map_or("no checkpoint arrived yet".to_owned(), |row| vaultterm_server::delivered(row, now_us));
        let ok = row.map_or(0, |row| row.size) >= newest;
        let hint = (!ok).then(|| format!("the newest checkpoint is at {newest}; the server's log says what is wrong"));
        report.push(&format!("audit anchor {name}"), ok, detail, hint);
    }
}
