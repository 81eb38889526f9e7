//! The pages of people: the list, one person, the members of a collection, and the links for one person.

pub(crate) mod link;
mod list;
mod members;
mod person;
mod shared;

use axum::{
    Router,
    routing::{get, post},
};

use crate::state::ServerState;

/// Puts the pages that need a session together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/people", get(list::show).post(list::invite))
        .route("/people/{id}", get(person::show).post(person::save))
        .route("/people/{id}/link", post(person::make_link))
        .route("/people/{id}/withdraw", post(person::withdraw))
        .route("/collections/{id}/members", get(members::show).post(members::save))
        .route("/collections/{id}/members/remove", post(members::remove))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [
            super::link::samples::pages(),
            super::list::samples::pages(),
            super::members::samples::pages(),
            super::person::samples::pages(),
        ]
        .concat()
    }
}
