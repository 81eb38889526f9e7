//! Answers kept for `Idempotency-Key`, sealed (they may hold a token shown once).

use uuid::Uuid;

use crate::{Store, StoreError};

/// Whose key, for what.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// The person.
    pub user_id: Uuid,
    /// The header.
    pub key: String,
    /// Keyed digest of method, path and body: the same key with another request is refused.
    pub request: [u8; 32],
}

/// The first answer.
#[derive(Clone, Debug)]
pub struct SavedAnswer {
    /// HTTP status.
    pub status: u16,
    /// Body, verbatim.
    pub body: Vec<u8>,
}

impl Store {
    /// Claims a key: `Ok(None)` when this request is the first (it must be completed or
    /// abandoned), the first answer when it was completed.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the key was used for another request, or the first one is
    /// still being answered.
    pub async fn claim_idempotency(
        &self,
        key: &IdempotencyKey,
        now_us: i64,
    ) -> Result<Option<SavedAnswer>, StoreError> {
        let _ = (key, now_us);
        todo!()
    }

    /// Keeps the answer for 24 hours.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn complete_idempotency(&self, key: &IdempotencyKey, answer: &SavedAnswer) -> Result<(), StoreError> {
        let _ = (key, answer);
        todo!()
    }

    /// Frees a key whose request failed without effect.
    pub async fn abandon_idempotency(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        let _ = key;
        todo!()
    }
}
