//! The delivery to one webhook: message after message, until nothing is left or one fails.

use std::time::Instant;

use uuid::Uuid;
use vaultterm_sealing::chance;
use vaultterm_store::{StoreError, Webhook};

use super::{due, message::Message, sender::DeliveryOutcome};
use crate::{refusal::Refusal, services::Services};

/// Entries of one message, at most.
const EVENTS_MAX: u64 = 100;

/// Whether a delivery goes on.
enum Next {
    Goes,
    Ends,
}

/// Sends what is due to one webhook.
pub(crate) async fn deliver(services: &Services, id: Uuid) {
    loop {
        match send_one(services, id).await {
            Ok(Next::Goes) => {}
            Ok(Next::Ends) => return,
            // Nothing is lost: the cursor did not move, and the next tick tries again.
            Err(error) => {
                tracing::error!(%error, webhook = %id, "a delivery to a webhook could not go on");
                return;
            }
        }
    }
}

/// Sends one message and records what became of it.
async fn send_one(services: &Services, id: Uuid) -> Result<Next, StoreError> {
    // Read before the entries, so that entries which are written meanwhile come after this end.
    let log = services.store.log_end().await?;
    let Some(webhook) = services.store.webhook(id).await? else { return Ok(Next::Ends) };
    if !due::is_due(&webhook, log.seq, services.now_us()) {
        return Ok(Next::Ends);
    }
    let events = services.store.webhook_events(&webhook, EVENTS_MAX).await?;
    let Some(last) = events.last() else {
        let passed = services.store.pass_webhook(&webhook, webhook.batch_end.unwrap_or(log.seq), None).await?;
        return Ok(if passed { Next::Goes } else { Next::Ends });
    };
    let end = webhook.batch_end.unwrap_or(last.seq);
    if webhook.batch_end.is_none() && !services.store.begin_webhook_batch(&webhook, end).await? {
        return Ok(Next::Ends);
    }
    let message = Message::of_events(&webhook, log.log_id, &events, last);
    let outcome = send(services, &webhook, &message).await?;
    record(services, &webhook, end, outcome).await
}

async fn send(services: &Services, webhook: &Webhook, message: &Message) -> Result<DeliveryOutcome, StoreError> {
    let now_us = services.now_us();
    let secrets = match services.store.webhook_secrets(webhook.id, now_us).await {
        Ok(secrets) => secrets,
        // Tried again later, because a key may come back. Nothing is lost until then.
        Err(error @ (StoreError::Sealing(_) | StoreError::Malformed(_))) => {
            let why = format!("the signing secret cannot be opened: {error}");
            return Ok(DeliveryOutcome::Failed { status: None, why, retry_after: None });
        }
        Err(error) => return Err(error),
    };
    Ok(services.webhooks.send(&webhook.url, message, message.headers(&secrets, now_us)).await)
}

async fn record(
    services: &Services,
    webhook: &Webhook,
    end: u64,
    outcome: DeliveryOutcome,
) -> Result<Next, StoreError> {
    let name = &webhook.name;
    match outcome {
        DeliveryOutcome::Taken { status } => {
            tracing::debug!(webhook = name, status, end, "a webhook took a message");
            let moved = services.store.pass_webhook(webhook, end, Some(services.now_us())).await?;
            Ok(if moved { Next::Goes } else { Next::Ends })
        }
        DeliveryOutcome::Gone => {
            tracing::warn!(webhook = name, "a webhook's receiver is gone for good (HTTP 410): it is paused now");
            services
                .store
                .pause_webhook(&services.own_context(), webhook, "HTTP 410: the receiver is gone for good")
                .await?;
            Ok(Next::Ends)
        }
        DeliveryOutcome::Failed { why, retry_after, .. } => {
            let rest = due::rest(webhook.failures.saturating_add(1), retry_after, chance());
            let rest_s = rest.as_secs();
            tracing::warn!(webhook = name, failures = webhook.failures + 1, why, rest_s, "a webhook took no message");
            let rest_us = i64::try_from(rest.as_micros()).unwrap_or(i64::MAX);
            services.store.fail_webhook(webhook, &why, services.now_us().saturating_add(rest_us)).await?;
            Ok(Next::Ends)
        }
    }
}

/// The result of a test.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Whether the receiver took it.
    pub ok: bool,
    /// The HTTP status that the receiver answered with, if it answered.
    pub status: Option<u16>,
    /// The result, in a sentence for people.
    pub detail: String,
    /// How long it took.
    pub took_ms: u64,
}

/// Sends a message that only shows that messages arrive. The cursor stays where it is.
pub(crate) async fn try_out(services: &Services, webhook: &Webhook) -> Result<Tried, Refusal> {
    let log_id = services.store.log_end().await?.log_id;
    let began = Instant::now();
    let outcome = send(services, webhook, &Message::test(webhook, log_id, services.now_us())).await?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (ok, status, detail) = match outcome {
        DeliveryOutcome::Taken { status } => (true, Some(status), format!("HTTP {status}")),
        DeliveryOutcome::Gone => (false, Some(410), "HTTP 410: the receiver says that it is gone for good".to_owned()),
        DeliveryOutcome::Failed { status, why, .. } => (false, status, why),
    };
    Ok(Tried { ok, status, detail, took_ms })
}
