//! Links that work once: invitations, and resets for people who lost their second factor.

use uuid::Uuid;
use vaultterm_sealing::SecretText;
use vaultterm_store::{InstanceRole, LinkPurpose, PersonLink, Scope, User};
use zeroize::Zeroizing;

use crate::{
    access,
    caller::{Caller, Origin, anonymous},
    fresh::{self, Act},
    names,
    people::{self, New},
    refusal::{Refusal, RefusalKind},
    services::Services,
    throttle,
};

/// How long an invitation works, in microseconds.
const INVITATION_LASTS_US: i64 = 7 * 24 * 3_600 * 1_000_000;
/// How long a link that resets the second factor works, in microseconds.
pub const RESET_LASTS_US: i64 = 24 * 3_600 * 1_000_000;

/// A link that was made.
pub struct Made {
    /// The person.
    pub user: User,
    /// The link.
    pub link: PersonLink,
    /// Its text, which is shown once.
    pub text: SecretText,
}

/// Invites a person, of a role that is at most the caller's. The person can be given roles on collections at once, and
/// can log in after choosing a password.
///
/// # Errors
/// [`Refusal`]; `Exists` for an address that somebody has.
pub async fn invite(
    services: &Services,
    caller: &Caller,
    email: String,
    name: Option<String>,
    role: Option<String>,
) -> Result<Made, Refusal> {
    let user = people::create(services, caller, New { email, name, role, password: None }).await?;
    make(services, caller, user, LinkPurpose::Invitation).await
}

/// Makes another invitation for a person who has not chosen a password yet. The earlier
/// link no longer works.
///
/// # Errors
/// [`Refusal`]; `Refused` for a person who can log in already.
pub async fn invite_again(services: &Services, caller: &Caller, id: Uuid) -> Result<Made, Refusal> {
    let user = person_to_manage(services, caller, id).await?;
    fresh::fresh(services, caller, Act::ManagePeople).await?;
    if user.has_password {
        let why = "the person has a password already";
        return Err(Refusal::new(RefusalKind::Refused, why).hint("make a reset link for a person who cannot log in"));
    }
    make(services, caller, user, LinkPurpose::Invitation).await
}

/// Makes a reset link for a person who lost the second factor. With the link, the person sets a new password; that
/// deletes the second factors and ends all sessions. Only an owner of the installation can make one.
///
/// # Errors
/// [`Refusal`].
pub async fn reset(services: &Services, caller: &Caller, id: Uuid) -> Result<Made, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Owner).await?;
    fresh::fresh(services, caller, Act::ManagePeople).await?;
    let user = services.store.user(id).await?.ok_or_else(|| Refusal::not_found("user"))?;
    make(services, caller, user, LinkPurpose::Reset).await
}

/// Lists the links of a person, the newest first. Never their texts.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, id: Uuid) -> Result<Vec<PersonLink>, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Admin).await?;
    Ok(services.store.links(id).await?)
}

/// Withdraws a link that was not used.
///
/// # Errors
/// [`Refusal`].
pub async fn withdraw(services: &Services, caller: &Caller, id: Uuid, link: Uuid) -> Result<(), Refusal> {
    person_to_manage(services, caller, id).await?;
    Ok(services.store.withdraw_link(&caller.context(services), id, link).await?)
}

/// Opens a link: says for whom it is and what it does, and notes that it was opened.
///
/// # Errors
/// `Refused` for a link that is wrong, used or expired; `RateLimited` for an address with many attempts.
pub async fn open(services: &Services, origin: &Origin, text: &str) -> Result<(PersonLink, User), Refusal> {
    throttle::attempt(services, origin.source_ip).await?;
    let found = services.store.open_link(text.trim(), services.now_us()).await?;
    found.ok_or_else(|| {
        let why = "the link is wrong, was used already or has expired";
        Refusal::new(RefusalKind::Refused, why).hint("ask the person who sent it for a new one")
    })
}

/// Uses a link up: its person gets this password.
///
/// # Errors
/// `Refused` for a link that is wrong, used or expired; `Invalid` for a password that is too short.
pub async fn accept(
    services: &Services,
    origin: &Origin,
    text: &str,
    name: Option<&str>,
    password: Zeroizing<String>,
) -> Result<User, Refusal> {
    throttle::attempt(services, origin.source_ip).await?;
    let name = name.map(names::plain).transpose()?;
    let hash = services.passwords.hash("password", password).await?;
    let context = anonymous(services, origin);
    Ok(services.store.use_link(&context, text.trim(), name.as_deref(), &hash).await?)
}

async fn make(services: &Services, caller: &Caller, user: User, purpose: LinkPurpose) -> Result<Made, Refusal> {
    let lasts_us = match purpose {
        LinkPurpose::Invitation => INVITATION_LASTS_US,
        LinkPurpose::Reset => RESET_LASTS_US,
    };
    let context = caller.context(services);
    let (link, text) = services.store.make_link(&context, user.id, purpose, context.now_us + lasts_us).await?;
    Ok(Made { user, link, text })
}

/// Finds a person whom the caller may manage: an admin anybody but owners, an owner anybody.
async fn person_to_manage(services: &Services, caller: &Caller, id: Uuid) -> Result<User, Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    let user = services.store.user(id).await?;
    let role = user.as_ref().map_or(InstanceRole::Admin, |user| user.role.max(InstanceRole::Admin));
    access::instance(services, caller, role).await?;
    user.ok_or_else(|| Refusal::not_found("user"))
}
