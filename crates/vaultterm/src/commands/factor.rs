//! `vaultterm factor …`: your own second factor and recovery codes.

use clap::Subcommand;
use serde_json::json;
use vaultterm_contract::{FactorsView, NewOtpView, RecoveryCodesView};

use crate::{
    app::App,
    client::{Client, Patience, Reply},
    failure::{Exit, Failure},
    input,
    table::{Table, moment},
};

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show your second factor, and how many recovery codes are left
    Show,
    /// Begin to use one-time codes: prints a secret for your authenticator app
    Add,
    /// Switch one-time codes on with a first code from the app; prints your recovery codes, once
    Confirm {
        /// Six digits
        code: String,
    },
    /// Switch one-time codes off
    Remove {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Replace your recovery codes; prints the new ones, once
    RecoveryCodes,
    /// Show that you kept your recovery codes, by typing one of them; it stays unused
    Kept {
        /// One of the codes
        code: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    match command {
        Command::Show => show(&client, app).await,
        Command::Add => add(&client, app).await,
        Command::Confirm { code } => confirm(&client, app, &code).await,
        Command::Remove { yes } => {
            input::confirm("Log in without a second factor from now on?", yes)?;
            client.delete("/me/factors/otp", None).await?;
            app.console.note("a login no longer asks for a code");
            Ok(Exit::Done)
        }
        Command::RecoveryCodes => {
            let made: Reply<RecoveryCodesView> = client.post("/me/recovery-codes", &json!({}), Patience::Usual).await?;
            codes(app, &made)
        }
        Command::Kept { code } => {
            client.post_only("/me/recovery-codes/confirm", &json!({ "code": code })).await?;
            app.console.note("noted: you have your recovery codes");
            Ok(Exit::Done)
        }
    }
}

async fn show(client: &Client, app: &App) -> Result<Exit, Failure> {
    let found: Reply<FactorsView> = client.get("/me/factors").await?;
    app.console.answer(&found.json, || {
        let FactorsView { otp_since, recovery_codes_left, recovery_codes_kept, .. } = &found.data;
        let since = otp_since.as_deref().map_or("off".to_owned(), |since| format!("on since {}", moment(since)));
        let kept = if *recovery_codes_kept { "kept" } else { "not typed back yet" };
        let table = Table::of_facts().fact("one-time codes", since);
        match otp_since {
            Some(_) => table.fact("recovery codes", format!("{recovery_codes_left} of 10 left, {kept}")),
            None => table,
        }
    })?;
    Ok(Exit::Done)
}

async fn add(client: &Client, app: &App) -> Result<Exit, Failure> {
    let drawn: Reply<NewOtpView> = client.post("/me/factors/otp", &json!({}), Patience::Usual).await?;
    app.console.answer(&drawn.json, || {
        Table::of_facts().fact("secret", drawn.data.secret.as_str()).fact("link", drawn.data.url.as_str())
    })?;
    app.console.note("a login asks for codes only after the first right one");
    app.console.next("vaultterm factor confirm CODE, with the code that your authenticator app shows");
    Ok(Exit::Done)
}

async fn confirm(client: &Client, app: &App, code: &str) -> Result<Exit, Failure> {
    let body = json!({ "code": code });
    let made: Reply<RecoveryCodesView> = client.post("/me/factors/otp/confirm", &body, Patience::Usual).await?;
    app.console.note("a login asks for a code from now on");
    codes(app, &made)
}

/// Prints recovery codes, one a line.
fn codes(app: &App, made: &Reply<RecoveryCodesView>) -> Result<Exit, Failure> {
    app.console.answer_text(&made.json, || {
        made.data.codes.iter().map(|code| format!("{}\n", code.as_str())).collect::<String>()
    })?;
    app.console
        .note("keep these codes where your telephone is not: each lets you in once, and they are not shown again");
    app.console.next("vaultterm factor kept CODE, with one of them");
    Ok(Exit::Done)
}
