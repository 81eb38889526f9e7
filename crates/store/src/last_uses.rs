//! The times at which tokens were last used. Requests note them in memory, and they are written separately.
//!
//! A request that only reads must not wait for the only writer of the database. If the process dies, a minute
//! of these times is lost, and no decision depends on them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

/// The maximum number of tokens whose use is noted. The use of any other token is not noted until these are
/// written.
const NOTED_MAX: usize = 10_000;

/// The unwritten uses: a map from tokens to the time of their last use in microseconds.
#[derive(Default)]
pub(crate) struct LastUses(Mutex<HashMap<Uuid, i64>>);

impl LastUses {
    pub(crate) fn noted(&self) -> MutexGuard<'_, HashMap<Uuid, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a use if there is room.
    pub(crate) fn note(&self, token: Uuid, now_us: i64) {
        let mut noted = self.noted();
        if noted.len() < NOTED_MAX || noted.contains_key(&token) {
            let last = noted.entry(token).or_insert(now_us);
            *last = now_us.max(*last);
        }
    }

    /// Returns the unwritten use of a token.
    pub(crate) fn of(&self, token: Uuid) -> Option<i64> {
        self.noted().get(&token).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LastUses, NOTED_MAX};
    use crate::{
        NewToken, Scope, TokenKind,
        sql::args,
        testing::{House, NOW_US},
    };

    #[tokio::test]
    async fn a_request_is_let_in_while_somebody_else_writes() {
        let house = House::new().await;
        let new = NewToken {
            user_id: house.owner.id,
            kind: TokenKind::Api,
            name: "ci".to_owned(),
            scopes: vec![Scope::RecordsRead],
            expires_us: None,
        };
        let (token, text) = house.store.issue_token(&house.ann(), new).await.unwrap();
        let written = async || {
            let sql = "SELECT last_used_us FROM tokens WHERE id = $1";
            house.store.db.one(sql, args![token.id]).await.unwrap().unwrap().maybe_int("last_used_us").unwrap()
        };
        let writer = house.store.db.write().await.unwrap();
        let caller = tokio::time::timeout(Duration::from_secs(5), house.store.authenticate(text.expose(), NOW_US));
        let caller = caller.await.expect("it waits for nobody").unwrap().unwrap();
        assert_eq!(caller.token.last_used_us, Some(NOW_US));
        drop(writer);
        assert_eq!(house.store.token(token.id).await.unwrap().unwrap().last_used_us, Some(NOW_US));
        assert_eq!(written().await, None);
        house.store.write_last_uses().await.unwrap();
        assert_eq!((written().await, house.store.last_uses.of(token.id)), (Some(NOW_US), None));
    }

    #[test]
    fn what_is_noted_has_a_bound() {
        let uses = LastUses::default();
        for n in 0..=NOTED_MAX as u128 {
            uses.note(uuid::Uuid::from_u128(n), 1);
        }
        assert_eq!(uses.of(uuid::Uuid::from_u128(NOTED_MAX as u128)), None);
        uses.note(uuid::Uuid::from_u128(0), 2);
        assert_eq!(uses.of(uuid::Uuid::from_u128(0)), Some(2));
    }
}
