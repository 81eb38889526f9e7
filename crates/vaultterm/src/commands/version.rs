//! `vaultterm version`.

use serde_json::json;

use crate::{
    app::App,
    failure::{Exit, Failure},
};

/// Prints the version of this binary. Sends no request.
pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    app.console.answer_text(&json!({ "version": version }), || format!("vaultterm {version}\n"))?;
    Ok(Exit::Done)
}
