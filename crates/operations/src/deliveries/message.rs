//! A message to a webhook: its id, its body, its headers (Standard Webhooks 1.0.0).

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use uuid::Uuid;
use vaultterm_contract::{EventView, WebhookData, WebhookMessage, moment};
use vaultterm_store::{AuditEvent, Webhook, WebhookSecrets};

/// How much of a hash an id holds.
const HASH_BYTES: usize = 8;

/// A message that is not signed yet. Each attempt signs it again.
#[derive(Debug)]
pub(crate) struct Message {
    /// The same at every attempt, so that a receiver can tell what it has already.
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Makes the message of these entries. It depends on nothing else: made again, it is the same.
    ///
    /// The id holds the newest entry's hash, and so all of the log up to it: a database that went
    /// back to a backup, and whose log goes on differently, makes other ids.
    pub(crate) fn of_events(webhook: &Webhook, log_id: Uuid, events: &[AuditEvent], last: &AuditEvent) -> Self {
        let views = events.iter().map(|event| EventView::of(event.seq, &event.entry.draft, &event.hash)).collect();
        let hash = hex::encode(&last.hash[..HASH_BYTES]);
        let id = format!("msg_{}_{}_{}_{hash}", webhook.id.simple(), webhook.shipment, last.seq);
        Self { id, body: body("audit.events", last.entry.draft.time_us, log_id, views) }
    }

    /// Makes a message that only shows that messages arrive.
    pub(crate) fn test(webhook: &Webhook, log_id: Uuid, now_us: i64) -> Self {
        let id = format!("msg_{}_test_{}", webhook.id.simple(), vaultterm_sync::new_id().simple());
        Self { id, body: body("webhook.test", now_us, log_id, Vec::new()) }
    }

    /// Signs the message for an attempt that is made now.
    pub(crate) fn headers(&self, secrets: &WebhookSecrets, now_us: i64) -> HeaderMap {
        let seconds = Timestamp::from_microsecond(now_us).unwrap_or_default().as_second();
        let signers = [Some(&secrets.current), secrets.old.as_ref()];
        let signatures = signers.into_iter().flatten().map(|secret| secret.sign(&self.id, seconds, &self.body));
        let text = |text: &str| HeaderValue::from_str(text).expect("ids, digits and base64 are a header");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", text(&self.id));
        headers.insert("webhook-timestamp", HeaderValue::from(seconds));
        headers.insert("webhook-signature", text(&signatures.collect::<Vec<_>>().join(" ")));
        headers
    }
}

fn body(kind: &str, time_us: i64, log_id: Uuid, events: Vec<EventView>) -> Vec<u8> {
    let data = WebhookData { log_id, events };
    let message = WebhookMessage { kind: kind.to_owned(), timestamp: moment::of_us(time_us), data };
    serde_json::to_vec(&message).expect("an entry has only text keys")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vaultterm_ledger::{Actor, AuditAction, AuditOutcome, Draft, Entry};
    use vaultterm_sealing::WebhookSecret;

    use super::*;
    use crate::deliveries::due::tests::webhook;

    fn event(seq: u64, hash: u8) -> AuditEvent {
        let draft = Draft {
            time_us: 1_700_000_000_000_000,
            actor: Actor::vaultterm(),
            source_ip: None,
            request_id: None,
            action: AuditAction::HcvSyncStarted,
            objects: Vec::new(),
            outcome: AuditOutcome::Success,
            remote: None,
            detail: BTreeMap::new(),
        };
        let entry = Entry { log_id: Uuid::nil(), seq, previous: [0; 32], draft };
        AuditEvent { seq, entry, hash: [hash; 32], bytes: Vec::new() }
    }

    fn message(webhook: &Webhook, events: &[AuditEvent]) -> Message {
        Message::of_events(webhook, Uuid::nil(), events, events.last().expect("events"))
    }

    #[test]
    fn a_message_made_again_is_the_same_and_no_other_has_its_id() {
        let first = message(&webhook(), &[event(8, 1), event(9, 2)]);
        let again = message(&Webhook { failures: 3, ..webhook() }, &[event(8, 1), event(9, 2)]);
        assert_eq!((&first.id, &first.body), (&again.id, &again.body));
        assert!(!first.id.contains('.'), "a dot divides what is signed");
        let shipped_again = Webhook { shipment: 2, ..webhook() };
        let other_hook = Webhook { id: vaultterm_sync::new_id(), ..webhook() };
        for other in [
            message(&webhook(), &[event(8, 1), event(9, 2), event(10, 3)]),
            message(&webhook(), &[event(8, 1), event(9, 7)]), // a log that went on differently after a restore
            message(&shipped_again, &[event(8, 1), event(9, 2)]),
            message(&other_hook, &[event(8, 1), event(9, 2)]),
        ] {
            assert_ne!(other.id, first.id);
        }
    }

    #[test]
    fn every_attempt_is_signed_anew_by_each_secret_that_still_signs() {
        let message = message(&webhook(), &[event(8, 1)]);
        let draw = || WebhookSecret::draw().expect("drawn");
        let alone = WebhookSecrets { current: draw(), old: None };
        let both = WebhookSecrets { current: draw(), old: Some(draw()) };
        let headers = message.headers(&alone, 1_614_265_330_000_000);
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(headers["webhook-signature"], alone.current.sign(&message.id, 1_614_265_330, &message.body));
        assert_ne!(message.headers(&alone, 1_614_265_331_000_000)["webhook-signature"], headers["webhook-signature"]);
        let signatures = message.headers(&both, 0)["webhook-signature"].to_str().expect("ASCII").to_owned();
        let old = both.old.expect("one").sign(&message.id, 0, &message.body);
        assert_eq!(signatures, format!("{} {old}", both.current.sign(&message.id, 0, &message.body)));
    }
}
