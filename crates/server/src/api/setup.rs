//! The set-up link: spent once, it makes the first owner.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use vaultterm_store::{InstanceRole, NewUser, User};
use zeroize::Zeroizing;

use super::users::{UserView, checked_email, checked_name};
use crate::{
    app::App,
    caller::anonymous,
    problem::Problem,
    request::{Body, Origin},
};

/// What the first owner tells.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    /// The token of the link that `vaultterm init` printed.
    pub(crate) token: String,
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    /// At least 12 characters.
    #[schema(value_type = String)]
    pub(crate) password: Zeroizing<String>,
}

/// Spends the set-up link and creates the first owner.
#[utoipa::path(post, path = "/setup", tag = "auth", security(()), request_body = Setup,
    responses((status = 201, body = UserView), (status = 409, body = Problem)))]
pub(crate) async fn spend(
    State(app): State<App>,
    origin: Origin,
    Body(setup): Body<Setup>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let user = first_owner(&app, &origin, setup).await?;
    Ok((StatusCode::CREATED, Json(UserView::of(&user))))
}

pub(crate) async fn first_owner(app: &App, origin: &Origin, setup: Setup) -> Result<User, Problem> {
    app.throttle.attempt(origin.source_ip)?;
    let email = checked_email(&setup.email)?;
    let name = checked_name(setup.name.as_deref().unwrap_or(&email))?;
    let password_hash = Some(app.passwords.hash("password", setup.password).await?);
    let owner = NewUser { email, name, role: InstanceRole::Owner, password_hash };
    Ok(app.store.spend_setup_link(&anonymous(app, origin), &setup.token, owner).await?)
}
