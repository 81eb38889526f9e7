//! `vaultterm health`: asks a server how it is, for programs that read the exit code.

use vaultterm_contract::StatusView;

use crate::{
    app::App,
    client::Client,
    failure::{Exit, Failure},
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Ask only whether the server answers, even if its root key is sealed
    #[arg(long)]
    live: bool,
}

/// Asks without a login. A server that is not ready is exit code 1, because container engines reserve others.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let client = Client::without_token(&app.settings)?;
    match client.get::<StatusView>(if args.live { "/livez" } else { "/readyz" }).await {
        Ok(reply) => {
            app.console.answer_text(&reply.json, || format!("{}\n", reply.data.status))?;
            Ok(Exit::Done)
        }
        Err(failure) => {
            app.console.failure(&failure);
            Ok(Exit::Local)
        }
    }
}
