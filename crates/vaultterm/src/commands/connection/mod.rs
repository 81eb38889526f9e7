//! `vaultterm connection …`.

mod ignore;
mod policy;
mod settings;
pub(crate) mod test;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use vaultterm_contract::{AuthView, ConnectionView};

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    input,
    input_file::InputFile,
    shell,
    table::{Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Connect a collection to a place in Vault
    Create(Box<settings::CreateArgs>),
    /// List connections
    Ls,
    /// Show a connection
    Show {
        /// Name or id
        connection: String,
    },
    /// Change a connection
    Update(Box<settings::UpdateArgs>),
    /// Delete a connection; records and secrets stay
    Delete {
        /// Name or id
        connection: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Check everything a run needs: what is granted beside what is needed
    Test {
        /// Name or id
        connection: String,
    },
    /// Print the least-privilege policy, or the script that sets it up
    Policy(policy::Args),
    /// Replace the SecretID
    RotateSecretId {
        /// Name or id
        connection: String,
        #[command(flatten)]
        credential: CredentialArgs,
    },
    /// Accept that a secret is left out because it can never be taken over under its name
    Ignore {
        /// Name or id
        connection: String,
        /// The name in Vault, exactly as the plan shows it
        path: String,
        /// Why, for whoever looks later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Report a secret again that was accepted to be left out
    Unignore {
        /// Name or id
        connection: String,
        /// The name in Vault, exactly as it was accepted
        path: String,
    },
    /// List the secrets that are accepted to be left out
    Ignored {
        /// Name or id
        connection: String,
    },
    /// Stop runs from starting
    Pause {
        /// Name or id
        connection: String,
    },
    /// Let runs start again
    Resume {
        /// Name or id
        connection: String,
    },
}

/// How VaultTerm logs in to Vault.
#[derive(clap::Args, Debug)]
pub(crate) struct CredentialArgs {
    /// File that holds the SecretID; `-` for stdin
    #[arg(long, value_name = "FILE")]
    secret_id_file: Option<PathBuf>,
    /// File that holds a response-wrapping token of a SecretID; `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "secret_id_file")]
    wrapping_token_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// Reads the credential. Returns the name of the API's field, and its value.
    fn read(&self) -> Result<(&'static str, zeroize::Zeroizing<String>), Failure> {
        match (&self.secret_id_file, &self.wrapping_token_file) {
            (Some(path), _) => {
                Ok(("secret_id", InputFile { path, what: "the SecretID", by: "--secret-id-file" }.secret()?))
            }
            (None, Some(path)) => Ok((
                "wrapping_token",
                InputFile { path, what: "the wrapping token", by: "--wrapping-token-file" }.secret()?,
            )),
            (None, None) => {
                let instead = "--secret-id-file FILE or --wrapping-token-file FILE (or -)";
                Ok(("secret_id", input::ask_secret("SecretID", instead)?))
            }
        }
    }
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => settings::create(*args, app).await,
        Command::Ls => list(app).await,
        Command::Show { connection } => {
            let found = app.client()?.connection(&connection).await?;
            app.console.answer(&found.json, || facts(&found.data))?;
            Ok(Exit::Done)
        }
        Command::Update(args) => settings::update(*args, app).await,
        Command::Delete { connection, yes } => delete(&app.client()?, app, &connection, yes).await,
        Command::Test { connection } => test::run(&connection, app).await,
        Command::Policy(args) => policy::run(args, app).await,
        Command::RotateSecretId { connection, credential } => rotate(app, &connection, &credential).await,
        Command::Ignore { connection, path, reason } => {
            ignore::accept(app, &connection, &path, reason.as_deref()).await
        }
        Command::Unignore { connection, path } => ignore::take_back(app, &connection, &path).await,
        Command::Ignored { connection } => ignore::list(app, &connection).await,
        Command::Pause { connection } => pause(app, &connection, true).await,
        Command::Resume { connection } => pause(app, &connection, false).await,
    }
}

async fn list(app: &App) -> Result<Exit, Failure> {
    let list: Reply<Vec<ConnectionView>> = app.client()?.list("/connections", &Query::default(), None).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["NAME", "MODE", "STATE", "REMOTE", "CONFLICTS", "ID"], "no connections");
        list.data.iter().fold(table, |table, connection| {
            table.row([
                connection.name.clone(),
                connection.mode.to_string(),
                connection.state.to_string(),
                scope(connection),
                connection.open_conflicts.to_string(),
                connection.id.to_string(),
            ])
        })
    })?;
    Ok(Exit::Done)
}

async fn delete(client: &Client, app: &App, name: &str, yes: bool) -> Result<Exit, Failure> {
    let found = client.connection(name).await?.data;
    input::confirm(&format!("Delete the connection `{}`? Records and secrets stay.", found.name), yes)?;
    client.delete(&format!("/connections/{}", found.id), Some(found.revision)).await?;
    app.console.note(&format!("deleted the connection `{}`; records and secrets were left as they are", found.name));
    Ok(Exit::Done)
}

async fn rotate(app: &App, name: &str, credential: &CredentialArgs) -> Result<Exit, Failure> {
    let client = app.client()?;
    let found = client.connection(name).await?.data;
    let (field, value) = credential.read()?;
    let answer =
        client.put(&format!("/connections/{}/secret-id", found.id), &json!({ (field): value.as_str() })).await?;
    if app.console.format() == crate::console::Format::Json && !answer.is_null() {
        app.console.json(&answer)?;
    }
    app.console.note(&format!("replaced the SecretID of `{}`", found.name));
    app.console.next(&format!("vaultterm connection test {}", shell::word(&found.name)));
    Ok(Exit::Done)
}

async fn pause(app: &App, name: &str, paused: bool) -> Result<Exit, Failure> {
    let client = app.client()?;
    let found = client.connection(name).await?.data;
    let path = format!("/connections/{}/{}", found.id, if paused { "pause" } else { "resume" });
    let changed: Reply<ConnectionView> = client.post(&path, &json!({}), Patience::Usual).await?;
    app.console.answer(&changed.json, || facts(&changed.data))?;
    if paused {
        app.console.next(&format!("vaultterm connection resume {}", shell::word(&found.name)));
    }
    Ok(Exit::Done)
}

/// Returns the remote side as a single word: address, mount and path.
pub(crate) fn scope(connection: &ConnectionView) -> String {
    let path = if connection.path.is_empty() { String::new() } else { format!("/{}", connection.path) };
    let namespace = connection.namespace.as_deref().map_or(String::new(), |namespace| format!(" ({namespace})"));
    format!("{}{namespace} {}{path}", connection.address, connection.mount)
}

/// Returns how a connection logs in.
fn login(auth: &AuthView) -> String {
    let namespace = auth.namespace.as_deref().map_or(String::new(), |namespace| format!(", namespace {namespace}"));
    format!("AppRole {} (mount {}{namespace})", auth.role_id, auth.mount)
}

/// Returns a table about a connection for people.
fn facts(connection: &ConnectionView) -> Table {
    let mut table = Table::of_facts()
        .fact("name", &connection.name)
        .fact("id", connection.id.to_string())
        .fact("state", connection.state.as_str())
        .fact_if("", connection.state_detail.as_deref())
        .fact("collection", connection.collection_id.to_string())
        .fact("address", &connection.address)
        .fact_if("namespace", connection.namespace.as_deref())
        .fact("mount", &connection.mount)
        .fact("path", &connection.path)
        .fact("mode", connection.mode.as_str())
        .fact("login", login(&connection.auth))
        .fact_if("SecretID ends", connection.secret_id_expires_at.as_deref().map(moment))
        .fact_if("last verified", connection.last_verified_at.as_deref().map(moment))
        .fact_if(
            "last run",
            connection.last_run.as_ref().map(|run| format!("{} {}", run.state, moment(&run.started_at))),
        )
        .fact("open conflicts", connection.open_conflicts.to_string())
        .fact_if(
            "accepted",
            (connection.accepted_differences > 0)
                .then(|| format!("{} differ, as a person accepted", connection.accepted_differences)),
        );
    let options = serde_json::to_value(&connection.options).unwrap_or_default();
    for (name, value) in options.as_object().into_iter().flatten() {
        table = table.fact(&format!("option {name}"), crate::field_ref::plain(value));
    }
    for warning in &connection.warnings {
        table = table.fact("warning", warning);
    }
    table
}
