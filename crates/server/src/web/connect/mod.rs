//! The way from an address to a first plan, in steps, and the changes of a connection afterwards.
//!
//! Until the connection exists, everything that was typed is part of the address: a reload, the way back and a link
//! keep it, and the server stores nothing. A credential is never part of an address.

mod draft;
mod edit;
mod login;
mod options;
mod place;
mod policy;
mod remove;
mod rights;
mod secret_id;
mod steps;

use axum::{
    Router,
    routing::{get, post},
};

use crate::state::ServerState;

/// Puts the pages together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/connections/new", get(place::show))
        .route("/connections/new/reach", post(place::reach))
        .route("/connections/new/policy", get(policy::show))
        .route("/connections/new/login", get(login::show).post(login::create))
        .route("/connections/{id}/rights", get(rights::show).post(rights::check))
        .route("/connections/{id}/options", get(options::show).post(options::save))
        .route("/connections/{id}/edit", get(edit::show).post(edit::save))
        .route("/connections/{id}/secret-id", get(secret_id::show).post(secret_id::save))
        .route("/connections/{id}/delete", get(remove::show).post(remove::delete))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [
            super::place::samples::pages(),
            super::policy::samples::pages(),
            super::login::samples::pages(),
            super::rights::samples::pages(),
            super::options::samples::pages(),
            super::edit::samples::pages(),
            super::secret_id::samples::pages(),
            super::remove::samples::pages(),
        ]
        .concat()
    }
}
