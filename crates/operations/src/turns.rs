//! The order of attempts at one account.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::OwnedMutexGuard;

/// Lets one attempt at an account happen at a time, so that the lock, the password and the cost of a wrong
/// one are judged together, even with many attempts at once.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn at an account, and holds it until the guard is dropped. Addresses are compared
    /// without case.
    pub async fn at(&self, email: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let email = email.trim().to_lowercase();
            let known = turns.get(&email).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::new(tokio::sync::Mutex::new(()));
                turns.insert(email, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attempts_at_one_account_wait_for_one_another_and_those_at_another_do_not() {
        let turns = Turns::default();
        let first = turns.at("ann@example.com").await;
        let second = turns.at(" Ann@Example.com");
        tokio::pin!(second);
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(turns.at("ben@example.com").await);
        drop(first);
        drop(second.await);
        let _turn = turns.at("eve@example.com").await;
        assert_eq!(turns.0.lock().unwrap().len(), 1, "accounts that nobody waits for are forgotten");
    }
}
