//! The last values that each person had generated, sealed, for a day.

use uuid::Uuid;
use vaultterm_sealing::{Place, Purpose, SecretBytes, SecretText};

use crate::{Context, Store, StoreError, sealed::seal, sql::args};

/// How long a generated value is kept, in microseconds.
const KEPT_US: i64 = 24 * 60 * 60 * 1_000_000;
/// Values that are kept of one person.
const KEPT_MAX: u32 = 20;

/// A value that a person had generated, without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedValue {
    /// The id.
    pub id: Uuid,
    /// When, in microseconds.
    pub created_us: i64,
}

impl Store {
    /// Keeps a value that a person had generated. The oldest of them makes room.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keep_generated(
        &self,
        context: &Context,
        user_id: Uuid,
        value: &SecretText,
    ) -> Result<GeneratedValue, StoreError> {
        let id = vaultterm_sealing::new_id();
        let mut tx = self.db.write().await?;
        let [key_id, wrapped_key, ciphertext] =
            seal(&mut tx, &self.keyring, &place(id), value.expose().as_bytes()).await?;
        let sql = "INSERT INTO generated_values (id, user_id, created_us, key_id, wrapped_key, ciphertext)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        tx.run(sql, args![id, user_id, context.now_us, key_id, wrapped_key, ciphertext]).await?;
        let sql = "DELETE FROM generated_values WHERE user_id = $1 AND id NOT IN (
                       SELECT id FROM generated_values WHERE user_id = $1 ORDER BY created_us DESC, id DESC LIMIT $2)";
        tx.run(sql, args![user_id, KEPT_MAX]).await?;
        tx.commit().await?;
        Ok(GeneratedValue { id, created_us: context.now_us })
    }

    /// Lists the values that a person had generated within a day, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn generated(&self, user_id: Uuid, now_us: i64) -> Result<Vec<GeneratedValue>, StoreError> {
        let sql = "SELECT id, created_us FROM generated_values WHERE user_id = $1 AND created_us > $2
                   ORDER BY created_us DESC, id DESC";
        let rows = self.db.all(sql, args![user_id, now_us - KEPT_US]).await?;
        rows.iter().map(|row| Ok(GeneratedValue { id: row.id("id")?, created_us: row.int("created_us")? })).collect()
    }

    /// Opens a value that this person had generated within a day. `None` for one of another person, and for an older
    /// one.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when it does not open.
    pub async fn open_generated(
        &self,
        user_id: Uuid,
        id: Uuid,
        now_us: i64,
    ) -> Result<Option<SecretBytes>, StoreError> {
        let sql = "SELECT key_id, wrapped_key, ciphertext FROM generated_values
                   WHERE id = $1 AND user_id = $2 AND created_us > $3";
        let Some(row) = self.db.one(sql, args![id, user_id, now_us - KEPT_US]).await? else { return Ok(None) };
        Ok(Some(self.keyring.unseal(&place(id), &row.sealed()?)?))
    }

    /// Removes the values that are older than a day.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_generated(&self, now_us: i64) -> Result<(), StoreError> {
        let old = "SELECT id FROM generated_values WHERE created_us <= $1 LIMIT 1";
        if self.db.one(old, args![now_us - KEPT_US]).await?.is_none() {
            return Ok(());
        }
        let mut tx = self.db.write().await?;
        tx.run("DELETE FROM generated_values WHERE created_us <= $1", args![now_us - KEPT_US]).await?;
        tx.commit().await
    }
}

const fn place(id: Uuid) -> Place {
    Place { purpose: Purpose::GeneratedValue, collection: Uuid::nil(), object: id, revision: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        InstanceRole,
        testing::{House, new_user},
    };

    async fn keep(house: &House, text: &str) -> GeneratedValue {
        let value = SecretText::new(text.to_owned());
        house.store.keep_generated(&house.ann(), house.owner.id, &value).await.unwrap()
    }

    #[tokio::test]
    async fn the_last_twenty_values_of_a_person_are_kept_for_a_day() {
        let house = House::new().await;
        let first = keep(&house, "value 0").await;
        for n in 1..=20 {
            keep(&house, &format!("value {n}")).await;
        }
        let now_us = house.ann().now_us;
        let listed = house.store.generated(house.owner.id, now_us).await.unwrap();
        assert_eq!(listed.len(), 20);
        assert!(!listed.contains(&first), "the oldest made room");
        let newest = house.store.open_generated(house.owner.id, listed[0].id, now_us).await.unwrap().unwrap();
        assert_eq!(newest.expose(), b"value 20");
        let tomorrow = now_us + KEPT_US;
        assert!(house.store.generated(house.owner.id, tomorrow).await.unwrap().is_empty());
        assert!(house.store.open_generated(house.owner.id, listed[0].id, tomorrow).await.unwrap().is_none());
        house.store.forget_generated(tomorrow).await.unwrap();
        assert!(house.store.generated(house.owner.id, now_us).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn nobody_opens_a_value_that_another_person_had_generated() {
        let house = House::new().await;
        let kept = keep(&house, "mine").await;
        let ben =
            house.store.create_user(&house.ann(), new_user("ben@example.com", InstanceRole::Owner)).await.unwrap();
        let now_us = house.ann().now_us;
        assert!(house.store.open_generated(ben.id, kept.id, now_us).await.unwrap().is_none());
        assert!(house.store.generated(ben.id, now_us).await.unwrap().is_empty());
    }
}
