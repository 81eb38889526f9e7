//! `vaultterm login`, `logout` and `whoami`.

use std::path::PathBuf;

use serde_json::json;
use vaultterm_contract::{FactorsView, LoginView, MeView};
use zeroize::Zeroizing;

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
    #[arg(long, required_unless_present = "again")]
    email: Option<String>,
    /// File that holds the password; `-` for stdin [default: asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Code of the second factor: six digits, or a recovery code [default: asked for if it is needed]
    #[arg(long, value_name = "CODE")]
    otp: Option<String>,
    /// Prove again that it is you, for what needs a proof of the last ten minutes; the kept login stays
    #[arg(long, conflicts_with = "email")]
    again: bool,
}

/// Logs in and stores the token. The token is not printed, because a program should have its own (`vaultterm
/// token create`).
pub(crate) async fn login(args: Args, app: &App) -> Result<Exit, Failure> {
    let Some(email) = &args.email else { return again(&args, app).await };
    let client = Client::without_token(&app.settings)?;
    let logins = app.settings.logins()?;
    let password = password(&args)?;
    let mut body = json!({ "email": email, "password": password.as_str() });
    if let Some(code) = &args.otp {
        body["otp"] = code.as_str().into();
    }
    let mut answer = client.post("/auth/login", &body, Patience::Usual).await;
    if answer.as_ref().is_err_and(|failure| failure.needs_code) {
        body["otp"] = input::ask_secret("Code of the second factor", "--otp CODE")?.as_str().into();
        answer = client.post("/auth/login", &body, Patience::Usual).await;
    }
    let login: Reply<LoginView> = answer?;
    logins.keep(client.address(), &login.data.token)?;
    let answer =
        json!({ "address": client.address().to_string(), "email": email, "expires_at": login.data.expires_at });
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("address", client.address().to_string())
            .fact("email", email)
            .fact("expires", moment(&login.data.expires_at))
    })?;
    if let Some(name) = app.settings.token_override() {
        app.console.warn(&format!("{name} is set and wins over this login"));
    }
    app.console.next("vaultterm collection ls");
    Ok(Exit::Done)
}

/// Proves again that it is the person who is logged in. The server replaces the kept token.
async fn again(args: &Args, app: &App) -> Result<Exit, Failure> {
    if let Some(name) = app.settings.token_override() {
        return Err(Failure::local(format!("{name} is set, and only a login that is kept here can be proved again"))
            .hint("unset it, and log in with `vaultterm login`"));
    }
    let client = app.client()?;
    let factors: Reply<FactorsView> = client.get("/me/factors").await?;
    let body = match (&args.otp, factors.data.otp_since) {
        (Some(code), _) => json!({ "code": code }),
        (None, Some(_)) => {
            json!({ "code": input::ask_secret("Code of the second factor", "--otp CODE")?.as_str() })
        }
        (None, None) => json!({ "password": password(args)?.as_str() }),
    };
    let proved: Reply<LoginView> = client.post("/auth/step-up", &body, Patience::Usual).await?;
    app.settings.logins()?.keep(client.address(), &proved.data.token)?;
    app.console.note("for ten minutes you may do what needs a fresh proof");
    Ok(Exit::Done)
}

fn password(args: &Args) -> Result<Zeroizing<String>, Failure> {
    match &args.password_file {
        Some(path) => InputFile { path, what: "the password", by: "--password-file" }.secret(),
        None => input::ask_secret("Password", "--password-file FILE (or -)"),
    }
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
