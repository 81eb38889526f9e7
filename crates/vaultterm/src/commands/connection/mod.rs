//! `vaultterm connection …`.

mod credential;
mod facts;
mod ignore;
mod policy;
mod reach;
mod settings;
pub(crate) mod test;

use clap::Subcommand;
use serde_json::json;
use vaultterm_contract::ConnectionView;

use self::{credential::CredentialArgs, facts::facts};
use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    input, shell,
    table::Table,
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Connect a collection to a place in Vault
    Create(Box<settings::CreateArgs>),
    /// Ask a server for its health before there is a connection to it; logs in nowhere and stores nothing
    Reach(reach::Args),
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
    /// Check everything that a run needs, and show each needed right with what is granted
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
    /// Accept that a secret is left out because it cannot become a record under its name
    Ignore {
        /// Name or id
        connection: String,
        /// The name in Vault, exactly as the plan shows it
        path: String,
        /// The reason, for people who look later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Report a secret again that was accepted as left out
    Unignore {
        /// Name or id
        connection: String,
        /// The name in Vault, exactly as it was accepted
        path: String,
    },
    /// List the secrets that are accepted as left out
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

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => settings::create(*args, app).await,
        Command::Reach(args) => reach::run(args, app).await,
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
