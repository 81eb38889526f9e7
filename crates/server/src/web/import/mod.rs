//! The pages of imports: a file of another program becomes records, after a person saw what each of its items becomes.

mod acts;
mod going;
mod rows;
mod show;
mod undo;
mod upload;
mod words;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::{request::UPLOAD_BYTES_MAX, state::ServerState};

/// Puts the pages together. Only the form that brings a file may be large.
pub(crate) fn router() -> Router<ServerState> {
    let upload = get(upload::form).post(upload::submit).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX));
    Router::new()
        .route("/import", upload)
        .route("/imports/{id}", get(show::show).post(acts::commit))
        .route("/imports/{id}/discard", post(acts::discard))
        .route("/imports/{id}/undo", get(undo::form).post(undo::undo))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [
            super::upload::samples::pages(),
            super::show::samples::pages(),
            super::going::samples::pages(),
            super::undo::samples::pages(),
        ]
        .concat()
    }
}
