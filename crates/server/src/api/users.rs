//! People.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::UnknownName;
use vaultterm_store::{InstanceRole, NewUser, Scope, StoreError, User, UserUpdate};
use zeroize::Zeroizing;

use super::{
    auth::check_own_password,
    collections::etag,
    list::{ListView, PageQuery, listed},
};
use crate::{
    app::App,
    caller::Caller,
    moment,
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
};

const EMAIL_CHARS_MAX: usize = 254;
pub(crate) const NAME_CHARS_MAX: usize = 200;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    id: Uuid,
    email: String,
    name: String,
    /// `member`, `admin` or `owner`.
    role: &'static str,
    disabled: bool,
    revision: u64,
    created_at: String,
    updated_at: String,
}

impl UserView {
    pub(crate) fn of(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            role: user.role.as_str(),
            disabled: user.disabled,
            revision: user.revision,
            created_at: moment::of_us(user.created_us),
            updated_at: moment::of_us(user.updated_us),
        }
    }
}

/// Lists people: to share a collection with somebody one must find them.
#[utoipa::path(get, path = "/users", tag = "users", params(PageQuery),
    responses((status = 200, body = ListView<UserView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<ListView<UserView>>, Problem> {
    app.need_scope(&caller, Scope::Admin).await?;
    Ok(listed(app.store.users(&query.page()?).await?, UserView::of))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserCreate {
    email: String,
    name: Option<String>,
    /// `member` (unless told), `admin` or `owner`.
    role: Option<String>,
    /// At least 12 characters. Without one the person cannot log in yet.
    #[schema(value_type = Option<String>)]
    password: Option<Zeroizing<String>>,
}

/// Creates a person.
#[utoipa::path(post, path = "/users", tag = "users", request_body = UserCreate,
    responses((status = 201, body = UserView), (status = 409, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<UserCreate>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    app.need_scope(&caller, Scope::Admin).await?;
    let role = body.role.as_deref().map(role).transpose()?.unwrap_or(InstanceRole::Member);
    app.need_instance(&caller, role.max(InstanceRole::Admin)).await?;
    let email = checked_email(&body.email)?;
    let name = checked_name(body.name.as_deref().unwrap_or(&email))?;
    let password_hash = match body.password {
        Some(password) => Some(app.passwords.hash("password", password).await?),
        None => None,
    };
    let new = NewUser { email, name, role, password_hash };
    let user = app.store.create_user(&caller.context(&app), new).await?;
    Ok((StatusCode::CREATED, Json(UserView::of(&user))))
}

/// Shows a person.
#[utoipa::path(get, path = "/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, body = UserView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<(HeaderMap, Json<UserView>), Problem> {
    app.need_scope(&caller, Scope::Admin).await?;
    let user = found(&app, id).await?;
    Ok((etag(user.revision), Json(UserView::of(&user))))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserPatch {
    name: Option<String>,
    role: Option<String>,
    /// Ends all logins of the person.
    #[schema(value_type = Option<String>)]
    password: Option<Zeroizing<String>>,
    /// Needed to change one's own password.
    #[schema(value_type = Option<String>)]
    current_password: Option<Zeroizing<String>>,
    disabled: Option<bool>,
}

/// Changes a person: oneself, or as an admin anybody but owners, or as an owner anybody.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", request_body = UserPatch,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = UserView), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    Body(body): Body<UserPatch>,
) -> Result<(HeaderMap, Json<UserView>), Problem> {
    app.need_scope(&caller, Scope::Admin).await?;
    let before = found(&app, id).await?;
    let role = body.role.as_deref().map(role).transpose()?;
    let own = caller.user.id == id;
    if !own || role.is_some() || body.disabled.is_some() {
        let needed = before.role.max(role.unwrap_or(InstanceRole::Member)).max(InstanceRole::Admin);
        app.need_instance(&caller, needed).await?;
    }
    // The role was judged at this revision. The store compares it again in the transaction of the change.
    let revision = if_match.required()?;
    if revision != before.revision {
        return Err(StoreError::Stale { what: "user", current: before.revision, expected: revision }.into());
    }
    if own && body.password.is_some() {
        let current = body
            .current_password
            .ok_or_else(|| Problem::field("current_password", "is needed to change your own password"))?;
        check_own_password(&app, &caller, current).await?;
    }
    let password_hash = match body.password {
        Some(password) => Some(app.passwords.hash("password", password).await?),
        None => None,
    };
    let name = body.name.as_deref().map(checked_name).transpose()?;
    let update = UserUpdate { name, role, password_hash, disabled: body.disabled };
    let user = app.store.update_user(&caller.context(&app), id, revision, update).await?;
    Ok((etag(user.revision), Json(UserView::of(&user))))
}

/// Deletes a person with all logins, tokens and memberships. Never the last owner.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 409, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    app.need_scope(&caller, Scope::Admin).await?;
    let user = found(&app, id).await?;
    app.need_instance(&caller, user.role.max(InstanceRole::Admin)).await?;
    // The role was judged at this revision. If the caller names none, the deletion still holds for this one only,
    // so that a person who becomes an owner meanwhile is not deleted by an admin.
    let expect = if_match.optional()?.unwrap_or(user.revision);
    if expect != user.revision {
        return Err(StoreError::Stale { what: "user", current: user.revision, expected: expect }.into());
    }
    app.store.delete_user(&caller.context(&app), id, expect).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn found(app: &App, id: Uuid) -> Result<User, Problem> {
    app.store.user(id).await?.ok_or_else(|| Problem::not_found("user"))
}

fn role(name: &str) -> Result<InstanceRole, Problem> {
    name.parse().map_err(|error: UnknownName| Problem::field("role", error.one_of()))
}

/// Checks an e-mail address no further than needed: mail proves the rest.
pub(crate) fn checked_email(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let wrong = || Problem::field("email", "is not an e-mail address");
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let odd = text.chars().any(|character| character.is_whitespace() || character.is_control());
    if local.is_empty() || domain.is_empty() || odd || text.chars().count() > EMAIL_CHARS_MAX {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

/// Checks a name for people.
pub(crate) fn checked_name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(Problem::field("name", format!("has 1 to {NAME_CHARS_MAX} printable characters")));
    }
    Ok(text.to_owned())
}
