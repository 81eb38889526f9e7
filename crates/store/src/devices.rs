//! Browsers that a person had remembered: for thirty days, a login there does not ask for the second factor.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sealing::SecretText;

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    sql::{Row, args},
};

/// How long a browser is remembered, in microseconds.
pub const DEVICE_LASTS_US: i64 = 30 * 24 * 3_600 * 1_000_000;

/// A browser that a person had remembered.
#[derive(Clone, Debug)]
pub struct TrustedDevice {
    /// Id.
    pub id: Uuid,
    /// The browser and the system, in words.
    pub device: String,
    /// The address that the login came from.
    pub source_ip: Option<String>,
    /// Microseconds.
    pub began_us: i64,
    /// Until when it is remembered, in microseconds.
    pub ends_us: i64,
}

impl Store {
    /// Remembers a browser of a person and returns the text for its cookie, which is not stored (`DEVICE_REMEMBERED`).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn trust_device(&self, context: &Context, user_id: Uuid, device: &str) -> Result<SecretText, StoreError> {
        let (id, text) = (vaultterm_sync::new_id(), SecretText::draw("vtd_")?);
        let digest = self.device_digest(user_id, text.expose());
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM trusted_devices WHERE user_id = $1 AND ends_us <= $2";
        tx.run(sql, args![user_id, context.now_us]).await?;
        let sql = "INSERT INTO trusted_devices (id, user_id, digest, device, source_ip, began_us, ends_us)
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let (source_ip, ends_us) = (context.source_ip.as_deref(), context.now_us + DEVICE_LASTS_US);
        tx.run(sql, args![id, user_id, digest, device, source_ip, context.now_us, ends_us]).await?;
        let draft = context.draft(AuditAction::DeviceRemembered, ObjectKind::User, user_id, None);
        tx.audit(draft.with("device_id", id).with("device", device));
        tx.commit().await?;
        Ok(text)
    }

    /// Returns whether the text of a cookie is that of a browser which this person had remembered.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn is_trusted_device(&self, user_id: Uuid, text: &str, now_us: i64) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM trusted_devices WHERE digest = $1 AND user_id = $2 AND ends_us > $3";
        Ok(self.db.one(sql, args![self.device_digest(user_id, text), user_id, now_us]).await?.is_some())
    }

    /// Lists the browsers that a person had remembered, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn trusted_devices(&self, user_id: Uuid, now_us: i64) -> Result<Vec<TrustedDevice>, StoreError> {
        let sql = "SELECT * FROM trusted_devices WHERE user_id = $1 AND ends_us > $2 ORDER BY id DESC";
        self.db.all(sql, args![user_id, now_us]).await?.iter().map(trusted).collect()
    }

    /// Forgets a remembered browser of a person (`DEVICE_FORGOTTEN`). Returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_device(&self, context: &Context, user_id: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM trusted_devices WHERE id = $1 AND user_id = $2 RETURNING device";
        let Some(row) = tx.one(sql, args![id, user_id]).await? else { return Ok(false) };
        let draft = context.draft(AuditAction::DeviceForgotten, ObjectKind::User, user_id, None);
        tx.audit(draft.with("device_id", id).with("device", row.text("device")?));
        tx.commit().await?;
        Ok(true)
    }

    /// The digest includes the id of the person, so that a cookie works for this person only.
    fn device_digest(&self, user_id: Uuid, text: &str) -> [u8; 32] {
        self.keyring.token_digest(&format!("browser of {user_id}: {text}"))
    }
}

fn trusted(row: &Row) -> Result<TrustedDevice, StoreError> {
    Ok(TrustedDevice {
        id: row.id("id")?,
        device: row.text("device")?,
        source_ip: row.maybe_text("source_ip")?,
        began_us: row.int("began_us")?,
        ends_us: row.int("ends_us")?,
    })
}

#[cfg(test)]
mod tests {
    use super::DEVICE_LASTS_US;
    use crate::{
        InstanceRole, UserUpdate,
        testing::{House, NOW_US, new_user},
    };

    #[tokio::test]
    async fn a_browser_is_remembered_for_one_person_for_thirty_days_until_it_is_forgotten() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        let bob = store.create_user(&house.ann(), new_user("bob@example.com", InstanceRole::Member)).await.unwrap();
        let text = store.trust_device(&house.ann(), ann, "Firefox on Linux").await.unwrap();
        let knows = async |user, now_us| store.is_trusted_device(user, text.expose(), now_us).await.unwrap();
        assert!(knows(ann, NOW_US + DEVICE_LASTS_US - 1).await);
        assert!(!knows(ann, NOW_US + DEVICE_LASTS_US).await);
        assert!(!knows(bob.id, NOW_US).await);
        let id = store.trusted_devices(ann, NOW_US).await.unwrap()[0].id;
        assert!(!store.forget_device(&house.ann(), bob.id, id).await.unwrap(), "not theirs");
        assert!(store.forget_device(&house.ann(), ann, id).await.unwrap());
        assert!(!knows(ann, NOW_US).await);
    }

    #[tokio::test]
    async fn a_new_password_forgets_every_browser() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        store.trust_device(&house.ann(), ann, "Firefox").await.unwrap();
        let update = UserUpdate { password_hash: Some("$argon2id$y".to_owned()), ..UserUpdate::default() };
        store.update_user(&house.ann(), ann, 1, update).await.unwrap();
        assert!(store.trusted_devices(ann, NOW_US).await.unwrap().is_empty());
    }
}
