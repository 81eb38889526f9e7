//! Webhooks: creates, changes and finds them. `webhook_deliveries.rs` holds what deliveries read and record.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, Draft, ObjectKind};
use vaultterm_sealing::{Place, Purpose, WebhookSecret};

use crate::{
    Context, Page, Paged, Store, StoreError,
    context::{Facts as _, still_at},
    sealed::seal,
    sql::{Arg, Row, Select, Tx, args, json, taken},
};

/// A receiver of the audit log, with the progress of its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The id of the webhook.
    pub id: Uuid,
    /// The name, which is unique.
    pub name: String,
    /// The address for messages. It may contain a token of the receiver, so it is never logged or audited.
    pub url: String,
    /// The actions to send. `None` means all.
    pub actions: Option<Vec<AuditAction>>,
    /// The number of the last entry that the receiver accepted, or that did not match.
    pub delivered_seq: u64,
    /// The number of the last entry of the message that was begun.
    pub batch_end: Option<u64>,
    /// How often a person has moved the cursor.
    pub shipment: u64,
    /// Whether deliveries are paused.
    pub paused: bool,
    /// The number of consecutive failed attempts.
    pub failures: u32,
    /// The earliest time of the next attempt, in microseconds.
    pub next_attempt_us: i64,
    /// The last error. It is cleared when a message is accepted.
    pub last_error: Option<String>,
    /// The time at which a message was last accepted, in microseconds.
    pub last_delivered_us: Option<i64>,
    /// The time until which the previous secret also signs, in microseconds.
    pub old_until_us: Option<i64>,
    /// The number of changes of the settings.
    pub revision: u64,
    /// The time of creation, in microseconds.
    pub created_us: i64,
    /// The time of the last change, in microseconds.
    pub updated_us: i64,
}

/// A webhook to create.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names are the webhook's")]
pub struct NewWebhook {
    pub name: String,
    pub url: String,
    pub actions: Option<Vec<AuditAction>>,
    pub paused: bool,
    /// The secret that signs the messages.
    pub secret: WebhookSecret,
    /// The first entry to send. `None` means the next entry that is written.
    pub from_seq: Option<u64>,
}

/// The changes of a webhook. `None` keeps the current value.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the names are the webhook's")]
pub struct WebhookUpdate {
    pub name: Option<String>,
    pub url: Option<String>,
    pub actions: Option<Option<Vec<AuditAction>>>,
    pub paused: Option<bool>,
    /// The new secret. The previous one also signs for [`OLD_SECRET_US`].
    pub secret: Option<WebhookSecret>,
}

/// The time for which the previous secret also signs: a day, in microseconds.
pub const OLD_SECRET_US: i64 = 24 * 3_600 * 1_000_000;
/// The maximum number of webhooks. It is limited because every second the server checks each of them for due
/// messages.
const WEBHOOKS_MAX: u64 = 100;

impl Store {
    /// Creates a webhook (`WEBHOOK_CREATED`, which is the first entry that it sends unless `from_seq` is
    /// given).
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name is taken; [`StoreError::Refused`] if the log does not reach
    /// `from_seq`, or if there are too many webhooks.
    pub async fn create_webhook(&self, context: &Context, new: NewWebhook) -> Result<Webhook, StoreError> {
        let NewWebhook { name, url, actions, paused, secret, from_seq } = new;
        let id = vaultterm_sync::new_id();
        let mut tx = self.db.write().await?;
        let [key_id, wrapped_key, ciphertext] =
            self.sealed_webhook_secret(&mut tx, id, Purpose::WebhookSecret, &secret).await?;
        let count = tx.one("SELECT COUNT(*) AS n FROM webhooks", args![]).await?;
        if count.ok_or(StoreError::Malformed("count"))?.count("n")? >= WEBHOOKS_MAX {
            return Err(StoreError::Refused(format!("there are {WEBHOOKS_MAX} webhooks: delete one first")));
        }
        let delivered_seq = before(&mut tx, from_seq).await?;
        tx.run(
            "INSERT INTO webhooks (id, name, url, actions, delivered_seq, batch_end, shipment, paused, failures,
                                   next_attempt_us, last_error, last_delivered_us, key_id, wrapped_key, ciphertext,
                                   revision, created_us, updated_us)
             VALUES ($1, $2, $3, $4, $5, NULL, 1, $6, 0, 0, NULL, NULL, $7, $8, $9, 1, $10, $10)",
            args![
                id,
                name.as_str(),
                url.as_str(),
                names(actions.as_deref()),
                delivered_seq,
                paused,
                key_id,
                wrapped_key,
                ciphertext,
                context.now_us,
            ],
        )
        .await
        .map_err(|error| taken(error, "webhook", &name))?;
        let draft = about(context, AuditAction::WebhookCreated, id, &name).with("address", origin(&url));
        tx.audit(draft.with_maybe("actions", actions.as_deref().map(words)).with("from_seq", delivered_seq + 1));
        let made = locked(&mut tx, id).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Finds a webhook.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn webhook(&self, id: Uuid) -> Result<Option<Webhook>, StoreError> {
        let row = self.db.one("SELECT * FROM webhooks WHERE id = $1", args![id]).await?;
        row.map(|row| webhook(&row)).transpose()
    }

    /// Lists webhooks by name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn webhooks(&self, page: &Page) -> Result<Paged<Webhook>, StoreError> {
        let mut select = Select::new("SELECT * FROM webhooks WHERE 1 = 1", args![]);
        let pager = self.pager("webhooks", page);
        select.and_maybe("name > ?", pager.text()?);
        let rows = self.db.select(select.order("name", pager.fetch())).await?;
        pager.cut(rows, webhook, |webhook| webhook.name.clone())
    }

    /// Changes a webhook (`WEBHOOK_UPDATED`). A failed delivery is tried again at once. A change of the
    /// actions also changes a message that was begun.
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Exists`], [`StoreError::NotFound`].
    pub async fn update_webhook(
        &self,
        context: &Context,
        id: Uuid,
        expect: u64,
        update: WebhookUpdate,
    ) -> Result<Webhook, StoreError> {
        let mut tx = self.db.write().await?;
        let current = locked(&mut tx, id).await?;
        if current.revision != expect {
            return Err(StoreError::Stale { what: "webhook", current: current.revision, expected: expect });
        }
        let mut after = Webhook {
            name: update.name.unwrap_or_else(|| current.name.clone()),
            url: update.url.unwrap_or_else(|| current.url.clone()),
            actions: update.actions.unwrap_or_else(|| current.actions.clone()),
            paused: update.paused.unwrap_or(current.paused),
            ..current.clone()
        };
        let mut changed = differences(&current, &after);
        if let Some(secret) = &update.secret {
            self.replace_webhook_secret(&mut tx, context, id, secret).await?;
            changed.push("secret");
        }
        if changed.is_empty() {
            return Ok(current);
        }
        if after.actions != current.actions {
            (after.batch_end, after.shipment) = (None, current.shipment + 1);
        }
        let sql = "UPDATE webhooks SET name = $2, url = $3, actions = $4, paused = $5, batch_end = $6, shipment = $7,
                                       failures = 0, next_attempt_us = 0, last_error = NULL, revision = $8,
                                       updated_us = $9
                   WHERE id = $1";
        let Webhook { name, url, actions, paused, batch_end, shipment, .. } = &after;
        let actions = names(actions.as_deref());
        let (name, url) = (name.as_str(), url.as_str());
        let args = args![id, name, url, actions, *paused, *batch_end, *shipment, expect + 1, context.now_us];
        tx.run(sql, args).await.map_err(|error| taken(error, "webhook", name))?;
        let draft = about(context, AuditAction::WebhookUpdated, id, name).with("changed", changed.join(" "));
        let address = (after.url != current.url).then(|| origin(&after.url));
        tx.audit(draft.with_maybe("address", address));
        let after = locked(&mut tx, id).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Moves the cursor in either direction, so that `from_seq` is sent next (`WEBHOOK_UPDATED`).
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the log does not reach `from_seq`; [`StoreError::NotFound`].
    pub async fn reship_webhook(&self, context: &Context, id: Uuid, from_seq: u64) -> Result<Webhook, StoreError> {
        let mut tx = self.db.write().await?;
        let current = locked(&mut tx, id).await?;
        let delivered_seq = before(&mut tx, Some(from_seq)).await?;
        let sql = "UPDATE webhooks SET delivered_seq = $2, batch_end = NULL, shipment = shipment + 1, failures = 0,
                                       next_attempt_us = 0, last_error = NULL
                   WHERE id = $1";
        tx.run(sql, args![id, delivered_seq]).await?;
        let draft = about(context, AuditAction::WebhookUpdated, id, &current.name).with("changed", "cursor");
        tx.audit(draft.with("from_seq", delivered_seq + 1));
        let after = locked(&mut tx, id).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Deletes a webhook (`WEBHOOK_DELETED`). If a revision is given, the webhook must be at that revision. A
    /// message that was sent already may still arrive.
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::NotFound`].
    pub async fn delete_webhook(&self, context: &Context, id: Uuid, expect: Option<u64>) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let current = locked(&mut tx, id).await?;
        still_at("webhook", current.revision, expect)?;
        tx.run("DELETE FROM webhooks WHERE id = $1", args![id]).await?;
        tx.audit(about(context, AuditAction::WebhookDeleted, id, &current.name));
        tx.commit().await
    }

    /// Replaces the secret. The previous one also signs for a day.
    async fn replace_webhook_secret(
        &self,
        tx: &mut Tx,
        context: &Context,
        id: Uuid,
        secret: &WebhookSecret,
    ) -> Result<(), StoreError> {
        let row = tx.one("SELECT * FROM webhooks WHERE id = $1", args![id]).await?;
        let old = self.open_webhook_secret(id, Purpose::WebhookSecret, &row.ok_or(StoreError::NotFound("webhook"))?)?;
        let [key_id, wrapped_key, ciphertext] =
            self.sealed_webhook_secret(tx, id, Purpose::WebhookSecret, secret).await?;
        let [old_key_id, old_wrapped, old_ciphertext] =
            self.sealed_webhook_secret(tx, id, Purpose::WebhookOldSecret, &old).await?;
        let sql = "UPDATE webhooks SET key_id = $2, wrapped_key = $3, ciphertext = $4, old_key_id = $5,
                                       old_wrapped_key = $6, old_ciphertext = $7, old_until_us = $8
                   WHERE id = $1";
        let until = context.now_us.saturating_add(OLD_SECRET_US);
        let args = args![id, key_id, wrapped_key, ciphertext, old_key_id, old_wrapped, old_ciphertext, until];
        tx.run(sql, args).await.map(drop)
    }

    async fn sealed_webhook_secret(
        &self,
        tx: &mut Tx,
        id: Uuid,
        purpose: Purpose,
        secret: &WebhookSecret,
    ) -> Result<[Arg; 3], StoreError> {
        seal(tx, &self.keyring, &place(purpose, id), secret.to_text().expose().as_bytes()).await
    }

    /// Opens one of the two secrets in a row.
    pub(crate) fn open_webhook_secret(
        &self,
        id: Uuid,
        purpose: Purpose,
        row: &Row,
    ) -> Result<WebhookSecret, StoreError> {
        let prefix = if purpose == Purpose::WebhookOldSecret { "old_" } else { "" };
        let opened = self.keyring.unseal(&place(purpose, id), &row.sealed_as(prefix)?)?;
        let text = std::str::from_utf8(opened.expose()).ok();
        text.and_then(WebhookSecret::parse).ok_or(StoreError::Malformed("webhook secret"))
    }
}

const fn place(purpose: Purpose, object: Uuid) -> Place {
    Place { purpose, collection: Uuid::nil(), object, revision: 0 }
}

/// Returns the cursor that makes `from_seq` the next entry. Without `from_seq`, it is the newest entry.
async fn before(tx: &mut Tx, from_seq: Option<u64>) -> Result<u64, StoreError> {
    let head = tx.one("SELECT seq FROM audit_head", args![]).await?;
    let head = head.ok_or(StoreError::Malformed("audit log"))?.count("seq")?;
    match from_seq {
        None => Ok(head),
        Some(from) if (1..=head + 1).contains(&from) => Ok(from - 1),
        Some(_) => Err(StoreError::Refused(format!("the log ends with entry {head}: name 1 to {}", head + 1))),
    }
}

/// Finds a webhook in order to change it.
pub(crate) async fn locked(tx: &mut Tx, id: Uuid) -> Result<Webhook, StoreError> {
    let row = tx.one("SELECT * FROM webhooks WHERE id = $1", args![id]).await?;
    webhook(&row.ok_or(StoreError::NotFound("webhook"))?)
}

pub(crate) fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    let actions = row.maybe_text("actions")?.map(|_| row.json::<Vec<String>>("actions")).transpose()?;
    let action = |name: &String| AuditAction::from_name(name).ok_or(StoreError::Malformed("action"));
    Ok(Webhook {
        id: row.id("id")?,
        name: row.text("name")?,
        url: row.text("url")?,
        actions: actions.map(|names| names.iter().map(action).collect()).transpose()?,
        delivered_seq: row.count("delivered_seq")?,
        batch_end: row
            .maybe_int("batch_end")?
            .map(u64::try_from)
            .transpose()
            .map_err(|_| StoreError::Malformed("seq"))?,
        shipment: row.count("shipment")?,
        paused: row.flag("paused")?,
        failures: row.small("failures")?,
        next_attempt_us: row.int("next_attempt_us")?,
        last_error: row.maybe_text("last_error")?,
        last_delivered_us: row.maybe_int("last_delivered_us")?,
        old_until_us: row.maybe_int("old_until_us")?,
        revision: row.count("revision")?,
        created_us: row.int("created_us")?,
        updated_us: row.int("updated_us")?,
    })
}

pub(crate) fn about(context: &Context, action: AuditAction, id: Uuid, name: &str) -> Draft {
    context.draft(action, ObjectKind::Webhook, id, Some(name))
}

fn differences(before: &Webhook, after: &Webhook) -> Vec<&'static str> {
    let differs = [
        ("name", before.name != after.name),
        ("url", before.url != after.url),
        ("actions", before.actions != after.actions),
        ("paused", before.paused != after.paused),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn names(actions: Option<&[AuditAction]>) -> Option<String> {
    actions.map(|actions| json(&actions.iter().map(AuditAction::as_str).collect::<Vec<_>>()))
}

fn words(actions: &[AuditAction]) -> String {
    actions.iter().map(AuditAction::as_str).collect::<Vec<_>>().join(" ")
}

/// Returns the scheme, host and port of a URL. The rest may contain a token of the receiver.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::AuditAction;
    use vaultterm_sealing::WebhookSecret;

    use super::{OLD_SECRET_US, WebhookUpdate, origin};
    use crate::{AuditFilter, ErrorClass, Page, testing::House};

    #[tokio::test]
    async fn a_new_webhook_begins_with_its_own_creation_and_names_are_unique() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        let events = house.store.webhook_events(&made, 100).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].entry.draft.action, AuditAction::WebhookCreated);
        assert_eq!(house.store.webhook(made.id).await.unwrap().unwrap(), made);
        assert_eq!(house.store.webhooks(&Page::default()).await.unwrap().items, [made]);
        let secret = WebhookSecret::draw().unwrap();
        let again = super::NewWebhook {
            name: "siem".to_owned(),
            url: "https://x".to_owned(),
            actions: None,
            paused: false,
            secret,
            from_seq: None,
        };
        let refused = house.store.create_webhook(&house.ann(), again).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Exists);
    }

    #[tokio::test]
    async fn a_change_is_guarded_by_the_revision_and_audited_without_what_a_url_may_hold() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        let to = |url: &str| WebhookUpdate { url: Some(url.to_owned()), ..WebhookUpdate::default() };
        let moved = to("https://new.example.com/x?t=hunter2");
        let changed = house.store.update_webhook(&house.ann(), made.id, 1, moved).await.unwrap();
        assert_eq!(changed.revision, 2);
        let stale = house.store.update_webhook(&house.ann(), made.id, 1, to("https://newer.example.com")).await;
        assert_eq!(stale.unwrap_err().class(), ErrorClass::Stale);
        let same = house.store.update_webhook(&house.ann(), made.id, 2, WebhookUpdate::default()).await.unwrap();
        assert_eq!(same.revision, 2, "nothing to change changes nothing");
        house.store.delete_webhook(&house.ann(), made.id, Some(2)).await.unwrap();
        let filter = AuditFilter { object: Some(made.id), ..AuditFilter::default() };
        let events = house.store.audit_events(&filter, &Page::default()).await.unwrap().items;
        let told: Vec<_> = events.iter().map(|event| &event.entry.draft).collect();
        let actions: Vec<_> = told.iter().map(|draft| draft.action).collect();
        assert_eq!(actions, [AuditAction::WebhookCreated, AuditAction::WebhookUpdated, AuditAction::WebhookDeleted]);
        assert_eq!(told[1].detail["address"], "https://new.example.com");
        assert_eq!(told[1].detail["changed"], "url");
        assert!(!format!("{told:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_replaced_secret_signs_along_for_a_day_and_is_then_forgotten() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        let secrets = async || house.store.webhook_secrets(made.id, house.ann().now_us).await.unwrap();
        let first = secrets().await.current.to_text();
        let update = WebhookUpdate { secret: Some(WebhookSecret::draw().unwrap()), ..WebhookUpdate::default() };
        let changed = house.store.update_webhook(&house.ann(), made.id, 1, update).await.unwrap();
        assert_eq!(changed.old_until_us, Some(house.ann().now_us + OLD_SECRET_US));
        let both = secrets().await;
        assert_ne!(both.current.to_text().expose(), first.expose());
        assert_eq!(both.old.unwrap().to_text().expose(), first.expose());
        house.pass(24 * 3_600 - 1);
        house.store.forget_old_webhook_secrets(house.ann().now_us).await.unwrap();
        assert!(secrets().await.old.is_some());
        house.pass(1);
        assert!(secrets().await.old.is_none(), "over, forgotten or not");
        house.store.forget_old_webhook_secrets(house.ann().now_us).await.unwrap();
        assert_eq!(house.store.webhook(made.id).await.unwrap().unwrap().old_until_us, None);
    }

    #[tokio::test]
    async fn the_cursor_is_moved_within_the_log_only() {
        let house = House::new().await;
        let made = house.hook("siem", None).await;
        house.save("a", json!({"x": 1})).await.unwrap();
        let end = house.store.log_end().await.unwrap().seq;
        for beyond in [0, end + 2, u64::MAX] {
            let refused = house.store.reship_webhook(&house.ann(), made.id, beyond).await.unwrap_err();
            assert_eq!(refused.class(), ErrorClass::Refused, "{beyond}");
        }
        let moved = house.store.reship_webhook(&house.ann(), made.id, 2).await.unwrap();
        assert_eq!((moved.delivered_seq, moved.shipment), (1, 2));
        assert_eq!(house.store.webhook_events(&moved, 1).await.unwrap()[0].seq, 2);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (url, wanted) in [
            ("https://a.example.com/hooks/token", "https://a.example.com"),
            ("https://a.example.com:8443?token=x", "https://a.example.com:8443"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(origin(url), wanted);
        }
    }
}
