//! `vaultterm token …`.

use clap::{Subcommand, builder::PossibleValuesParser};
use serde_json::json;
use vaultterm_contract::{IssuedView, TokenView};
use vaultterm_sync::Scope;

use crate::{
    app::App,
    client::{Client, Patience, Query, Reply},
    failure::{Exit, Failure},
    moments::seconds,
    table::{Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List your tokens
    Ls,
    /// Create a token for a program; it is shown once
    Create {
        /// Name for people
        name: String,
        /// What it may do; repeat, or separate with commas
        #[arg(long = "scope", required = true, value_delimiter = ',', value_parser = PossibleValuesParser::new(Scope::NAMES))]
        scopes: Vec<String>,
        /// When it ends: a number with s, m, h or d [default: never]
        #[arg(long, value_name = "DURATION", value_parser = seconds)]
        expires_in: Option<u64>,
    },
    /// Revoke a token
    Revoke {
        /// Name or id
        token: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match command {
        Command::Ls => list(&client, app).await,
        Command::Create { name, scopes, expires_in } => create(&client, app, &name, &scopes, expires_in).await,
        Command::Revoke { token } => revoke(&client, app, &token).await,
    }
}

/// Names scopes in one line.
pub(crate) fn scope_names(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

async fn list(client: &Client, app: &App) -> Result<Exit, Failure> {
    let list: Reply<Vec<TokenView>> = client.list("/tokens", &Query::default(), None).await?;
    app.console.answer(&list.json, || {
        let table = Table::new(&["NAME", "SCOPES", "EXPIRES", "LAST USED", "ID"], "no tokens");
        list.data.iter().fold(table, |table, token| {
            table.row([
                token.name.clone(),
                scope_names(&token.scopes),
                token.expires_at.as_deref().map_or("never".into(), moment),
                token.last_used_at.as_deref().map_or("never".into(), moment),
                token.id.to_string(),
            ])
        })
    })?;
    Ok(Exit::Done)
}

async fn create(
    client: &Client,
    app: &App,
    name: &str,
    scopes: &[String],
    expires_in: Option<u64>,
) -> Result<Exit, Failure> {
    let mut body = json!({ "name": name, "scopes": scopes });
    if let Some(seconds) = expires_in {
        body["expires_in_seconds"] = seconds.into();
    }
    let issued: Reply<IssuedView> = client.post("/tokens", &body, Patience::Usual).await?;
    app.console.answer_text(&issued.json, || format!("{}\n", issued.data.token.as_str()))?;
    app.console.note("the token is not stored and not shown again");
    app.console.next(&format!("vaultterm token revoke {}, when it is no longer needed", issued.data.id));
    Ok(Exit::Done)
}

async fn revoke(client: &Client, app: &App, wanted: &str) -> Result<Exit, Failure> {
    let list: Reply<Vec<TokenView>> = client.list("/tokens", &Query::default(), None).await?;
    let by_id = |token: &&TokenView| token.id.to_string() == wanted;
    let named: Vec<_> = list.data.iter().filter(|token| token.name == wanted).collect();
    let token = match (list.data.iter().find(by_id), named.as_slice()) {
        (Some(token), _) => token,
        (None, [token]) => token,
        (None, []) => {
            return Err(
                Failure::server(format!("there is no token `{wanted}`")).hint("list them with `vaultterm token ls`")
            );
        }
        (None, several) => {
            return Err(Failure::local(format!("{} tokens are named `{wanted}`", several.len()))
                .hint("name one by its id: `vaultterm token ls`"));
        }
    };
    client.delete(&format!("/tokens/{}", token.id), None).await?;
    app.console.note(&format!("revoked the token `{}`", token.name));
    Ok(Exit::Done)
}
