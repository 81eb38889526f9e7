//! `vaultterm serve`: API, scheduler.

use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use vaultterm_hcv::{ConnectorOptions, VaultConnector};
use vaultterm_server::{App as ServerApp, AppOptions, Server, TlsPem};

use crate::{
    app::App,
    failure::{Exit, Failure},
    installation::{self, Locked, broken},
    private_file,
    server_config::{ConfigArgs, LogFormat, ServerConfig, TlsFiles},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Address and port of the API; port 0 takes a free one [env: VAULTTERM_LISTEN] [default: 127.0.0.1:8250]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(&args.config, args.listen)?;
    start_log(&config)?;
    leave_no_core_dump();
    let database = installation::open_existing(&config).await?;
    let Locked::ByUs(_lock) = installation::lock(&config)? else {
        return Err(Failure::local(format!("another server runs on {}", config.database.display()))
            .hint("one SQLite database serves one server: stop the other one, or name another data directory"));
    };
    let store = installation::unlock(&config, &database).await?;
    // The lock is ours: whoever held a lease is gone, and its runs go on with the next ones.
    store.free_leases().await.map_err(|error| broken(&error))?;
    if let Some(mode) = installation::open_to_others(&config) {
        tracing::warn!("others may look into {} (mode {mode:o}): run chmod 700", config.data_dir.display());
    }
    let tls = config.tls.as_ref().map(read_tls).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let allow_plaintext = config.allow_plaintext_vault;
    let request_timeout = config.vault_timeout;
    let connector =
        VaultConnector::new(ConnectorOptions { allow_plaintext, request_timeout, ..ConnectorOptions::default() });
    let server_app = ServerApp::new(store, connector, AppOptions { allow_plaintext_vault: allow_plaintext });
    let failed = |error| Failure::local("the server cannot run").because(&error);
    let server = Server::bind(server_app, config.listen, tls).map_err(failed)?;
    let address = format!("{scheme}://{}", server.address());
    tracing::info!(address, data = %config.data_dir.display(), "listening");
    // On stdout, for whoever started it on port 0.
    app.console.value(&address, true)?;
    server.serve(stopped()?).await.map_err(failed)?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// Waits for a signal that means: stop.
fn stopped() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::local("cannot listen for signals").because(&error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: open requests and runs may end");
    })
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

/// A core dump would hold keys and values. Best effort.
fn leave_no_core_dump() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
}

fn read_tls(files: &TlsFiles) -> Result<TlsPem, Failure> {
    private_file::check_mode(&files.key)?;
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| Failure::local(format!("cannot read {}", path.display())).because(&error))
    };
    Ok(TlsPem { certificates: read(&files.cert)?, key: read(&files.key)? })
}
