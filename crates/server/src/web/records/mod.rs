//! The pages of records.

mod aids;
mod draft;
mod edit;
mod generated;
mod history;
mod list;
mod many;
mod merge;
mod new;
mod relocate;
mod reveal;
mod review;
mod rules;
mod show;
mod standing;
mod trash;
mod values;

use axum::{
    Router,
    routing::{get, post},
};

use crate::state::ServerState;

/// Puts the pages of records together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/records", get(list::list))
        .route("/trash", get(list::trash))
        .route("/collections", post(new::collection))
        .route("/records/new", get(new::form).post(new::submit))
        .route("/generate", post(aids::generate))
        .route("/generated", get(generated::list))
        .route("/generated/{id}/reveal", post(generated::reveal))
        .route("/records/many", post(many::submit))
        .route("/records/{id}", get(show::show))
        .route("/records/{id}/move", get(relocate::form).post(relocate::relocate))
        .route("/records/{id}/reveal", post(reveal::reveal))
        .route("/records/{id}/otp", post(reveal::otp))
        .route("/records/{id}/edit", get(edit::form).post(edit::submit))
        .route("/records/{id}/history", get(history::history))
        .route("/records/{id}/restore", post(trash::restore))
        .route("/records/{id}/trash", get(trash::form).post(trash::trash))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [
            super::list::samples::pages(),
            super::show::samples::pages(),
            super::edit::samples::pages(),
            super::review::samples::pages(),
            super::history::samples::pages(),
            super::trash::samples::pages(),
            super::relocate::samples::pages(),
            super::many::samples::pages(),
            super::values::samples::pages(),
            super::generated::samples::pages(),
        ]
        .concat()
    }
}
