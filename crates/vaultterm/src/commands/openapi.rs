//! `vaultterm openapi`: the description of the API, as the server answers it.

use crate::{
    app::App,
    failure::{Exit, Failure},
};

/// Prints OpenAPI 3.1.
pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    app.console.json(&vaultterm_server::openapi())?;
    Ok(Exit::Done)
}
