//! People: finding, creating and changing them.

use uuid::Uuid;
use vaultterm_reconcile::UnknownName;
use vaultterm_store::{InstanceRole, NewUser, Paged, Scope, StoreError, User, UserUpdate};
use zeroize::Zeroizing;

use crate::{
    access,
    caller::Caller,
    fresh::{Act, fresh},
    login::check_own_password,
    names,
    part::Part,
    read_at::ReadAt,
    refusal::Refusal,
    services::Services,
};

/// Lists people. Every caller may: to share a collection with a person they must find them.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, part: Part) -> Result<Paged<User>, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    Ok(services.store.users(&part.page()?).await?)
}

/// Finds a person by e-mail address, to share a collection with them. Every caller may.
///
/// # Errors
/// [`Refusal`].
pub async fn find(services: &Services, caller: &Caller, email: &str) -> Result<Option<User>, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    Ok(services.store.user_by_email(email).await?)
}

/// A person to create.
#[derive(Default)]
pub struct New {
    /// The e-mail address.
    pub email: String,
    /// The name; the address unless told.
    pub name: Option<String>,
    /// `member` (unless told), `admin` or `owner`.
    pub role: Option<String>,
    /// The password. Without one the person cannot log in yet.
    pub password: Option<Zeroizing<String>>,
}

/// Creates a person, of a role that is at most the caller's. The caller is an admin of the installation.
///
/// # Errors
/// [`Refusal`].
pub async fn create(services: &Services, caller: &Caller, new: New) -> Result<User, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    let role = new.role.as_deref().map(role).transpose()?.unwrap_or(InstanceRole::Member);
    access::instance(services, caller, role.max(InstanceRole::Admin)).await?;
    fresh(services, caller, Act::ManagePeople).await?;
    let email = names::email(&new.email)?;
    let name = names::plain(new.name.as_deref().unwrap_or(&email))?;
    let password_hash = hashed(services, new.password).await?;
    let new = NewUser { email, name, role, password_hash };
    Ok(services.store.create_user(&caller.context(services), new).await?)
}

/// Finds a person.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<User, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    found(services, id).await
}

/// What to change of a person. A part that is `None` stays as it is.
#[derive(Default)]
pub struct Change {
    /// The name.
    pub name: Option<String>,
    /// The role, by name.
    pub role: Option<String>,
    /// The password. A new one ends all logins of the person.
    pub password: Option<Zeroizing<String>>,
    /// The password before: needed to change one's own.
    pub current_password: Option<Zeroizing<String>>,
    /// Whether the person is locked out.
    pub disabled: Option<bool>,
}

/// Changes a person: oneself (name and password), or as an admin anybody but owners, or as an owner anybody.
///
/// # Errors
/// [`Refusal`]; `Changed` when the person is at another revision than the caller read.
pub async fn update(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    read_at: ReadAt,
    change: Change,
) -> Result<User, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    let before = found(services, id).await?;
    let role = change.role.as_deref().map(role).transpose()?;
    let own = caller.user.id == id;
    if !own || role.is_some() || change.disabled.is_some() {
        let needed = before.role.max(role.unwrap_or(InstanceRole::Member)).max(InstanceRole::Admin);
        access::instance(services, caller, needed).await?;
        fresh(services, caller, if role.is_some() { Act::ChangeRoles } else { Act::ManagePeople }).await?;
    }
    // The role was judged at this revision. The store compares it again in the transaction of the change.
    let revision = read_at.needed()?;
    still_at(&before, revision)?;
    if own && change.password.is_some() {
        let current = change
            .current_password
            .ok_or_else(|| Refusal::field("current_password", "is needed to change your own password"))?;
        check_own_password(services, caller, current).await?;
    }
    let password_hash = hashed(services, change.password).await?;
    let name = change.name.as_deref().map(names::plain).transpose()?;
    let update = UserUpdate { name, role, password_hash, disabled: change.disabled };
    Ok(services.store.update_user(&caller.context(services), id, revision, update).await?)
}

/// Deletes a person with all logins, tokens and memberships. The last owner cannot be deleted.
///
/// # Errors
/// [`Refusal`].
pub async fn delete(services: &Services, caller: &Caller, id: Uuid, read_at: ReadAt) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    let user = found(services, id).await?;
    access::instance(services, caller, user.role.max(InstanceRole::Admin)).await?;
    fresh(services, caller, Act::ManagePeople).await?;
    // The role was judged at this revision. If the caller names no revision, the deletion still applies to this
    // revision only, so that an admin cannot delete a person who becomes an owner in the meantime.
    let expect = read_at.if_told()?.unwrap_or(user.revision);
    still_at(&user, expect)?;
    Ok(services.store.delete_user(&caller.context(services), id, expect).await?)
}

fn still_at(user: &User, expected: u64) -> Result<(), StoreError> {
    if user.revision == expected {
        return Ok(());
    }
    Err(StoreError::Stale { what: "user", current: user.revision, expected })
}

async fn hashed(services: &Services, password: Option<Zeroizing<String>>) -> Result<Option<String>, Refusal> {
    match password {
        Some(password) => services.passwords.hash("password", password).await.map(Some),
        None => Ok(None),
    }
}

async fn found(services: &Services, id: Uuid) -> Result<User, Refusal> {
    services.store.user(id).await?.ok_or_else(|| Refusal::not_found("user"))
}

fn role(name: &str) -> Result<InstanceRole, Refusal> {
    name.parse().map_err(|unknown: UnknownName| Refusal::field("role", unknown.one_of()))
}
