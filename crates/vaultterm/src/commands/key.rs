//! `vaultterm key …`: the seal of the root key on this machine, and the state and rotation of the keys of a
//! running server.

use std::path::{Path, PathBuf};

use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use serde_json::json;
use vaultterm_contract::{KeyProvider, KeyRotation, KeysView, Rotate};
use vaultterm_sealing::{KeyState, RootKey, RootKeyError};
use vaultterm_store::Store;

use crate::{
    app::App,
    client::{Client, Patience, Reply},
    failure::{Exit, Failure},
    installation::{self, Lock, Locked, broken},
    output_place::never_a_dash,
    server_config::{ConfigArgs, MasterKey, Provider, ServerConfig},
    table::{Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Seal the root key under the Transit key that `KEY_HCV_…` name; the server must not run
    Seal {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Unseal the root key and write it to a file, to go back to KEY_PROVIDER=local or to keep it offline
    Unseal {
        #[command(flatten)]
        config: ConfigArgs,
        /// The file to write [default: MASTER_KEY_FILE]
        #[arg(long, value_name = "FILE", value_parser = never_a_dash())]
        to: Option<PathBuf>,
    },
    /// Show what keeps the root key, and the keys below it
    Status,
    /// Replace a key; `transit` seals the root key again under the newest version of the Transit key
    Rotate {
        /// Which key
        #[arg(value_parser = PossibleValuesParser::new(KeyRotation::NAMES).try_map(|name| name.parse::<KeyRotation>()))]
        key: KeyRotation,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    match command {
        Command::Seal { config } => seal(&config, app).await,
        Command::Unseal { config, to } => unseal(&config, to, app).await,
        Command::Status => {
            let keys: Reply<KeysView> = app.client()?.get("/keys").await?;
            show(&keys, app)
        }
        Command::Rotate { key } => rotate(&app.client()?, key, app).await,
    }
}

async fn seal(args: &ConfigArgs, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(args, None)?;
    if config.keys.provider == Provider::Transit {
        return Err(Failure::local("the root key is sealed already (KEY_PROVIDER=hcv-transit)")
            .hint("`vaultterm key rotate transit` seals it again under the newest version of the Transit key")
            .hint("to move it to another Transit key: `vaultterm key unseal`, KEY_PROVIDER=local, then `key seal`"));
    }
    let transit = config.keys.transit()?;
    let (_lock, store, root) = unlocked(&config).await?;
    let context = installation::operator();
    let sealed = vaultterm_server::seal(&transit, store.instance(), &root, context.now_us).await;
    let sealed = sealed.map_err(|fault| installation::locked(&vaultterm_server::UnlockError::Vault(fault)))?;
    store.keep_sealed_root(&context, &sealed).await.map_err(|error| broken(&error))?;
    store.close().await;
    let answer = json!({
        "ciphertext": sealed.ciphertext,
        "binding": sealed.binding,
        "transit_key": transit.describe(),
        "root_key_id": root.id().0,
    });
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("sealed under", transit.describe())
            .fact("bound by", sealed.binding.as_str())
            .fact("ciphertext", sealed.ciphertext.as_str())
    })?;
    app.console.note("the database keeps it too; it was opened again, and does not open for another installation");
    app.console.note("set KEY_PROVIDER=hcv-transit and start the server");
    if let MasterKey::File(path) = &config.keys.master_key {
        app.console.note(&format!("once it runs, move {} away from this machine, to be kept offline", path.display()));
    }
    Ok(Exit::Done)
}

async fn unseal(args: &ConfigArgs, to: Option<PathBuf>, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(args, None)?;
    let path = match (to, &config.keys.master_key) {
        (Some(path), _) => path,
        (None, MasterKey::File(path)) => path.clone(),
        (None, MasterKey::Given(_)) => return Err(Failure::local("name the file to write: --to FILE")),
    };
    let (_lock, store, root) = unlocked(&config).await?;
    // The audit entry is written first, because an action that cannot be audited must not happen.
    store.note_unsealed_root(&installation::operator(), root.id()).await.map_err(|error| broken(&error))?;
    write(&root, &path)?;
    store.close().await;
    app.console.answer(&json!({ "master_key_file": path, "root_key_id": root.id().0 }), || {
        Table::of_facts().fact("master key", path.display().to_string())
    })?;
    app.console.note("anyone who has this file and the database can read everything: keep it offline, or");
    app.console.note("to go on without Transit set KEY_PROVIDER=local, and MASTER_KEY_FILE if it is elsewhere");
    Ok(Exit::Done)
}

/// Writes the root key, unless the file already holds it.
fn write(root: &RootKey, path: &Path) -> Result<(), Failure> {
    let failed = |error: RootKeyError| Failure::local("the root key cannot be written").because(&error);
    if !path.exists() {
        return root.write_new(path).map_err(failed);
    }
    if RootKey::read(path).map_err(failed)?.id() == root.id() {
        return Ok(());
    }
    Err(Failure::local(format!("{} holds another root key; nothing was changed", path.display()))
        .hint("name another file with --to"))
}

/// Opens the database, and makes sure that no server runs on it.
async fn unlocked(config: &ServerConfig) -> Result<(Lock, Store, RootKey), Failure> {
    let database = installation::open_existing(config).await?;
    let Locked::ByUs(lock) = installation::lock(config).await? else {
        return Err(Failure::local(format!("a server runs on {}", config.database))
            .hint("stop it first: it takes a new key provider only when it starts"));
    };
    let unlocked = config.keys.keeper()?.unlock(&database).await;
    let (store, root) = unlocked.map_err(|error| installation::locked(&error))?;
    Ok((lock, store, root))
}

async fn rotate(client: &Client, key: KeyRotation, app: &App) -> Result<Exit, Failure> {
    let keys: Reply<KeysView> = client.post("/keys/rotate", &Rotate { key: key.to_string() }, Patience::Vault).await?;
    let exit = show(&keys, app)?;
    match key {
        KeyRotation::Record => {
            app.console.note("what is stored is moved to the new key now; `vaultterm key status` counts down");
        }
        KeyRotation::Audit => app
            .console
            .note("`vaultterm audit key` shows the new public key; the log names it under the old one's signature"),
        KeyRotation::Root if keys.data.provider == KeyProvider::Local => {
            app.console.note(&format!(
                "back up the new {}; the one before is beside it as .previous, for older backups",
                keys.data.kept_at
            ));
        }
        KeyRotation::Root => {
            app.console
                .note("a MASTER_KEY_CIPHERTEXT in the configuration belongs to the previous root key: remove it");
        }
        KeyRotation::Transit => {}
    }
    Ok(exit)
}

fn show(keys: &Reply<KeysView>, app: &App) -> Result<Exit, Failure> {
    let data = &keys.data;
    app.console.answer(&keys.json, || {
        let mut table = Table::of_facts().fact("provider", data.provider.as_str()).fact("root key", &data.kept_at);
        for sealed in data.sealed.iter().take(1) {
            let version = sealed.transit_key_version.map_or_else(String::new, |version| format!("v{version}, "));
            table = table.fact("sealed", format!("{version}{}, {}", sealed.binding, moment(&sealed.created_at)));
        }
        for key in &data.keys {
            let state = match key.state {
                KeyState::Active => "",
                KeyState::DecryptOnly => " (opens only)",
            };
            table = table.fact(key.purpose.as_str(), format!("generation {}{state}", key.generation));
        }
        if data.rewrap_pending > 0 {
            table = table.fact("still to be moved", data.rewrap_pending.to_string());
        }
        table
    })?;
    Ok(Exit::Done)
}
