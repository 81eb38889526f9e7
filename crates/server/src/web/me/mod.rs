//! The pages of what belongs to the person who looks at them: the account, the second factor, sessions, API tokens.

mod account;
mod factors;
mod passkeys;
mod qr;
mod sessions;
mod tokens;

use axum::{
    Router,
    routing::{get, post},
};

use crate::state::ServerState;

/// Puts the pages together.
pub(crate) fn router() -> Router<ServerState> {
    Router::new()
        .route("/me", get(account::show).post(account::save))
        .route("/me/look", post(account::look))
        .route("/me/password", post(account::password))
        .route("/me/factors", get(factors::show))
        .route("/me/factors/otp", post(factors::begin))
        .route("/me/factors/otp/confirm", post(factors::confirm))
        .route("/me/factors/otp/remove", post(factors::remove))
        .route("/me/passkeys", post(passkeys::make))
        .route("/me/passkeys/ask", post(passkeys::ask))
        .route("/me/passkeys/remove", post(passkeys::remove))
        .route("/me/recovery-codes", post(factors::new_codes))
        .route("/me/recovery-codes/confirm", post(factors::type_back))
        .route("/me/sessions", get(sessions::show))
        .route("/me/sessions/end", post(sessions::end))
        .route("/me/sessions/end-others", post(sessions::end_others))
        .route("/me/tokens", get(tokens::show).post(tokens::create))
        .route("/me/tokens/revoke", post(tokens::revoke))
}

#[cfg(test)]
pub(crate) mod samples {
    /// Every page of this folder, rendered.
    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        [
            super::account::samples::pages(),
            super::factors::samples::pages(),
            super::sessions::samples::pages(),
            super::tokens::samples::pages(),
        ]
        .concat()
    }
}
