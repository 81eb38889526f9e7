//! `vaultterm session …`: where you are logged in.

use clap::Subcommand;
use vaultterm_contract::{EndedView, SessionView, SessionsView, TrustedDeviceView};

use crate::{
    app::App,
    client::{Client, Reply},
    failure::{Exit, Failure},
    table::{Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List your sessions, logins and remembered browsers
    Ls,
    /// End a session or a login, or forget a remembered browser
    End {
        /// Its id
        id: uuid::Uuid,
    },
    /// End all of your sessions and logins but this one
    EndOthers,
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match command {
        Command::Ls => list(&client, app).await,
        Command::End { id } => {
            client.delete(&format!("/me/sessions/{id}"), None).await?;
            app.console.note("ended");
            Ok(Exit::Done)
        }
        Command::EndOthers => {
            let ended: Reply<EndedView> = client.delete_for("/me/sessions").await?;
            app.console.answer(&ended.json, || Table::of_facts().fact("ended", ended.data.ended.to_string()))?;
            Ok(Exit::Done)
        }
    }
}

async fn list(client: &Client, app: &App) -> Result<Exit, Failure> {
    let mine: Reply<SessionsView> = client.get("/me/sessions").await?;
    app.console.answer(&mine.json, || {
        let table = Table::new(&["WHERE", "FROM", "HOW", "BEGAN", "LAST SEEN", "ENDS", "ID"], "no sessions");
        let table = mine.data.sessions.iter().fold(table, |table, session| table.row(of_session(session)));
        mine.data.remembered.iter().fold(table, |table, device| table.row(of_device(device)))
    })?;
    Ok(Exit::Done)
}

fn of_session(session: &SessionView) -> [String; 7] {
    let this = if session.current { " (this one)" } else { "" };
    [
        format!("{}{this}", session.device),
        session.source_ip.clone().unwrap_or_else(|| "?".to_owned()),
        session.method.map_or("login".to_owned(), |method| method.to_string()),
        moment(&session.began_at),
        moment(&session.seen_at),
        moment(&session.ends_at),
        session.id.to_string(),
    ]
}

fn of_device(device: &TrustedDeviceView) -> [String; 7] {
    [
        device.device.clone(),
        device.source_ip.clone().unwrap_or_else(|| "?".to_owned()),
        "remembered".to_owned(),
        moment(&device.began_at),
        "-".to_owned(),
        moment(&device.ends_at),
        device.id.to_string(),
    ]
}
