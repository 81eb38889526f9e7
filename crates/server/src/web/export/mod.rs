//! The page of exports: records leave as a file for another program, after the page told what that file cannot hold.

mod save;
mod show;
mod words;

use axum::{Router, routing::get};

use crate::state::ServerState;

/// Puts the page together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new().route("/export", get(show::show).post(save::save))
}

#[cfg(test)]
pub(crate) mod samples {
    pub(crate) use super::show::samples::pages;
}
