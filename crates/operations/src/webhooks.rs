//! Webhooks: where the audit log is pushed to.

use uuid::Uuid;
use vaultterm_ledger::AuditAction;
use vaultterm_outbound::Address;
use vaultterm_sealing::{SealingError, WebhookSecret};
use vaultterm_store::{InstanceRole, NewWebhook, Paged, Scope, StoreError, Webhook, WebhookUpdate};
use zeroize::Zeroizing;

pub use crate::deliveries::Tried;
use crate::{
    access,
    caller::Caller,
    deliveries::delivery::try_out,
    fresh::{Act, fresh},
    names,
    part::Part,
    read_at::ReadAt,
    refusal::{Refusal, RefusalKind},
    services::Services,
};

const URL_CHARS_MAX: usize = 2_000;

/// A webhook, with its secret if that was drawn just now.
pub struct Made {
    /// The webhook.
    pub webhook: Webhook,
    /// Signs the messages: shown this once.
    pub secret: Option<Zeroizing<String>>,
}

/// Lists webhooks by name.
///
/// # Errors
/// [`Refusal`].
pub async fn list(services: &Services, caller: &Caller, part: Part) -> Result<Paged<Webhook>, Refusal> {
    may_manage(services, caller).await?;
    Ok(services.store.webhooks(&part.page()?).await?)
}

/// A webhook to create.
pub struct New {
    /// Its name.
    pub name: String,
    /// The receiver: https, or plain http to loopback.
    pub url: String,
    /// The secret that signs the messages; drawn unless told.
    pub secret: Option<Zeroizing<String>>,
    /// The names of the actions to send; all unless told.
    pub actions: Option<Vec<String>>,
    /// Whether nothing is sent for now.
    pub paused: bool,
    /// The first entry to send; all that is written from now on unless told.
    pub from_seq: Option<u64>,
}

/// Creates a webhook. Its own creation is the first thing that it sends, unless told.
///
/// # Errors
/// [`Refusal`].
pub async fn create(services: &Services, caller: &Caller, new: New) -> Result<Made, Refusal> {
    may_manage(services, caller).await?;
    fresh(services, caller, Act::PushAudit).await?;
    let (secret, shown) = match new.secret {
        Some(text) => (given(&text)?, None),
        None => drawn()?,
    };
    let new = NewWebhook {
        name: names::plain(&new.name)?,
        url: checked_url(&new.url)?,
        actions: new.actions.as_deref().map(checked_actions).transpose()?,
        paused: new.paused,
        secret,
        from_seq: new.from_seq,
    };
    let webhook = services.store.create_webhook(&caller.context(services), new).await?;
    Ok(Made { webhook, secret: shown })
}

/// Finds a webhook and how far it got.
///
/// # Errors
/// [`Refusal`].
pub async fn show(services: &Services, caller: &Caller, id: Uuid) -> Result<Webhook, Refusal> {
    may_manage(services, caller).await?;
    found(services, id).await
}

/// What to change of a webhook. A part that is `None` stays as it is.
#[derive(Default)]
pub struct Change {
    /// The name.
    pub name: Option<String>,
    /// The receiver.
    pub url: Option<String>,
    /// The names of the actions to send; `Some(None)` for all.
    pub actions: Option<Option<Vec<String>>>,
    /// Whether nothing is sent for now.
    pub paused: Option<bool>,
    /// A new secret. For 24 hours, the server signs each message with the old secret as well.
    pub secret: Option<Zeroizing<String>>,
    /// Draws a new secret. For 24 hours, the server signs each message with the old secret as well.
    pub rotate_secret: bool,
}

/// Changes a webhook. What failed is tried again at once.
///
/// # Errors
/// [`Refusal`]; `Changed` when the webhook is at another revision than the caller read.
pub async fn update(
    services: &Services,
    caller: &Caller,
    id: Uuid,
    read_at: ReadAt,
    change: Change,
) -> Result<Made, Refusal> {
    may_manage(services, caller).await?;
    fresh(services, caller, Act::PushAudit).await?;
    found(services, id).await?;
    let revision = read_at.needed()?;
    let (secret, shown) = match (change.secret, change.rotate_secret) {
        (Some(_), true) => {
            return Err(Refusal::new(RefusalKind::Invalid, "send either `secret` or `rotate_secret`, not both"));
        }
        (Some(text), false) => (Some(given(&text)?), None),
        (None, true) => drawn().map(|(secret, shown)| (Some(secret), shown))?,
        (None, false) => (None, None),
    };
    let update = WebhookUpdate {
        name: change.name.as_deref().map(names::plain).transpose()?,
        url: change.url.as_deref().map(checked_url).transpose()?,
        actions: change.actions.map(|actions| actions.as_deref().map(checked_actions).transpose()).transpose()?,
        paused: change.paused,
        secret,
    };
    let webhook = services.store.update_webhook(&caller.context(services), id, revision, update).await?;
    Ok(Made { webhook, secret: shown })
}

/// Deletes a webhook. A message that is on its way may still arrive.
///
/// # Errors
/// [`Refusal`].
pub async fn delete(services: &Services, caller: &Caller, id: Uuid, read_at: ReadAt) -> Result<(), Refusal> {
    may_manage(services, caller).await?;
    found(services, id).await?;
    Ok(services.store.delete_webhook(&caller.context(services), id, read_at.if_told()?).await?)
}

/// Moves the cursor of a webhook, back or forth: everything from that entry on is sent (again), under new ids.
///
/// # Errors
/// [`Refusal`].
pub async fn reship(services: &Services, caller: &Caller, id: Uuid, from_seq: u64) -> Result<Webhook, Refusal> {
    may_manage(services, caller).await?;
    found(services, id).await?;
    Ok(services.store.reship_webhook(&caller.context(services), id, from_seq).await?)
}

/// Sends a signed message that only shows that messages arrive. The cursor stays where it is.
///
/// # Errors
/// [`Refusal`]; a receiver that does not take it is part of the result.
pub async fn test(services: &Services, caller: &Caller, id: Uuid) -> Result<Tried, Refusal> {
    may_manage(services, caller).await?;
    try_out(services, &found(services, id).await?).await
}

async fn may_manage(services: &Services, caller: &Caller) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Admin).await
}

async fn found(services: &Services, id: Uuid) -> Result<Webhook, Refusal> {
    services.store.webhook(id).await?.ok_or_else(|| Refusal::not_found("webhook"))
}

/// Reads a secret that was given.
fn given(text: &str) -> Result<WebhookSecret, Refusal> {
    WebhookSecret::parse(text.trim()).ok_or_else(|| {
        Refusal::field("secret", "is `whsec_` and 24 to 64 bytes in base64; leave it out to have one drawn")
    })
}

/// Draws a secret, to be shown once.
fn drawn() -> Result<(WebhookSecret, Option<Zeroizing<String>>), Refusal> {
    let secret = WebhookSecret::draw().map_err(|error: SealingError| StoreError::from(error))?;
    let shown = Zeroizing::new(secret.to_text().expose().to_owned());
    Ok((secret, Some(shown)))
}

fn checked_url(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.chars().count() > URL_CHARS_MAX {
        return Err(Refusal::field("url", format!("has {URL_CHARS_MAX} characters at most")));
    }
    let address = Address::parse(text, false)
        .map_err(|error| Refusal::field("url", error.to_string()).hint("name the receiver as https://host/path"))?;
    Ok(address.url().to_string())
}

fn checked_actions(names: &[String]) -> Result<Vec<AuditAction>, Refusal> {
    if names.is_empty() {
        return Err(Refusal::field("actions", "name at least one, or leave it out for all"));
    }
    let mut actions = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let action = AuditAction::from_name(name)
            .ok_or_else(|| Refusal::field(format!("actions[{at}]"), "there is no such action"))?;
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    Ok(actions)
}
