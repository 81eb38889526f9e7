//! The pages of conflicts: what waits for a decision, and the decision.

mod alike;
mod by;
mod choice;
mod list;
mod show;

use axum::{
    Router,
    routing::{get, post},
};

use crate::state::ServerState;

/// Puts the pages of conflicts together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/conflicts", get(list::list))
        .route("/conflicts/{id}", get(show::show).post(show::decide))
        .route("/conflicts/{id}/reveal", post(show::reveal))
        .route("/conflicts/{id}/meaning", post(show::meaning_of))
        .route("/conflicts/{id}/alike", post(alike::plan))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [super::list::samples::pages(), super::show::samples::pages()].concat()
    }
}
