//! `vaultterm feed`: follows the audit log of a Vault, and hints at what changed.

use std::{
    collections::BTreeSet,
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;
use vaultterm_contract::{HintScopeView, HintedChange, Hints, HintsView};
use vaultterm_feed::{Batch, Feed, FeedError, Receiver, Refused, Scope, Source};

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The audit log to follow, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    audit_log: PathBuf,
    /// Where to remember how far the log was read; without it, every start asks for a look at everything
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Only hint for this connection, by name or id; repeat for several [default: all that the token may hint for]
    #[arg(long = "connection", value_name = "CONNECTION")]
    connections: Vec<String>,
    /// What is logged to stderr: a level such as info, or directives
    #[arg(long, value_name = "FILTER", env = "VAULTTERM_LOG", hide_env_values = true, default_value = "info")]
    log: String,
    /// The form of log lines
    #[arg(long, value_enum, env = "VAULTTERM_LOG_FORMAT", hide_env_values = true, default_value = "text")]
    log_format: LogForm,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogForm {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

/// Follows the log until the process gets SIGINT or SIGTERM, or standard input ends.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let Args { audit_log, state, connections, log, log_format } = args;
    start_log(&log, log_format)?;
    let source = if audit_log.as_os_str() == "-" {
        if state.is_some() {
            return Err(Failure::local("standard input has no place to remember")
                .hint("leave --state out, or name the file with --audit-log"));
        }
        Source::Pipe(Box::new(io::stdin()))
    } else {
        Source::File { path: audit_log, state }
    };
    let server = Server { client: app.client()?, only: connections, warned: Mutex::default() };
    let feed = Feed::open(source, server).map_err(ended)?;
    let listen = |kind| signal(kind).map_err(|error| Failure::local("cannot listen for signals").because(&error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stopped = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    feed.run(stopped).await.map_err(ended)?;
    Ok(Exit::Done)
}

fn ended(error: FeedError) -> Failure {
    let told = Failure::local(error.to_string());
    match &error {
        FeedError::Log { source, .. } => told.because(source).hint(
            "let the group of the feed own the folder, and set the audit device to `mode = \"0640\"` (docs/operations/feed.md)",
        ),
        FeedError::State { source, .. } => {
            told.because(source).hint("name a file in a folder in which the feed may write")
        }
        FeedError::NotAllowed(_) => {
            told.exiting(Exit::Server).hint("make one with `vaultterm token create feed --scope sync:hint`")
        }
    }
}

/// The server that is told.
struct Server {
    client: Client,
    /// The names or ids of the only connections to hint for.
    only: Vec<String>,
    /// The warnings that were given. The connections are asked for each minute.
    warned: Mutex<BTreeSet<String>>,
}

impl Receiver for Server {
    async fn scopes(&self) -> Result<Vec<Scope>, Refused> {
        let list: Reply<Vec<HintScopeView>> =
            self.client.list("/hints/scopes", &Query::default(), None).await.map_err(|failure| {
                match failure.status {
                    Some(401 | 403) => Refused::NotAllowed(failure.message),
                    _ => Refused::Away(told(&failure)),
                }
            })?;
        let is_wanted = |scope: &HintScopeView| {
            let id = scope.connection_id.to_string();
            self.only.is_empty() || self.only.iter().any(|wanted| *wanted == scope.name || *wanted == id)
        };
        let wanted: Vec<_> = list.data.into_iter().filter(is_wanted).collect();
        self.warn(&wanted);
        let scope = |scope: HintScopeView| Scope {
            connection: scope.connection_id,
            namespace: scope.namespace.unwrap_or_default(),
            mount: scope.mount,
            path: scope.path,
        };
        Ok(wanted.into_iter().map(scope).collect())
    }

    async fn send(&self, connection: Uuid, batch: Batch) -> Result<(), Refused> {
        let changes = batch.changes.into_iter().map(|(path, hint)| HintedChange {
            path: path.into(),
            writer: hint.writer,
            version: hint.version,
            at: hint.at.map(|at| at.to_string()),
        });
        let hints = Hints { changes: changes.collect(), everything: batch.everything, ..Hints::default() };
        let path = format!("/connections/{connection}/hints");
        let answer: Result<Reply<HintsView>, Failure> = self.client.post(&path, &hints, Patience::Usual).await;
        match answer {
            Ok(_) => Ok(()),
            Err(failure) => Err(match failure.status {
                Some(401) => Refused::NotAllowed(failure.message),
                Some(403 | 404) => Refused::NoConnection(failure.message),
                Some(400 | 413 | 415 | 422) => Refused::Invalid(failure.message),
                _ => Refused::Away(told(&failure)),
            }),
        }
    }
}

impl Server {
    /// Warns once of what is probably a mistake.
    fn warn(&self, scopes: &[HintScopeView]) {
        let known: BTreeSet<_> =
            scopes.iter().flat_map(|scope| [scope.name.clone(), scope.connection_id.to_string()]).collect();
        for missing in self.only.iter().filter(|name| !known.contains(*name)) {
            self.warn_once(format!("there is no connection `{missing}` for which the token may hint"));
        }
        let addresses: BTreeSet<_> = scopes.iter().map(|scope| &scope.address).collect();
        if self.only.is_empty() && addresses.len() > 1 {
            let several = "the connections lead to several addresses: if those are several Vaults, name the connections of this \
                           one with --connection";
            self.warn_once(several.to_owned());
        }
    }

    fn warn_once(&self, warning: String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if !warned.contains(&warning) {
            tracing::warn!("{warning}");
            warned.insert(warning);
        }
    }
}

/// Words why the server could not be asked.
fn told(failure: &Failure) -> String {
    std::iter::once(&failure.message).chain(&failure.causes).cloned().collect::<Vec<_>>().join(": ")
}

fn start_log(filter: &str, form: LogForm) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::local("--log (or VAULTTERM_LOG) cannot be used")
            .because(&error)
            .hint("use a level such as info, or directives")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match form {
        LogForm::Text => log.with_ansi(false).try_init(),
        LogForm::Json => log.json().try_init(),
    };
    started.map_err(|error| Failure::local("cannot start the log").because(error.as_ref()))
}
