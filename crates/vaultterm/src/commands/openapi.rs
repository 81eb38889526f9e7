//! `vaultterm openapi`: prints the description of the API that the server also returns.

use crate::{
    app::App,
    failure::{Exit, Failure},
};

/// Prints the OpenAPI 3.1 document.
pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    app.console.json(&vaultterm_server::openapi())?;
    Ok(Exit::Done)
}
