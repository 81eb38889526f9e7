//! The pages of what moves between the two sides: the overview, connections, plans, runs.

mod connection;
mod overview;
mod picture;
mod plan;
mod run;
mod runs;
pub(crate) mod words;

use axum::{
    Router,
    routing::{get, post},
};

use crate::state::ServerState;

/// Puts the pages together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/connections/{id}", get(connection::show))
        .route("/connections/{id}/plan", post(connection::plan))
        .route("/connections/{id}/pause", post(connection::pause))
        .route("/connections/{id}/resume", post(connection::resume))
        .route("/connections/{id}/test", post(connection::test))
        .route("/plans/{id}", get(plan::show))
        .route("/plans/{id}/apply", post(plan::apply))
        .route("/plans/{id}/ticks", post(plan::count))
        .route("/plans/{id}/discard", post(plan::discard))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(run::show))
        .route("/runs/{id}/events", get(run::events))
        .route("/runs/{id}/cancel", post(run::cancel))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [
            super::overview::samples::pages(),
            super::connection::samples::pages(),
            super::plan::samples::pages(),
            super::run::samples::pages(),
            super::runs::samples::pages(),
        ]
        .concat()
    }
}
