//! The set-up link: spent once, it makes the first owner.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use vaultterm_operations::{
    Origin, Services,
    login::{self, FirstOwner},
};
use zeroize::Zeroizing;

use super::users::UserView;
use crate::{problem::Problem, request::Body};

/// What the first owner tells.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    /// The token of the link that `vaultterm init` printed.
    token: String,
    email: String,
    name: Option<String>,
    /// At least 12 characters.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
}

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
    Ok((StatusCode::CREATED, Json(UserView::of(&user))))
}
