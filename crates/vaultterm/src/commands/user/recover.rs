//! `vaultterm user recover`: a reset link, made on the host of the server. It is the last way in when no owner can log in.

use serde_json::json;
use vaultterm_server::RESET_LASTS_US;
use vaultterm_store::LinkPurpose;

use crate::{
    app::App,
    failure::{Exit, Failure},
    installation::{self, broken},
    server_config::{ConfigArgs, ServerConfig},
    table::{Table, moment},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// E-mail address of the person
    #[arg(value_name = "EMAIL")]
    email: String,
}

/// Makes a reset link in the database. The server may run meanwhile.
pub(super) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let config = ServerConfig::load(&args.config, None)?;
    installation::refuse_older(&config, "use the version that the server has").await?;
    let database = installation::open_existing(&config).await?;
    let store = installation::unlock(&config, &database).await?;
    let user = store.user_by_email(&args.email).await.map_err(|error| broken(&error))?;
    let user = user.ok_or_else(|| Failure::local(format!("nobody here has the address `{}`", args.email)))?;
    let context = installation::operator();
    let expires_us = context.now_us + RESET_LASTS_US;
    let made = store.make_link(&context, user.id, LinkPurpose::Reset, expires_us).await;
    let (_, token) = made.map_err(|error| broken(&error))?;
    store.close().await;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let link = format!("{scheme}://{}/reset#{}", config.listen, token.expose());
    let expires_at = jiff::Timestamp::from_microsecond(expires_us).unwrap_or(jiff::Timestamp::MAX).to_string();
    let answer = json!({ "email": user.email, "link": link, "expires_at": expires_at });
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("email", &user.email)
            .fact("link", link.as_str())
            .fact("holds until", moment(&expires_at))
    })?;
    if user.disabled {
        app.console.warn("the person is disabled: the link works only after an owner has enabled them");
    }
    app.console.note("open the link, once, when the server runs: it sets a new password and removes the second factor");
    Ok(Exit::Done)
}
