//! Webhooks: where the audit log is pushed to, and what they are sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{EventView, named::named};

/// A webhook and how far it got. Its secret is shown once, when it was drawn.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    pub id: Uuid,
    pub name: String,
    pub url: String,
    /// Only these actions; null for all.
    pub actions: Option<Vec<String>>,
    pub paused: bool,
    /// The last entry of the audit log that was taken, or that did not match.
    pub delivered_seq: u64,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// When it is tried again, after a failure.
    pub next_attempt_at: Option<String>,
    /// What went wrong last, until something is taken.
    pub last_error: Option<String>,
    pub last_delivered_at: Option<String>,
    /// Until when the secret before signs along.
    pub old_secret_until: Option<String>,
    pub revision: u64,
    pub created_at: String,
    pub updated_at: String,
}

/// A webhook, with its secret if that was drawn just now.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct MadeWebhookView {
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// Signs the messages: `whsec_…`. Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub secret: Option<Zeroizing<String>>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookCreate {
    pub name: String,
    /// https, or plain http to loopback.
    pub url: String,
    /// `whsec_` and 24 to 64 bytes in base64; drawn unless given, and shown once.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Zeroizing<String>>,
    /// Only these actions, for example `RECORD_REVEALED`; all unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
    #[serde(default)]
    pub paused: bool,
    /// The first entry of the audit log to send. Without it, the server sends every entry that is written from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_seq: Option<u64>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Null for all.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub actions: Option<Option<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// A new secret. For 24 hours, the server signs each message with the old secret as well.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Zeroizing<String>>,
    /// Draws a new secret and shows it once. For 24 hours, the server signs each message with the old secret as well.
    #[serde(default)]
    pub rotate_secret: bool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reship {
    /// The entry of the audit log to go on with.
    pub from_seq: u64,
}

/// The result of sending a test message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TriedView {
    pub ok: bool,
    /// What the receiver answered, if it did.
    pub status: Option<u16>,
    pub detail: String,
    pub took_ms: u64,
}

/// A message to a webhook.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhookMessage {
    /// `audit.events`, or `webhook.test`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the newest entry was written, or when the test was asked for.
    pub timestamp: String,
    pub data: WebhookData,
}

/// What a message to a webhook tells.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhookData {
    /// The id of the audit log.
    pub log_id: Uuid,
    /// The entries, the oldest first; none in a test.
    pub events: Vec<EventView>,
}
