//! `vaultterm user …`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Map, Value, json};
use vaultterm_contract::UserView;
use vaultterm_sync::InstanceRole;

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    input,
    input_file::InputFile,
    shell,
    table::{Table, moment},
};

mod links;
mod profile;
mod recover;

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List people
    Ls,
    /// Invite a person: creates the account, and prints a link with which they choose a password
    Invite {
        /// E-mail address, to log in with
        email: String,
        /// Name for people [default: the e-mail address]
        #[arg(long)]
        name: Option<String>,
        /// What they may do on the installation as a whole
        #[arg(long, default_value = "member", value_parser = clap::builder::PossibleValuesParser::new(InstanceRole::NAMES))]
        role: String,
    },
    /// Print another invitation for a person who has no password yet
    InviteAgain {
        /// E-mail address or id
        user: String,
    },
    /// Print a link with which a person who lost the second factor begins again with a new password
    ResetLink {
        /// E-mail address or id
        user: String,
    },
    /// List the invitations and reset links of a person
    Links {
        /// E-mail address or id
        user: String,
    },
    /// Withdraw an invitation or a reset link that was not used
    Withdraw {
        /// E-mail address or id
        user: String,
        /// Id of the link
        link: uuid::Uuid,
    },
    /// Print a reset link on the host of the server, when no owner can log in
    Recover(recover::Args),
    /// Create a person
    Create {
        /// E-mail address, to log in with
        email: String,
        /// Name for people [default: the e-mail address]
        #[arg(long)]
        name: Option<String>,
        /// What they may do on the installation as a whole
        #[arg(long, default_value = "member", value_parser = clap::builder::PossibleValuesParser::new(InstanceRole::NAMES))]
        role: String,
        /// File that holds the password; `-` for stdin [default: asked for]
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Show a person
    Show {
        /// E-mail address or id
        user: String,
    },
    /// Show everything about a person: roles and where they come from, sessions, tokens, links
    Profile {
        /// E-mail address or id
        user: String,
    },
    /// Change a person
    Update {
        /// E-mail address or id
        user: String,
        /// New name for people
        #[arg(long)]
        name: Option<String>,
        /// New role on the installation
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(InstanceRole::NAMES))]
        role: Option<String>,
        /// File that holds a new password; `-` for stdin
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Logins and tokens stop working
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Logins and tokens work again
        #[arg(long)]
        enable: bool,
    },
    /// Delete a person with their logins, tokens and memberships
    Delete {
        /// E-mail address or id
        user: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    if let Command::Recover(args) = command {
        return recover::run(args, app).await;
    }
    let client = app.client()?;
    match command {
        Command::Recover(_) => Ok(Exit::Done),
        Command::Invite { email, name, role } => links::invite(&client, app, &email, name.as_deref(), &role).await,
        Command::InviteAgain { user } => links::make(&client, app, &user, "invitation").await,
        Command::ResetLink { user } => links::make(&client, app, &user, "reset-link").await,
        Command::Links { user } => links::list(&client, app, &user).await,
        Command::Withdraw { user, link } => links::withdraw(&client, app, &user, link).await,
        Command::Ls => list(&client, app).await,
        Command::Create { email, name, role, password_file } => {
            create(&client, app, &email, name.as_deref(), &role, password_file.as_deref()).await
        }
        Command::Show { user } => {
            let found = client.user(&user).await?;
            app.console.answer(&found.json, || facts(&found.data))?;
            Ok(Exit::Done)
        }
        Command::Profile { user } => profile::show(&client, app, &user).await,
        Command::Update { user, name, role, password_file, disable, enable } => {
            let mut body = Map::new();
            let mut change = |key: &str, value: Option<Value>| body.extend(value.map(|value| (key.to_owned(), value)));
            change("name", name.map(Value::from));
            change("role", role.map(Value::from));
            change("disabled", (disable || enable).then_some(disable.into()));
            if let Some(path) = password_file {
                change(
                    "password",
                    Some(
                        InputFile { path: &path, what: "the password", by: "--password-file" }
                            .secret()?
                            .as_str()
                            .into(),
                    ),
                );
            }
            update(&client, app, &user, body).await
        }
        Command::Delete { user, yes } => delete(&client, app, &user, yes).await,
    }
}

async fn list(client: &Client, app: &App) -> Result<Exit, Failure> {
    let list: Reply<Vec<UserView>> = client.list("/users", &Query::default(), None).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["EMAIL", "NAME", "ROLE", "STATE", "ID"], "no users");
        list.data.iter().fold(table, |table, user| {
            let (role, state) = (user.role.to_string(), user.state.to_string());
            table.row([user.email.clone(), user.name.clone(), role, state, user.id.to_string()])
        })
    })?;
    Ok(Exit::Done)
}

async fn create(
    client: &Client,
    app: &App,
    email: &str,
    name: Option<&str>,
    role: &str,
    password_file: Option<&Path>,
) -> Result<Exit, Failure> {
    let password = match password_file {
        Some(path) => InputFile { path, what: "the password", by: "--password-file" }.secret()?,
        None => input::ask_new_password("--password-file FILE (or -)")?,
    };
    let body = json!({ "email": email, "name": name.unwrap_or(email), "role": role, "password": password.as_str() });
    let created: Reply<UserView> = client.post("/users", &body, Patience::Usual).await?;
    app.console.answer(&created.json, || facts(&created.data))?;
    app.console.next(&format!("vaultterm collection grant COLLECTION {} --role viewer", shell::word(email)));
    Ok(Exit::Done)
}

async fn update(client: &Client, app: &App, user: &str, body: Map<String, Value>) -> Result<Exit, Failure> {
    if body.is_empty() {
        return Err(Failure::local("nothing to change was named").hint("see `vaultterm user update --help`"));
    }
    let found = client.user(user).await?.data;
    let updated: Reply<UserView> = client.patch(&format!("/users/{}", found.id), found.revision, &body).await?;
    app.console.answer(&updated.json, || facts(&updated.data))?;
    Ok(Exit::Done)
}

async fn delete(client: &Client, app: &App, user: &str, yes: bool) -> Result<Exit, Failure> {
    let found = client.user(user).await?.data;
    input::confirm(&format!("Delete `{}` with all logins and tokens?", found.email), yes)?;
    client.delete(&format!("/users/{}", found.id), Some(found.revision)).await?;
    app.console.note(&format!("deleted `{}`", found.email));
    Ok(Exit::Done)
}

fn facts(user: &UserView) -> Table {
    Table::of_facts()
        .fact("email", &user.email)
        .fact("name", &user.name)
        .fact("id", user.id.to_string())
        .fact("role", user.role.as_str())
        .fact("state", user.state.as_str())
        .fact("created", moment(&user.created_at))
}
