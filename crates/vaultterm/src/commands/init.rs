//! `vaultterm init`: creates the data directory, the root key and the database, and prepares the first owner.
//!
//! The command may run again, and keeps everything that exists. As long as there is no owner, it prints a new
//! set-up link each time.

use std::path::PathBuf;

use serde_json::json;
use vaultterm_sealing::{InstanceId, RootKey, SecretText};
use vaultterm_server::UnlockError;
use vaultterm_store::{Database, InstanceRole, NewUser, Store};

use crate::{
    app::App,
    failure::{Exit, Failure},
    input_file::InputFile,
    installation::{self, Locked, broken},
    private_file,
    server_config::{ConfigArgs, MasterKey, Provider, ServerConfig},
    shell,
    table::{Table, moment},
};

/// The lifetime of a set-up link in microseconds.
const LINK_HOLDS_US: i64 = 24 * 3_600 * 1_000_000;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// E-mail address of the first owner; without it, a single-use set-up link is printed
    #[arg(long, value_name = "EMAIL", requires = "owner_password_file")]
    owner_email: Option<String>,
    /// Name of the first owner [default: the address]
    #[arg(long, value_name = "NAME", requires = "owner_email")]
    owner_name: Option<String>,
    /// File that holds the first owner's password; `-` for stdin
    #[arg(long, value_name = "FILE", requires = "owner_email")]
    owner_password_file: Option<PathBuf>,
    /// Succeed without a change if the installation is set up already, or a server runs on it
    #[arg(long)]
    unless_set_up: bool,
}

/// Sets up the installation.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(&args.config, None)?;
    let owner = owner(&args)?;
    private_file::create_directory(&config.data_dir)?;
    let Locked::ByUs(_lock) = installation::lock(&config).await? else {
        if args.unless_set_up {
            return Ok(set_up_already(app));
        }
        return Err(
            Failure::local(format!("a server runs on {}", config.database)).hint("stop it first; it is set up already")
        );
    };
    let database = installation::open(&config).await?;
    let fresh = !database.is_initialised().await.map_err(|error| broken(&error))?;
    let store = if fresh {
        let root = initialise(&config, &database, app).await?;
        app.console.note(&format!("made the database {}", config.database));
        database.unlock(&root).await.map_err(|error| broken(&error))?
    } else {
        installation::unlock(&config, &database).await?
    };
    if installation::has_owner(&store).await.map_err(|error| broken(&error))? {
        if args.unless_set_up {
            return Ok(set_up_already(app));
        }
        return Err(Failure::local(format!("{} is set up already; nothing was changed", config.data_dir.display()))
            .hint("start it with `vaultterm serve`, then `vaultterm login`"));
    }
    match owner {
        Some(owner) => create_owner(&store, owner, &config, app).await?,
        None => print_link(&store, &config, app).await?,
    }
    store.close().await;
    app.console.next("vaultterm serve");
    Ok(Exit::Done)
}

fn set_up_already(app: &App) -> Exit {
    app.console.note("the installation is set up already; nothing was changed");
    Exit::Done
}

/// Reads and checks the owner before anything is created.
fn owner(args: &Args) -> Result<Option<NewUser>, Failure> {
    let (Some(email), Some(file)) = (&args.owner_email, &args.owner_password_file) else { return Ok(None) };
    let email = email.trim().to_owned();
    if !email.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty()) {
        return Err(Failure::local(format!("`{email}` is not an e-mail address")));
    }
    let password = InputFile { path: file, what: "the password", by: "--owner-password-file" }.secret()?;
    let hash = vaultterm_server::hash_password(&password)
        .map_err(|error| Failure::local("the password cannot be used").because(&error))?;
    let name = args.owner_name.clone().unwrap_or_else(|| email.clone());
    Ok(Some(NewUser { email, name, role: InstanceRole::Owner, password_hash: Some(hash) }))
}

/// Creates the installation, and its root key if there is none yet.
async fn initialise(config: &ServerConfig, database: &Database, app: &App) -> Result<RootKey, Failure> {
    let (context, instance) = (installation::operator(), InstanceId(vaultterm_sync::new_id()));
    let (root, sealed) = match config.keys.provider {
        Provider::Local => (new_root_key(config, app)?, None),
        Provider::Transit => {
            let (root, transit) = (RootKey::generate(), config.keys.transit()?);
            let sealed = vaultterm_server::seal(&transit, instance, &root, context.now_us).await;
            let sealed = sealed.map_err(|fault| installation::locked(&UnlockError::Vault(fault)))?;
            app.console.note(&format!("made the root key, sealed under {}", transit.describe()));
            app.console.note("without that Transit key nothing here opens: back it up, or `vaultterm key unseal` to a file that is kept offline");
            (root, Some(sealed))
        }
    };
    let made = database.initialise_as(&context, instance, &root, sealed.as_ref(), None).await;
    made.map_err(|error| broken(&error))?;
    Ok(root)
}

/// Returns the existing root key, or creates one.
fn new_root_key(config: &ServerConfig, app: &App) -> Result<RootKey, Failure> {
    match &config.keys.master_key {
        MasterKey::File(path) if !path.exists() => {
            let root = RootKey::generate();
            root.write_new(path).map_err(|error| Failure::local("cannot make the master key").because(&error))?;
            app.console.note(&format!("made the master key {}: back it up, apart from the database", path.display()));
            Ok(root)
        }
        MasterKey::File(path) => {
            RootKey::read(path).map_err(|error| Failure::local("the master key cannot be used").because(&error))
        }
        MasterKey::Given(text) => RootKey::from_hex(text, "DEV_MASTER_KEY")
            .map_err(|error| Failure::local("the master key cannot be used").because(&error)),
    }
}

async fn create_owner(store: &Store, owner: NewUser, config: &ServerConfig, app: &App) -> Result<(), Failure> {
    let user = store.create_user(&installation::operator(), owner).await.map_err(|error| broken(&error))?;
    let directory = config.data_dir.display().to_string();
    let answer = json!({ "data_dir": directory, "owner": user.email });
    app.console
        .answer(&answer, || Table::of_facts().fact("data directory", directory.as_str()).fact("owner", &user.email))
}

async fn print_link(store: &Store, config: &ServerConfig, app: &App) -> Result<(), Failure> {
    let token =
        SecretText::draw("vts_").map_err(|error| Failure::local("the system gives no randomness").because(&error))?;
    let context = installation::operator();
    let expires_us = context.now_us + LINK_HOLDS_US;
    store.store_setup_link(&context, token.expose(), expires_us).await.map_err(|error| broken(&error))?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let link = format!("{scheme}://{}/setup#{}", config.listen, token.expose());
    let expires_at = jiff::Timestamp::from_microsecond(expires_us).unwrap_or(jiff::Timestamp::MAX).to_string();
    let directory = config.data_dir.display().to_string();
    let answer = json!({ "data_dir": directory, "setup_link": link, "expires_at": expires_at });
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("data directory", directory.as_str())
            .fact("set-up link", link.as_str())
            .fact("holds until", moment(&expires_at))
    })?;
    app.console.note("open the link when the server runs: it works once, and creates the first owner");
    app.console.note(&format!(
        "or name the first owner now: vaultterm init --data-dir {} --owner-email EMAIL --owner-password-file -",
        shell::word(&directory)
    ));
    Ok(())
}
