//! Failed logins, and the wait that follows them. An e-mail address without an account gets the same wait as one with
//! an account, so that the wait does not show whether an account exists.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, AuditOutcome, ObjectKind};

use crate::{
    Context, Store, StoreError, User,
    context::Facts as _,
    sql::args,
    users::{folded, user},
};

/// How long failures for an address without an account are remembered, in microseconds.
const REMEMBERED_US: i64 = 3_600_000_000;
/// How many addresses without an account are remembered.
const ADDRESSES_MAX: u32 = 10_000;

/// The data that a login needs.
#[derive(Clone, Debug)]
pub struct LoginRow {
    /// The person.
    pub user: User,
    /// The PHC string of the password.
    pub password_hash: Option<String>,
}

/// What failed logins of an address cost at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginLock {
    /// The number of consecutive failures.
    pub failures: u32,
    /// The time before which no attempt counts, in microseconds.
    pub locked_until_us: i64,
}

impl Store {
    /// Returns the data that a login with this address needs.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn login_row(&self, email: &str) -> Result<Option<LoginRow>, StoreError> {
        let row = self.db.one("SELECT * FROM users WHERE email = $1", args![folded(email)]).await?;
        let login = |row| Ok(LoginRow { user: user(&row)?, password_hash: row.maybe_text("password_hash")? });
        row.map(login).transpose()
    }

    /// Returns what failed logins of an address cost, whether somebody has the address or not.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn login_lock(&self, email: &str) -> Result<LoginLock, StoreError> {
        let sql = "SELECT failures, locked_until_us FROM users WHERE email = $1
                   UNION ALL SELECT failures, locked_until_us FROM unknown_logins WHERE digest = $2
                   ORDER BY locked_until_us DESC LIMIT 1";
        let row = self.db.one(sql, args![folded(email), self.address_digest(email)]).await?;
        let lock = row.map(|row| {
            Ok::<_, StoreError>(LoginLock {
                failures: row.small("failures")?,
                locked_until_us: row.int("locked_until_us")?,
            })
        });
        Ok(lock.transpose()?.unwrap_or_default())
    }

    /// Records a failed login (`LOGIN_FAILED`), and the wait before the next attempt.
    ///
    /// The log does not name an address without an account, because it may be a password that a person typed into the
    /// wrong field.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn record_login_failure(
        &self,
        context: &Context,
        email: &str,
        locked_until_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let sql = "UPDATE users SET failures = failures + 1, locked_until_us = $2 WHERE email = $1
                   RETURNING id, email, failures";
        let known = tx.one(sql, args![folded(email), locked_until_us]).await?;
        let (id, name) = match &known {
            Some(row) => (row.id("id")?, Some(row.text("email")?)),
            None => (Uuid::nil(), None),
        };
        let mut draft = context.draft(AuditAction::LoginFailed, ObjectKind::User, id, name.as_deref());
        draft.outcome = AuditOutcome::Failure;
        if let Some(row) = known {
            draft = draft.with("failures", row.count("failures")?);
        } else {
            let sql = "DELETE FROM unknown_logins WHERE last_us <= $1 OR digest IN
                       (SELECT digest FROM unknown_logins ORDER BY last_us DESC LIMIT 1000 OFFSET $2)";
            tx.run(sql, args![context.now_us - REMEMBERED_US, ADDRESSES_MAX]).await?;
            let sql = "INSERT INTO unknown_logins (digest, failures, locked_until_us, last_us) VALUES ($1, 1, $2, $3)
                       ON CONFLICT (digest) DO UPDATE SET failures = unknown_logins.failures + 1,
                       locked_until_us = excluded.locked_until_us, last_us = excluded.last_us";
            tx.run(sql, args![self.address_digest(email), locked_until_us, context.now_us]).await?;
        }
        tx.audit(draft);
        tx.commit().await
    }

    /// Records a login with a passkey that was refused (`LOGIN_FAILED`), of this person if the passkey is known. It makes
    /// nobody wait: otherwise a stranger could keep a person out of the account.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn record_refused_passkey(&self, context: &Context, user: Option<&User>) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let (id, name) = user.map_or((Uuid::nil(), None), |user| (user.id, Some(user.email.as_str())));
        let mut draft = context.draft(AuditAction::LoginFailed, ObjectKind::User, id, name);
        draft.outcome = AuditOutcome::Failure;
        tx.audit(draft.with("factor", "passkey"));
        tx.commit().await
    }

    fn address_digest(&self, email: &str) -> [u8; 32] {
        self.keyring.token_digest(&format!("address of a login: {}", folded(email)))
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::AuditAction;

    use super::LoginLock;
    use crate::{
        NewToken, TokenKind,
        testing::{House, NOW_US, somebody},
    };

    #[tokio::test]
    async fn failures_count_until_a_login_succeeds() {
        let house = House::new().await;
        let store = &house.store;
        for _ in 0..3 {
            store.record_login_failure(&somebody(), "ann@example.com", NOW_US + 5).await.unwrap();
        }
        let lock = LoginLock { failures: 3, locked_until_us: NOW_US + 5 };
        assert_eq!(store.login_lock("ann@example.com").await.unwrap(), lock);
        let new = NewToken {
            user_id: house.owner.id,
            kind: TokenKind::Login,
            name: "login".to_owned(),
            scopes: Vec::new(),
            expires_us: None,
        };
        store.issue_token(&house.ann(), new).await.unwrap();
        assert_eq!(store.login_lock("ann@example.com").await.unwrap(), LoginLock::default());
    }

    #[tokio::test]
    async fn an_address_that_nobody_has_waits_like_that_of_a_person_and_is_forgotten_after_an_hour() {
        let house = House::new().await;
        let store = &house.store;
        for _ in 0..2 {
            store.record_login_failure(&somebody(), "Nobody@example.com", NOW_US + 5).await.unwrap();
        }
        let lock = LoginLock { failures: 2, locked_until_us: NOW_US + 5 };
        assert_eq!(store.login_lock(" nobody@example.com").await.unwrap(), lock);
        assert_eq!(store.login_lock("elsewhere@example.com").await.unwrap(), LoginLock::default());
        let later = crate::Context { now_us: NOW_US + super::REMEMBERED_US, ..somebody() };
        store.record_login_failure(&later, "another@example.com", 0).await.unwrap();
        assert_eq!(store.login_lock("nobody@example.com").await.unwrap(), LoginLock::default());
        let audited = house.audited().await;
        assert_eq!(audited.iter().filter(|action| **action == AuditAction::LoginFailed).count(), 3);
    }
}
