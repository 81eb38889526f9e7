//! What a delivery to a webhook reads and records. Deliveries are not audited, because every delivery would
//! then cause the next one. Only a receiver that is gone for good is audited.
//!
//! Each record has a guard: the place where the delivery began (`shipment` and cursor). If a person moved the
//! cursor meanwhile, the record has no effect.

use uuid::Uuid;
use vaultterm_ledger::AuditAction;
use vaultterm_sealing::{Purpose, WebhookSecret};

use crate::{
    AuditEvent, Context, Store, StoreError, Webhook, audit,
    context::Facts as _,
    sql::{Arg, Select, args},
    webhooks::{about, webhook},
};

/// The end of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The id of the log.
    pub log_id: Uuid,
    /// The number of its newest entry.
    pub seq: u64,
}

/// The secrets that sign a message.
#[derive(Debug)]
pub struct WebhookSecrets {
    /// The current secret.
    pub current: WebhookSecret,
    /// The previous secret, as long as it also signs.
    pub old: Option<WebhookSecret>,
}

/// The guard of the records of a delivery, with its three arguments.
const UNMOVED: &str = "WHERE id = $1 AND shipment = $2 AND delivered_seq = $3";

impl Store {
    /// Returns the end of the audit log.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn log_end(&self) -> Result<LogEnd, StoreError> {
        let row = self.db.one("SELECT log_id, seq FROM audit_head", args![]).await?;
        let row = row.ok_or(StoreError::Malformed("audit log"))?;
        Ok(LogEnd { log_id: row.id("log_id")?, seq: row.count("seq")? })
    }

    /// Lists all webhooks, including paused ones.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn every_webhook(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows = self.db.all("SELECT * FROM webhooks ORDER BY id", args![]).await?;
        rows.iter().map(webhook).collect()
    }

    /// Opens the secrets that sign the messages of a webhook.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Sealing`].
    pub async fn webhook_secrets(&self, id: Uuid, now_us: i64) -> Result<WebhookSecrets, StoreError> {
        let row = self.db.one("SELECT * FROM webhooks WHERE id = $1", args![id]).await?;
        let row = row.ok_or(StoreError::NotFound("webhook"))?;
        let old = row.maybe_int("old_until_us")?.is_some_and(|until| until > now_us);
        let old = old.then(|| self.open_webhook_secret(id, Purpose::WebhookOldSecret, &row)).transpose()?;
        Ok(WebhookSecrets { current: self.open_webhook_secret(id, Purpose::WebhookSecret, &row)?, old })
    }

    /// Removes previous secrets that no longer sign.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_old_webhook_secrets(&self, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let sql = "UPDATE webhooks SET old_key_id = NULL, old_wrapped_key = NULL, old_ciphertext = NULL,
                                       old_until_us = NULL
                   WHERE old_until_us <= $1";
        tx.run(sql, args![now_us]).await?;
        tx.commit().await
    }

    /// Reads the entries of the next message: the matching entries after the cursor. For a message that was
    /// begun already, reads exactly its entries. Entries that retention removed are skipped.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn webhook_events(&self, webhook: &Webhook, limit: u64) -> Result<Vec<AuditEvent>, StoreError> {
        let mut select =
            Select::new("SELECT a.seq, a.hash, a.bytes FROM audit a WHERE a.seq > $1", args![webhook.delivered_seq]);
        select.and_maybe("a.seq <= ?", webhook.batch_end);
        if let Some(actions) = &webhook.actions {
            select.and_any("a.action", actions.iter().map(vaultterm_ledger::AuditAction::as_str));
        }
        let rows = self.db.select(select.order("a.seq", limit)).await?;
        rows.iter().map(audit::event).collect()
    }

    /// Records the end of the message that is about to be sent, and returns whether it may be sent. It may
    /// not if another server has begun another message.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn begin_webhook_batch(&self, webhook: &Webhook, end: u64) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let Webhook { id, shipment, delivered_seq, .. } = *webhook;
        let sql = format!("UPDATE webhooks SET batch_end = $4 {UNMOVED} AND batch_end IS NULL");
        let begun = tx.run(&sql, args![id, shipment, delivered_seq, end]).await?;
        tx.commit().await?;
        Ok(begun == 1)
    }

    /// Moves the cursor. The receiver accepted everything up to `to` at `taken_us`, or nothing up to there
    /// matched. Returns whether the cursor was still at the place where the delivery began.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn pass_webhook(&self, webhook: &Webhook, to: u64, taken_us: Option<i64>) -> Result<bool, StoreError> {
        let set = "delivered_seq = $4, batch_end = NULL, failures = 0, next_attempt_us = 0, last_error = NULL,
                   last_delivered_us = COALESCE($5, last_delivered_us)";
        self.record_delivery(webhook, set, args![to, taken_us]).await
    }

    /// Records a failed attempt and the time of the next one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn fail_webhook(&self, webhook: &Webhook, error: &str, next_us: i64) -> Result<bool, StoreError> {
        let set = "failures = failures + 1, last_error = $4, next_attempt_us = $5";
        self.record_delivery(webhook, set, args![error, next_us]).await
    }

    /// Pauses a webhook whose receiver says that it is gone for good (`WEBHOOK_UPDATED`).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn pause_webhook(&self, context: &Context, webhook: &Webhook, error: &str) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let sql = format!(
            "UPDATE webhooks SET paused = 1, failures = failures + 1, last_error = $4, revision = revision + 1,
                                 updated_us = $5
             {UNMOVED} AND revision = $6"
        );
        let now_us = context.now_us;
        let Webhook { id, shipment, delivered_seq, revision, .. } = *webhook;
        if tx.run(&sql, args![id, shipment, delivered_seq, error, now_us, revision]).await? == 0 {
            return Ok(());
        }
        let draft = about(context, AuditAction::WebhookUpdated, id, &webhook.name).with("changed", "paused");
        tx.audit(draft.with("reason", error));
        tx.commit().await
    }

    async fn record_delivery(&self, webhook: &Webhook, set: &str, values: Vec<Arg>) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let mut args = args![webhook.id, webhook.shipment, webhook.delivered_seq];
        args.extend(values);
        let moved = tx.run(&format!("UPDATE webhooks SET {set} {UNMOVED}"), args).await?;
        tx.commit().await?;
        Ok(moved == 1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::AuditAction;

    use crate::{Webhook, WebhookUpdate, sql::args, testing::House};

    impl House {
        async fn reread(&self, webhook: &Webhook) -> Webhook {
            self.store.webhook(webhook.id).await.unwrap().unwrap()
        }

        async fn seqs(&self, webhook: &Webhook) -> Vec<u64> {
            self.store.webhook_events(webhook, 100).await.unwrap().iter().map(|event| event.seq).collect()
        }
    }

    #[tokio::test]
    async fn a_message_on_its_way_keeps_its_entries_whatever_is_written_meanwhile() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        house.save("a", json!({"x": 1})).await.unwrap();
        let before = house.seqs(&made).await;
        assert!(house.store.begin_webhook_batch(&made, *before.last().unwrap()).await.unwrap());
        house.save("b", json!({"x": 1})).await.unwrap();
        let on_its_way = house.reread(&made).await;
        assert_eq!(house.seqs(&on_its_way).await, before);
        assert!(house.store.pass_webhook(&on_its_way, *before.last().unwrap(), Some(7)).await.unwrap());
        let taken = house.reread(&made).await;
        assert_eq!((taken.batch_end, taken.last_delivered_us), (None, Some(7)));
        assert_eq!(house.seqs(&taken).await, [before.last().unwrap() + 1]);
    }

    #[tokio::test]
    async fn of_two_servers_one_begins_the_next_message() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        house.save("a", json!({"x": 1})).await.unwrap();
        let ends = house.seqs(&made).await;
        assert!(house.store.begin_webhook_batch(&made, ends[0]).await.unwrap());
        let other = house.store.begin_webhook_batch(&made, ends[1]).await.unwrap();
        assert!(!other, "another message would overlap the one on its way");
        assert_eq!(house.reread(&made).await.batch_end, Some(ends[0]));
    }

    #[tokio::test]
    async fn only_what_matches_is_sent() {
        let house = House::new().await;
        let made = house.hook("siem", Some(vec![AuditAction::RecordCreated, AuditAction::RecordDeleted])).await;
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        house.store.reveal_record(&house.ann(), record.id, None, None, None, crate::Proving::Fresh).await.unwrap();
        house.store.trash_record(&house.ann(), record.id, None).await.unwrap();
        let events = house.store.webhook_events(&made, 100).await.unwrap();
        let actions: Vec<_> = events.iter().map(|event| event.entry.draft.action).collect();
        assert_eq!(actions, [AuditAction::RecordCreated, AuditAction::RecordDeleted]);
    }

    #[tokio::test]
    async fn entries_that_retention_removed_are_passed_over() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        house.save("a", json!({"x": 1})).await.unwrap();
        let moved = house.store.reship_webhook(&house.ann(), made.id, 1).await.unwrap();
        let mut tx = house.store.db.write().await.unwrap();
        tx.run("DELETE FROM audit_objects WHERE seq < 3", args![]).await.unwrap();
        tx.run("DELETE FROM audit WHERE seq < 3", args![]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(house.seqs(&moved).await, [3, 4, 5]);
    }

    #[tokio::test]
    async fn what_a_delivery_records_counts_for_nothing_once_a_person_moved_the_cursor() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        let moved = house.store.reship_webhook(&house.ann(), made.id, 1).await.unwrap();
        assert!(!house.store.pass_webhook(&made, 3, Some(1)).await.unwrap());
        assert!(!house.store.fail_webhook(&made, "HTTP 500", 1).await.unwrap());
        assert!(!house.store.begin_webhook_batch(&made, 3).await.unwrap());
        house.store.pause_webhook(&house.ann(), &made, "HTTP 410").await.unwrap();
        assert_eq!(house.reread(&made).await, moved);
        // After a change of the actions another message begins, because the earlier one belongs to the old
        // actions.
        let actions = Some(Some(vec![AuditAction::RecordCreated]));
        let update = WebhookUpdate { actions, ..WebhookUpdate::default() };
        house.store.update_webhook(&house.ann(), made.id, 1, update).await.unwrap();
        assert!(!house.store.pass_webhook(&moved, 3, Some(1)).await.unwrap());
    }

    #[tokio::test]
    async fn failures_are_counted_until_something_is_taken_and_a_receiver_that_is_gone_is_audited() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        for n in 1..=3 {
            assert!(house.store.fail_webhook(&made, "HTTP 500", n).await.unwrap());
        }
        let failed = house.reread(&made).await;
        assert_eq!((failed.failures, failed.next_attempt_us, failed.last_error.as_deref()), (3, 3, Some("HTTP 500")));
        assert_eq!(failed.revision, 1, "a delivery is no change of the settings");
        house.store.pass_webhook(&failed, 2, Some(1)).await.unwrap();
        let taken = house.reread(&made).await;
        assert_eq!((taken.failures, taken.next_attempt_us, taken.last_error.clone()), (0, 0, None));
        let audited = house.audited().await.len();
        house.store.pause_webhook(&house.ann(), &taken, "HTTP 410").await.unwrap();
        assert!(house.reread(&made).await.paused);
        assert_eq!(house.store.every_webhook().await.unwrap(), [house.reread(&made).await]);
        assert_eq!(house.audited().await[audited..], [AuditAction::WebhookUpdated]);
    }
}
