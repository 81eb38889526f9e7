//! `vaultterm serve`: API, scheduler.

use std::{net::SocketAddr, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use vaultterm_hcv::VaultConnector;
use vaultterm_sealing::RootKey;
use vaultterm_server::{App as ServerApp, AppOptions, Opening, RootKeeper, Server, TlsPem, UnlockError};
use vaultterm_store::{Database, Store};

use crate::{
    app::App,
    failure::{Exit, Failure},
    installation::{self, Locked, broken},
    private_file,
    server_config::{ConfigArgs, LogFormat, ServerConfig, TlsFiles},
};

/// How long the first attempt to unseal the root key may hold up the start, how long the second
/// one waits, and the later ones at most.
const UNSEAL_AT_START: Duration = Duration::from_secs(5);
const UNSEAL_REST: Duration = Duration::from_secs(1);
const UNSEAL_REST_MAX: Duration = Duration::from_secs(60);

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
    tidy_up(&config);
    let keeper = config.keys.keeper()?;
    // What is wrong here is said at once; what is wrong in a Vault may heal while the server is up.
    let unlocked = match tokio::time::timeout(UNSEAL_AT_START, keeper.unlock(&database)).await {
        Ok(Ok(unlocked)) => Some(opened(unlocked).await?),
        Ok(Err(error)) if !error.may_heal() => return Err(installation::locked(&error)),
        Ok(Err(error)) => {
            tell_sealed(&error, 1);
            None
        }
        // Whoever waits for the address must not wait for a Vault that says nothing.
        Err(_) => {
            tracing::error!("Vault says nothing: everything is refused until the root key is open");
            None
        }
    };
    if let Some(mode) = installation::open_to_others(&config) {
        tracing::warn!("others may look into {} (mode {mode:o}): run chmod 700", config.data_dir.display());
    }
    let tls = config.tls.as_ref().map(read_tls).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let connector = VaultConnector::new(config.vault.clone());
    let failed = |error| Failure::local("the server cannot run").because(&error);
    let options = AppOptions {
        allow_plaintext_vault: config.vault.allow_plaintext,
        license: config.license.clone(),
        audit: config.audit.clone(),
    };
    let opening = match unlocked {
        Some(unlocked) => Opening::Done(Box::new(ServerApp::new(unlocked, keeper, connector, options))),
        None => Opening::Awaited(Box::pin(async move {
            let unlocked = unsealed(&keeper, &database).await;
            ServerApp::new(unlocked, keeper, connector, options)
        })),
    };
    let server = Server::bind(config.listen, tls).map_err(failed)?;
    let address = format!("{scheme}://{}", server.address());
    tracing::info!(address, data = %config.data_dir.display(), "listening");
    // On stdout, for whoever started it on port 0.
    app.console.value(&address, true)?;
    server.serve(opening, stopped()?).await.map_err(failed)?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// Removes what killed backups and restores left, unless one is at work now.
fn tidy_up(config: &ServerConfig) {
    let Ok(_turn) = installation::take_turn(config) else { return };
    if let Err(error) = vaultterm_store::clear_leftovers(&config.database) {
        tracing::warn!(%error, "what a killed backup or restore left could not be removed");
    }
}

/// The root key and the store it opened. The lock is ours: whoever held a lease is gone, and its
/// runs go on with the next ones.
async fn opened((store, root): (Store, RootKey)) -> Result<(Store, RootKey), Failure> {
    store.free_leases().await.map_err(|error| broken(&error))?;
    for (connection, reason) in store.guarded_connections().await.map_err(|error| broken(&error))? {
        tracing::warn!(connection, reason, "plan-only until a person acknowledges `rewound`");
    }
    Ok((store, root))
}

/// Tries to have the root key unsealed until it is, ever more rarely.
async fn unsealed(keeper: &RootKeeper, database: &Database) -> (Store, RootKey) {
    let mut rest = UNSEAL_REST;
    for attempt in 2_u64.. {
        // Not all servers at once, after a Vault came back.
        tokio::time::sleep(rest.mul_f64(0.75 + 0.5 * jitter())).await;
        rest = (rest * 2).min(UNSEAL_REST_MAX);
        let error = match keeper.unlock(database).await {
            Ok(unlocked) => match opened(unlocked).await {
                Ok(unlocked) => {
                    tracing::info!(attempt, "the root key is open");
                    return unlocked;
                }
                Err(failure) => {
                    tracing::error!(why = failure.causes.join(": "), "the database cannot be used");
                    continue;
                }
            },
            Err(error) => error,
        };
        tell_sealed(&error, attempt);
    }
    unreachable!("the attempts never end");
}

/// A number from 0 up to 1 that differs between machines and moments.
fn jitter() -> f64 {
    let [.., random] = uuid::Uuid::now_v7().into_bytes();
    f64::from(random) / 256.0
}

fn tell_sealed(error: &UnlockError, attempt: u64) {
    let hint = error.hint().unwrap_or_default();
    tracing::error!(attempt, %error, hint, "the root key is still sealed: everything is refused until it is open");
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
