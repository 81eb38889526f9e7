//! Passkeys of people, and the questions to authenticators that wait for their answer.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    sql::{Row, args},
};

/// How long a question waits for its answer, in microseconds.
const QUESTION_LASTS_US: i64 = 5 * 60 * 1_000_000;
/// How many questions wait at most. The oldest one makes room.
const QUESTIONS_MAX: u32 = 10_000;

/// A passkey of a person.
#[derive(Clone, Debug)]
pub struct StoredPasskey {
    /// Id.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// The host that it is bound to.
    pub host: String,
    /// The name for people.
    pub name: String,
    /// The public part, as JSON.
    pub body: String,
    /// Microseconds.
    pub made_us: i64,
    /// When it was used last, in microseconds.
    pub used_us: Option<i64>,
}

/// A passkey to store.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    /// Whose.
    pub user_id: Uuid,
    /// The id that the authenticator gave it.
    pub credential: Vec<u8>,
    /// The host that it is bound to.
    pub host: String,
    /// The name for people.
    pub name: String,
    /// The public part, as JSON.
    pub body: String,
}

/// A question to an authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyQuestion {
    /// Who makes a passkey; nobody for a login.
    pub user_id: Option<Uuid>,
    /// The host that asks.
    pub host: String,
    /// What is needed to judge the answer, as JSON.
    pub body: String,
}

impl Store {
    /// Keeps a question for a few minutes, and returns what it is called.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keep_question(&self, question: &PasskeyQuestion, now_us: i64) -> Result<Uuid, StoreError> {
        let id = vaultterm_sync::new_id();
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM passkey_questions WHERE expires_us <= $1 OR id IN
                   (SELECT id FROM passkey_questions ORDER BY id DESC LIMIT 1000 OFFSET $2)";
        tx.run(sql, args![now_us, QUESTIONS_MAX]).await?;
        let sql = "INSERT INTO passkey_questions (id, user_id, host, body, expires_us) VALUES ($1, $2, $3, $4, $5)";
        let PasskeyQuestion { user_id, host, body } = question;
        let expires_us = now_us + QUESTION_LASTS_US;
        tx.run(sql, args![id, *user_id, host.as_str(), body.as_str(), expires_us]).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Hands out a question, once.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_question(&self, id: Uuid, now_us: i64) -> Result<Option<PasskeyQuestion>, StoreError> {
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM passkey_questions WHERE id = $1 AND expires_us > $2 RETURNING *";
        let row = tx.one(sql, args![id, now_us]).await?;
        tx.commit().await?;
        let question = |row: Row| {
            let (host, body) = (row.text("host")?, row.text("body")?);
            Ok(PasskeyQuestion { user_id: row.maybe_id("user_id")?, host, body })
        };
        row.map(question).transpose()
    }

    /// Stores a passkey (`FACTOR_ADDED`).
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the authenticator's id is known already.
    pub async fn add_passkey(&self, context: &Context, new: NewPasskey) -> Result<StoredPasskey, StoreError> {
        let id = vaultterm_sync::new_id();
        let mut tx = self.db.write().await?;
        let known = tx.one("SELECT id FROM passkeys WHERE credential = $1", args![new.credential.clone()]).await?;
        if known.is_some() {
            return Err(StoreError::Refused("this passkey is known already".to_owned()));
        }
        let sql = "INSERT INTO passkeys (id, user_id, credential, host, name, body, made_us, used_us)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)";
        let NewPasskey { user_id, credential, host, name, body } = new;
        let row = args![id, user_id, credential, host.as_str(), name.as_str(), body.as_str(), context.now_us];
        tx.run(sql, row).await?;
        let draft = context.draft(AuditAction::FactorAdded, ObjectKind::User, user_id, None);
        tx.audit(draft.with("factor", "passkey").with("passkey", id).with("name", &name).with("host", &host));
        tx.commit().await?;
        Ok(StoredPasskey { id, user_id, host, name, body, made_us: context.now_us, used_us: None })
    }

    /// Lists the passkeys of a person, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn passkeys(&self, user_id: Uuid) -> Result<Vec<StoredPasskey>, StoreError> {
        let sql = "SELECT * FROM passkeys WHERE user_id = $1 ORDER BY id DESC";
        self.db.all(sql, args![user_id]).await?.iter().map(passkey).collect()
    }

    /// Finds a passkey by the id that the authenticator gave it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn passkey_by_credential(&self, credential: &[u8]) -> Result<Option<StoredPasskey>, StoreError> {
        let sql = "SELECT * FROM passkeys WHERE credential = $1";
        let row = self.db.one(sql, args![credential.to_vec()]).await?;
        row.map(|row| passkey(&row)).transpose()
    }

    /// Notes that a passkey was used, with its public part as it is now (its counter moved).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn note_passkey(&self, id: Uuid, body: &str, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.run("UPDATE passkeys SET body = $2, used_us = $3 WHERE id = $1", args![id, body, now_us]).await?;
        tx.commit().await
    }

    /// Deletes a passkey of a person (`FACTOR_REMOVED`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the person has no such passkey.
    pub async fn remove_passkey(&self, context: &Context, user_id: Uuid, id: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name";
        let row = tx.one(sql, args![id, user_id]).await?.ok_or(StoreError::NotFound("passkey"))?;
        let draft = context.draft(AuditAction::FactorRemoved, ObjectKind::User, user_id, None);
        tx.audit(draft.with("factor", "passkey").with("passkey", id).with("name", row.text("name")?));
        tx.commit().await
    }

    /// Lists the hosts that passkeys are bound to, with how many passkeys each.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn passkey_hosts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT host, COUNT(*) AS n FROM passkeys GROUP BY host ORDER BY host";
        let rows = self.db.all(sql, args![]).await?;
        rows.iter().map(|row| Ok((row.text("host")?, row.count("n")?))).collect()
    }
}

fn passkey(row: &Row) -> Result<StoredPasskey, StoreError> {
    Ok(StoredPasskey {
        id: row.id("id")?,
        user_id: row.id("user_id")?,
        host: row.text("host")?,
        name: row.text("name")?,
        body: row.text("body")?,
        made_us: row.int("made_us")?,
        used_us: row.maybe_int("used_us")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{House, NOW_US};

    fn new(house: &House, credential: u8) -> NewPasskey {
        let (host, name, body) = ("vault.example.com".to_owned(), "phone".to_owned(), "{}".to_owned());
        NewPasskey { user_id: house.owner.id, credential: vec![credential], host, name, body }
    }

    #[tokio::test]
    async fn a_question_is_handed_out_once_while_it_waits() {
        let house = House::new().await;
        let store = &house.store;
        let question = PasskeyQuestion { user_id: None, host: "localhost".to_owned(), body: "{}".to_owned() };
        let id = store.keep_question(&question, NOW_US).await.unwrap();
        assert_eq!(store.take_question(id, NOW_US + QUESTION_LASTS_US).await.unwrap(), None);
        let id = store.keep_question(&question, NOW_US).await.unwrap();
        assert_eq!(store.take_question(id, NOW_US + 1).await.unwrap(), Some(question));
        assert_eq!(store.take_question(id, NOW_US + 1).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_passkey_is_found_by_what_the_authenticator_calls_it_and_belongs_to_one_person() {
        let house = House::new().await;
        let store = &house.store;
        let made = store.add_passkey(&house.ann(), new(&house, 1)).await.unwrap();
        assert!(store.add_passkey(&house.ann(), new(&house, 1)).await.is_err(), "known already");
        store.note_passkey(made.id, "{\"n\":1}", NOW_US + 7).await.unwrap();
        let found = store.passkey_by_credential(&[1]).await.unwrap().unwrap();
        assert_eq!((found.id, found.used_us, found.body.as_str()), (made.id, Some(NOW_US + 7), "{\"n\":1}"));
        assert!(store.passkey_by_credential(&[2]).await.unwrap().is_none());
        assert_eq!(store.passkey_hosts().await.unwrap(), [("vault.example.com".to_owned(), 1)]);
        assert!(store.remove_passkey(&house.ann(), Uuid::nil(), made.id).await.is_err());
        store.remove_passkey(&house.ann(), house.owner.id, made.id).await.unwrap();
        assert!(store.passkeys(house.owner.id).await.unwrap().is_empty());
    }
}
