//! Forms of pages that came when their session had ended, or before a proof. They are kept for a few minutes, for their
//! person alone.

use uuid::Uuid;
use vaultterm_sealing::SecretBytes;
use vaultterm_store::Draft;

use crate::{refusal::Refusal, services::Services};

/// The largest form that is kept, in bytes.
pub const BODY_MAX: usize = 2 * 1024 * 1024;

/// Keeps a form of a person, and returns its id.
///
/// # Errors
/// When the database fails.
pub async fn keep(services: &Services, user_id: Uuid, address: String, body: Vec<u8>) -> Result<Uuid, Refusal> {
    let draft = Draft { address, body: SecretBytes::new(body) };
    Ok(services.store.keep_draft(user_id, &draft, services.now_us()).await?)
}

/// Tells whose form it is, by e-mail address. `None` when it is not kept any more.
///
/// # Errors
/// When the database fails.
pub async fn owner(services: &Services, id: Uuid) -> Result<Option<String>, Refusal> {
    Ok(services.store.draft_owner(id, services.now_us()).await?.map(|(_, email)| email))
}

/// Returns the id of a form if the form is kept for a person.
///
/// # Errors
/// When the database fails.
pub async fn kept_for(services: &Services, id: Option<Uuid>, user_id: Uuid) -> Result<Option<Uuid>, Refusal> {
    let Some(id) = id else { return Ok(None) };
    let owner = services.store.draft_owner(id, services.now_us()).await?;
    Ok(owner.filter(|(owner, _)| *owner == user_id).map(|_| id))
}

/// Hands out a form, once, to the person whose it is.
///
/// # Errors
/// When the database fails, or the form does not open.
pub async fn take(services: &Services, id: Uuid, user_id: Uuid) -> Result<Option<Draft>, Refusal> {
    Ok(services.store.take_draft(id, user_id, services.now_us()).await?)
}
