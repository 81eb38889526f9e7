//! `vaultterm login`, `logout` and `whoami`.

use std::path::PathBuf;

use serde_json::json;
use vaultterm_contract::{LoginView, MeView};

use crate::{
    app::App,
    client::{Client, Patience, Reply},
    commands::token::scope_names,
    failure::{Exit, Failure},
    input,
    input_file::InputFile,
    table::{Table, moment},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// E-mail address
    #[arg(long)]
    email: String,
    /// File that holds the password; `-` for stdin [default: asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Code of the second factor
    #[arg(long, value_name = "CODE")]
    otp: Option<String>,
}

/// Logs in and stores the token. The token is not printed, because a program should have its own (`vaultterm
/// token create`).
pub(crate) async fn login(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = Client::without_token(&app.settings)?;
    let logins = app.settings.logins()?;
    let password = match &args.password_file {
        Some(path) => InputFile { path, what: "the password", by: "--password-file" }.secret()?,
        None => input::ask_secret("Password", "--password-file FILE (or -)")?,
    };
    let mut body = json!({ "email": args.email, "password": password.as_str() });
    if let Some(code) = args.otp {
        body["otp"] = code.into();
    }
    let login: Reply<LoginView> = client.post("/auth/login", &body, Patience::Usual).await?;
    logins.keep(client.address(), &login.data.token)?;
    let answer =
        json!({ "address": client.address().to_string(), "email": args.email, "expires_at": login.data.expires_at });
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("address", client.address().to_string())
            .fact("email", &args.email)
            .fact("expires", moment(&login.data.expires_at))
    })?;
    if let Some(name) = app.settings.token_override() {
        app.console.warn(&format!("{name} is set and wins over this login"));
    }
    app.console.next("vaultterm collection ls");
    Ok(Exit::Done)
}

/// Revokes the stored token and deletes it from this machine.
pub(crate) async fn logout(app: &App) -> Result<Exit, Failure> {
    let address = app.settings.address()?;
    let client = app.client()?;
    let revoked = client.post_only("/auth/logout", &json!({})).await;
    // The token is deleted here even if the server cannot be reached. The error is reported all the same.
    app.settings.logins()?.forget(&address)?;
    match revoked {
        // The token is not valid any more, so there is nothing to revoke.
        Err(failure) if failure.status == Some(401) => {}
        Err(failure) => return Err(failure.because_of("the token was forgotten here, but may still be valid")),
        Ok(()) => {}
    }
    app.console.note(&format!("logged out of {address}"));
    Ok(Exit::Done)
}

/// Shows the person to whom the token belongs.
pub(crate) async fn whoami(app: &App) -> Result<Exit, Failure> {
    let client = app.client()?;
    let me: Reply<MeView> = client.get("/auth/me").await?;
    app.console.answer(&me.json, || {
        let MeView { user, token } = &me.data;
        Table::of_facts()
            .fact("email", &user.email)
            .fact("name", &user.name)
            .fact("role", user.role.as_str())
            .fact("token", &token.name)
            .fact("scopes", scope_names(&token.scopes))
            .fact("expires", token.expires_at.as_deref().map_or("never".into(), moment))
            .fact("address", client.address().to_string())
    })?;
    Ok(Exit::Done)
}
