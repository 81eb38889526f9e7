//! The pages of the audit log: what happened, in words, and the state of the log itself.

mod entry;
mod list;
mod words;

use axum::{
    Router,
    routing::{get, post},
};

use crate::state::ServerState;

/// Puts the pages together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/audit", get(list::list))
        .route("/audit/verify", post(list::verify))
        .route("/audit/export", post(list::export))
        .route("/audit/{seq}", get(entry::show))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [super::list::samples::pages(), super::entry::samples::pages()].concat()
    }
}
