//! The set-up link: spent once, it makes the first owner.

use axum::{Json, extract::State, http::StatusCode};
use vaultterm_contract::{Setup, UserView};
use vaultterm_operations::{
    Origin, Services,
    login::{self, FirstOwner},
};

use crate::{problem::Problem, request::Body, view};

/// Spends the set-up link and creates the first owner.
#[utoipa::path(post, path = "/setup", tag = "auth", security(()), request_body = Setup,
    responses((status = 201, body = UserView), (status = 409, body = Problem)))]
pub(crate) async fn spend(
    State(services): State<Services>,
    origin: Origin,
    Body(setup): Body<Setup>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let Setup { token, email, name, password } = setup;
    let user = login::set_up(&services, &origin, FirstOwner { token, email, name, password }).await?;
    Ok((StatusCode::CREATED, Json(view::user(&user))))
}
