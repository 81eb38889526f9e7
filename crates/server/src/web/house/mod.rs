//! The pages of the installation itself: how it is, its license, its keys, its webhooks.

mod health;
mod keys;
mod license;
mod webhooks;

use axum::{
    Router,
    routing::{get, post},
};

use crate::state::ServerState;

/// Puts the pages together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/health", get(health::show))
        .route("/license", get(license::show).post(license::install))
        .route("/license/evaluate", post(license::evaluate))
        .route("/keys", get(keys::show))
        .route("/keys/rotate", post(keys::rotate))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhooks/{id}/test", post(webhooks::test))
        .route("/webhooks/{id}/pause", post(webhooks::pause))
        .route("/webhooks/{id}/resume", post(webhooks::resume))
        .route("/webhooks/{id}/delete", post(webhooks::delete))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [
            super::health::samples::pages(),
            super::license::samples::pages(),
            super::keys::samples::pages(),
            super::webhooks::samples::pages(),
        ]
        .concat()
    }
}
