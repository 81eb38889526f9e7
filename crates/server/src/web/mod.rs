//! The pages: the same operations as the API, shown to people. Rendered on the server; a few scripts of our own change
//! text only, and everything works without them.
//!
//! A page is a file: what it shows (a struct), what it asks of the operations (a handler), and the template beside it.
//! Values of records never stand in a page but after a deliberate request, which is a `POST` and audited. The decisions
//! behind this are in docs/decisions/.
//!
//! Start reading at [`router`], then `records/show.rs`.

pub(crate) mod assets;
mod audit;
mod conflicts;
mod connect;
mod cookie;
mod device;
mod export;
mod form;
mod frame;
mod guard;
mod house;
mod import;
mod link;
mod login;
mod look;
mod me;
mod multipart;
mod page;
mod parts;
mod passkey;
mod people;
mod prove;
mod records;
mod refused;
#[cfg(test)]
mod samples;
mod second;
mod setup;
mod sync;
mod visitor;
mod words;

use axum::{
    Form, Router,
    extract::State,
    http::HeaderMap,
    middleware,
    routing::{get, post},
};
use vaultterm_operations::Origin;

pub(crate) use page::asks_page;
pub(crate) use refused::{Advice, page as refused_page};
use visitor::Visitor;

use crate::state::ServerState;

/// Puts the pages together.
pub(crate) fn router(app: &ServerState) -> Router<ServerState> {
    let places = || {
        let records = records::router().merge(import::router()).merge(export::router());
        let sync = sync::router().merge(connect::router()).merge(conflicts::router());
        records.merge(sync).merge(audit::router()).merge(house::router()).merge(me::router()).merge(people::router())
    };
    let pages = places()
        .route("/logout", post(login::log_out))
        .route("/login/kept", get(login::kept))
        .route("/login/prove", get(prove::form))
        .layer(middleware::from_fn_with_state(app.clone(), visitor::required));
    let repeatable: Router = places().with_state(app.clone());
    let after_proof = repeatable.clone();
    let prove = post(
        move |state: State<ServerState>,
              visitor: Visitor,
              origin: Origin,
              headers: HeaderMap,
              Form(shown): Form<prove::Filled>| {
            prove::submit(state, visitor, origin, headers, after_proof.clone(), shown)
        },
    );
    let carry_out = post(
        move |state: State<ServerState>,
              visitor: Visitor,
              origin: Origin,
              headers: HeaderMap,
              Form(kept): Form<login::Kept>| {
            login::carry_out(state, visitor, origin, headers, repeatable.clone(), kept)
        },
    );
    Router::new()
        .route("/login", get(login::form).post(login::log_in))
        .route("/login/again", get(login::form_again).post(login::log_in_again))
        .route("/login/passkey", post(passkey::log_in))
        .route("/login/passkey/ask", post(passkey::ask))
        .route("/login/code", get(second::form).post(second::submit))
        .route("/login/kept", carry_out)
        .route("/login/prove", prove)
        .route("/setup", get(setup::form).post(setup::submit))
        .route("/invite", get(people::link::invitation).post(people::link::accept))
        .route("/invite/open", post(people::link::open))
        .route("/reset", get(people::link::reset))
        .merge(pages)
        .layer(middleware::from_fn(guard::own_forms))
        .route("/static/{hash}/{name}", get(assets::file))
}
