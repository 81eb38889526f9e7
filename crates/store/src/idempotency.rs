//! Stores the answers for `Idempotency-Key`. They are sealed, because they may contain a token that is shown
//! only once.

use uuid::Uuid;
use vaultterm_sealing::{Place, Purpose};

use crate::{Store, StoreError, sealed::seal, sql::args};

/// A key of a person for a request.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// The id of the person.
    pub user_id: Uuid,
    /// The value of the header.
    pub key: String,
    /// A keyed digest of the method, the path and the body. The same key with another request is refused.
    pub request: [u8; 32],
}

/// The first answer.
#[derive(Clone, Debug)]
pub struct SavedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, verbatim.
    pub body: Vec<u8>,
}

/// The time for which an answer is kept, in microseconds.
const KEPT_US: i64 = 24 * 3_600 * 1_000_000;
/// The time limit of a request, in microseconds. After that, a request that was cut off (because its server
/// died) frees its key. The limit is longer than the server works on any request.
const ANSWERED_WITHIN_US: i64 = 15 * 60 * 1_000_000;

impl Store {
    /// Claims a key. Returns `Ok(None)` if this request is the first, and the caller must then complete or
    /// abandon it. Returns the first answer if that request was completed.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the key was used for another request, or if the first request is still in
    /// progress.
    pub async fn claim_idempotency(
        &self,
        key: &IdempotencyKey,
        now_us: i64,
    ) -> Result<Option<SavedAnswer>, StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = "DELETE FROM idempotency WHERE user_id = $1 AND idempotency_key = $2
                     AND (created_us <= $3 OR (status IS NULL AND created_us <= $4))";
        let too_old = args![key.user_id, key.key.as_str(), now_us - KEPT_US, now_us - ANSWERED_WITHIN_US];
        tx.run(sql, too_old).await?;
        let sql = "INSERT INTO idempotency (user_id, idempotency_key, request, created_us) VALUES ($1, $2, $3, $4)
                   ON CONFLICT DO NOTHING";
        let first = tx.run(sql, args![key.user_id, key.key.as_str(), key.request, now_us]).await? == 1;
        let sql = "SELECT * FROM idempotency WHERE user_id = $1 AND idempotency_key = $2";
        let row = tx.one(sql, args![key.user_id, key.key.as_str()]).await?;
        tx.commit().await?;
        if first {
            return Ok(None);
        }
        let row = row.ok_or(StoreError::NotFound("idempotency key"))?;
        if row.hash("request")? != key.request {
            return Err(StoreError::Refused("this Idempotency-Key was used for another request".to_owned()));
        }
        let Some(status) = row.maybe_int("status")? else {
            let why = "the first request with this Idempotency-Key is still being answered: try again in a moment";
            return Err(StoreError::Refused(why.to_owned()));
        };
        let opened = self.keyring.unseal(&self.answer_place(key), &row.sealed()?)?;
        let status = u16::try_from(status).map_err(|_| StoreError::Malformed("status"))?;
        Ok(Some(SavedAnswer { status, body: opened.expose().to_vec() }))
    }

    /// Stores the answer for 24 hours.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn complete_idempotency(&self, key: &IdempotencyKey, answer: &SavedAnswer) -> Result<(), StoreError> {
        let now_us = self.now_us();
        // An answer is sealed, so it waits for its turn: no key is retired meanwhile. Old answers go in the same turn.
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM idempotency WHERE created_us <= $1 OR (status IS NULL AND created_us <= $2)";
        tx.run(sql, args![now_us - KEPT_US, now_us - ANSWERED_WITHIN_US]).await?;
        let place = self.answer_place(key);
        let [key_id, wrapped_key, ciphertext] = seal(&mut tx, &self.keyring, &place, &answer.body).await?;
        let sql = "UPDATE idempotency SET status = $3, key_id = $4, wrapped_key = $5, ciphertext = $6
                   WHERE user_id = $1 AND idempotency_key = $2 AND status IS NULL";
        let status = u32::from(answer.status);
        tx.run(sql, args![key.user_id, key.key.as_str(), status, key_id, wrapped_key, ciphertext]).await?;
        tx.commit().await
    }

    /// Frees a key whose request failed without an effect.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn abandon_idempotency(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        let mut tx = self.db.touch().await?;
        let sql = "DELETE FROM idempotency WHERE user_id = $1 AND idempotency_key = $2 AND status IS NULL";
        tx.run(sql, args![key.user_id, key.key.as_str()]).await?;
        tx.commit().await
    }

    /// Returns the place of an answer. It is a digest of the person, the key and the request, because the
    /// answer belongs to exactly these.
    fn answer_place(&self, key: &IdempotencyKey) -> Place {
        let bound = [key.request.as_slice(), key.user_id.as_bytes(), key.key.as_bytes()].concat();
        let digest = self.keyring.digest_key().digest(&bound);
        let (object, _) = digest.split_at(16);
        let object = Uuid::from_slice(object).expect("a UUID has 16 bytes");
        Place { purpose: Purpose::IdempotentAnswer, collection: key.user_id, object, revision: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWERED_WITHIN_US, IdempotencyKey, KEPT_US, SavedAnswer};
    use crate::testing::{House, NOW_US};

    fn key(house: &House, request: u8) -> IdempotencyKey {
        IdempotencyKey { user_id: house.owner.id, key: "k".to_owned(), request: [request; 32] }
    }

    #[tokio::test]
    async fn a_repeated_request_gets_the_first_answer() {
        let house = House::new().await;
        let claim = async |request, now_us| house.store.claim_idempotency(&key(&house, request), now_us).await;
        assert!(claim(1, NOW_US).await.unwrap().is_none());
        assert!(claim(1, NOW_US).await.unwrap_err().to_string().contains("still being answered"));
        let answer = SavedAnswer { status: 201, body: b"{\"token\": \"shown once\"}".to_vec() };
        house.store.complete_idempotency(&key(&house, 1), &answer).await.unwrap();
        let again = claim(1, NOW_US + 1).await.unwrap().unwrap();
        assert_eq!((again.status, again.body), (201, answer.body));
        assert!(claim(2, NOW_US + 1).await.unwrap_err().to_string().contains("another request"));
        assert!(claim(2, NOW_US + KEPT_US).await.unwrap().is_none(), "a day later the key is free");
    }

    #[tokio::test]
    async fn a_request_that_failed_or_was_cut_off_frees_its_key() {
        let house = House::new().await;
        let key = key(&house, 1);
        assert!(house.store.claim_idempotency(&key, NOW_US).await.unwrap().is_none());
        house.store.abandon_idempotency(&key).await.unwrap();
        assert!(house.store.claim_idempotency(&key, NOW_US).await.unwrap().is_none());
        let later = NOW_US + ANSWERED_WITHIN_US;
        assert!(house.store.claim_idempotency(&key, later).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn keys_are_claimed_and_freed_beside_a_writer_where_the_database_can_do_so() {
        let house = House::new().await;
        if !vaultterm_testkit::on_postgres() {
            return;
        }
        let _writer = house.store.db.write().await.unwrap();
        let key = key(&house, 1);
        let beside = async {
            house.store.claim_idempotency(&key, NOW_US).await.unwrap();
            house.store.abandon_idempotency(&key).await.unwrap();
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), beside).await.expect("it waits for nobody");
    }

    #[tokio::test]
    async fn old_answers_go_when_another_request_is_answered() {
        let house = House::new().await;
        let old = IdempotencyKey { key: "old".to_owned(), ..key(&house, 1) };
        let answer = SavedAnswer { status: 200, body: Vec::new() };
        assert!(house.store.claim_idempotency(&old, NOW_US - KEPT_US).await.unwrap().is_none());
        house.store.complete_idempotency(&key(&house, 2), &answer).await.unwrap();
        let row = house.store.db.one("SELECT COUNT(*) AS n FROM idempotency", crate::sql::args![]).await.unwrap();
        assert_eq!(row.unwrap().count("n").unwrap(), 0);
    }

    #[tokio::test]
    async fn an_answer_is_not_given_away_by_abandoning() {
        let house = House::new().await;
        let key = key(&house, 1);
        house.store.claim_idempotency(&key, NOW_US).await.unwrap();
        let answer = SavedAnswer { status: 200, body: Vec::new() };
        house.store.complete_idempotency(&key, &answer).await.unwrap();
        house.store.abandon_idempotency(&key).await.unwrap();
        assert_eq!(house.store.claim_idempotency(&key, NOW_US).await.unwrap().unwrap().status, 200);
    }
}
