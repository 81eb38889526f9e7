//! `vaultterm serve`: runs the API and the scheduler.

mod measured;
mod notify;
mod reload;
mod sealed;
mod traced;

use std::{net::SocketAddr, sync::Arc};

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use vaultterm_hcv::VaultConnector;
use vaultterm_server::{ListenError, Meters, Opening, Parser, Presence, Server, ServerSettings, ServerState};
use vaultterm_store::Store;

use crate::{
    app::App,
    failure::{Exit, Failure},
    file_parser, installation,
    server_config::{ConfigArgs, LogFormat, ServerConfig, renewed_keeper},
};
use reload::{Reloads, read_tls};
use traced::Traced;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Address and port of the API; port 0 takes a free one [env: VAULTTERM_LISTEN] [default: 127.0.0.1:8250]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

/// Serves until the process gets SIGINT or SIGTERM.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(&args.config, args.listen)?;
    start_log(&config)?;
    let reloads = Reloads::default();
    tokio::spawn(reloads.clone().at_each(reload::listen()?, args.config.clone()));
    leave_no_core_dump();
    let Some((lock, database)) = installation::join(&config).await? else {
        return Err(in_use(&config));
    };
    tidy_up(&config);
    let keeper = renewed_keeper(&config, &args.config)?;
    let unlocked = sealed::first_try(&keeper, &database).await?;
    if let Some(mode) = installation::open_to_others(&config) {
        tracing::warn!("others may look into {} (mode {mode:o}): run chmod 700", config.data_dir.display());
    }
    let tls = config.tls.as_ref().map(read_tls).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let traced = Traced::start(config.traces.as_ref(), database.node().0);
    let meters = Arc::new(Meters::default().traced_by(traced.traces.clone()));
    let connector = VaultConnector::new(config.vault.clone()).watched_by(meters.clone());
    let metrics = measured::listener(config.metrics)?;
    let failed = |error| Failure::local("the server cannot run").because(&error);
    let options = ServerSettings { license: config.license.clone(), audit: config.audit.clone() };
    let server = Server::bind(config.listen, tls)
        .map_err(not_bound)?
        .behind(config.proxies.clone())
        .in_traces_of(config.traces.as_ref().map(|traces| traces.parents.clone()).unwrap_or_default())
        .measured(meters.clone(), metrics);
    if let Some(tls) = server.tls_reload() {
        reloads.tls.get_or_init(|| tls);
    }
    let address = format!("{scheme}://{}", server.address());
    let presence = Arc::new(Presence::new(database.clone(), name_of(&server), env!("CARGO_PKG_VERSION")));
    presence.begin().await.map_err(|error| installation::broken(&error))?;
    let parser = file_parser()?;
    let (known, present) = (reloads.app.clone(), Arc::clone(&presence));
    let opened = move |keeper, store: Store, root| {
        present.opened(store.clone());
        let server = ServerState::new(store, root, keeper, connector, options).measured_by(meters).parsing(parser);
        known.get_or_init(|| server.clone());
        server
    };
    let opening = match unlocked {
        Ok((store, root)) => Opening::Done(Box::new(opened(keeper, store, root))),
        Err(refused) => {
            let again = reloads.again.clone();
            Opening::Awaited(Box::pin(async move {
                let (store, root) = sealed::unsealed(&keeper, &database, &again, refused).await;
                opened(keeper, store, root)
            }))
        }
    };
    tracing::info!(address, data = %config.data_dir.display(), "listening");
    // From here on a signal ends the server gently. A program that waits for the address or for READY may send one at once.
    let stopped = stopped()?;
    // The address goes to stdout, for a program that started the server on port 0.
    app.console.value(&address, true)?;
    let stops = told_to_others(stopped, Arc::clone(&presence));
    notify::tell(notify::READY);
    let ended = tokio::select! {
        served = server.serve(opening, stops) => served.map_err(failed),
        () = lock.keep() => Err(in_use(&config)),
        error = presence.keep() => Err(installation::broken(&error)),
    };
    traced.end().await;
    ended?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// Returns the program that parses files for import: this one, in a process of its own.
fn file_parser() -> Result<Parser, Failure> {
    let program = std::env::current_exe();
    let program =
        program.map_err(|error| Failure::local("the server does not find its own program").because(&error))?;
    Ok(Parser::in_a_process(program, file_parser::ARGUMENT))
}

/// Returns the error of a server that cannot listen, with the setting that changes where it does.
fn not_bound(error: ListenError) -> Failure {
    let failure = Failure::local("the server cannot run").because(&error);
    let ListenError::Bind { source, .. } = &error else { return failure };
    let how = "`--listen ADDRESS:PORT`, VAULTTERM_LISTEN, or `listen` in the configuration file";
    failure.hint(match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "another program listens there, perhaps another VaultTerm: stop it, or choose another place with {how}"
            )
        }
        _ => format!("choose another address or port with {how}"),
    })
}

/// Returns the error of a database that another process has for itself.
fn in_use(config: &ServerConfig) -> Failure {
    if config.database.file().is_some() {
        return Failure::local(format!("another server runs on {}", config.database))
            .hint("a file serves one server: stop the other one, or name another database");
    }
    Failure::local(format!("a command has the database {} for itself", config.database))
        .hint("wait until it ends: init, restore, database copy, key seal or key unseal")
}

/// Returns the name of a server, for people who look at several.
fn name_of(server: &Server) -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{machine}:{}", server.address().port())
}

/// Removes the files that killed backups and restores left behind, unless one of them is running now.
fn tidy_up(config: &ServerConfig) {
    let Ok(_turn) = installation::take_turn(config) else { return };
    if let Err(error) = vaultterm_store::clear_leftovers(&config.beside()) {
        tracing::warn!(%error, "what a killed backup or restore left could not be removed");
    }
}

/// Returns a future that waits for a signal to stop.
fn stopped() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::local("cannot listen for signals").because(&error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        notify::tell(notify::STOPPING);
        tracing::info!("stopping: open requests and runs may end");
    })
}

/// Tells the other servers that this one stops, so that they need not wait for it any more.
async fn told_to_others(stopped: impl Future<Output = ()>, presence: Arc<Presence>) {
    stopped.await;
    presence.end().await;
}

fn start_log(config: &ServerConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| {
        Failure::local("VAULTTERM_LOG cannot be used").because(&error).hint("use a level such as info, or directives")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| Failure::local("cannot start the log").because(error.as_ref()))
}

/// Turns core dumps off, because they would contain keys and values. A failure is ignored.
fn leave_no_core_dump() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
}
