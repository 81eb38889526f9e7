//! Sessions of browsers: 256 bit, stored only as keyed digests, apart from API tokens.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sealing::SecretText;
use vaultterm_sync::SignInMethod;

use crate::{
    Context, Store, StoreError, User,
    context::Facts as _,
    factors::{self, Spend},
    links,
    sql::{Row, Tx, args},
    users,
};

/// How long a session lasts without a request, in microseconds.
pub const SESSION_IDLE_US: i64 = 30 * 60 * 1_000_000;
/// How long a session lasts at most, in microseconds.
const LASTS_US: i64 = 12 * 3_600 * 1_000_000;
/// How long a session waits for the second factor, in microseconds.
const HALF_LASTS_US: i64 = 10 * 60 * 1_000_000;
/// How old the moment of the last request may be before it is noted again.
const SEEN_EVERY_US: i64 = 60_000_000;
/// How long a session that ended is kept, to know whose it was.
const KEPT_US: i64 = 24 * 3_600 * 1_000_000;

/// A login of a person in a browser.
#[derive(Clone, Debug)]
pub struct Session {
    /// Id.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// The browser and the system, in words.
    pub device: String,
    /// The address that the login came from.
    pub source_ip: Option<String>,
    /// Microseconds.
    pub began_us: i64,
    /// When the last request came, in microseconds; up to a minute old.
    pub seen_us: i64,
    /// When it ends in any case, in microseconds.
    pub ends_us: i64,
    /// How the person proved who they are when it began.
    pub method: SignInMethod,
    /// When the person last proved who they are, with the second factor if they have one, in microseconds; 0 for a
    /// login on a remembered browser.
    pub proved_us: i64,
}

/// A session to begin.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Whose.
    pub user_id: Uuid,
    /// The browser and the system, in words.
    pub device: &'a str,
    /// How the person proved who they are.
    pub method: SignInMethod,
    /// Whether the proof counts as fresh for what needs one.
    pub is_proved: bool,
    /// What the login uses up.
    pub spend: Option<Spend>,
    /// The session that waited for the second factor. It ends.
    pub half: Option<Uuid>,
}

impl<'a> NewSession<'a> {
    /// Describes a session that begins with a password alone.
    #[must_use]
    pub const fn new(user_id: Uuid, device: &'a str) -> Self {
        Self { user_id, device, method: SignInMethod::Password, is_proved: true, spend: None, half: None }
    }
}

impl Session {
    /// Returns when it ends if no further request comes, in microseconds.
    #[must_use]
    pub fn ends_idle_us(&self) -> i64 {
        self.ends_us.min(self.seen_us + SESSION_IDLE_US)
    }
}

impl Store {
    /// Begins a session of a person and returns it with the text for the cookie, which is not stored
    /// (`LOGIN_SUCCEEDED`; the back-off after wrong passwords is cleared). What the login uses up is used up in the
    /// same transaction.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such person; [`StoreError::Refused`] when the code was used already, or
    /// the session that waited for it is gone.
    pub async fn begin_session(
        &self,
        context: &Context,
        new: NewSession<'_>,
    ) -> Result<(Session, SecretText), StoreError> {
        let text = SecretText::draw("vtb_")?;
        let session = of_now(context, &new, LASTS_US);
        let mut tx = self.db.write().await?;
        if let Some(half) = new.half {
            let sql = "DELETE FROM sessions WHERE id = $1 AND user_id = $2 AND is_half = 1";
            if tx.run(sql, args![half, new.user_id]).await? == 0 {
                return Err(StoreError::Refused("the login took too long: begin it again".to_owned()));
            }
        }
        if let Some(spend) = &new.spend {
            factors::spend(&mut tx, context, new.user_id, spend).await?;
        }
        let sql = "UPDATE users SET failures = 0, locked_until_us = 0 WHERE id = $1 RETURNING email";
        let user = tx.one(sql, args![new.user_id]).await?.ok_or(StoreError::NotFound("user"))?;
        let email = user.text("email")?;
        self.insert_session(&mut tx, &session, &text, false).await?;
        if new.method != SignInMethod::Link {
            // Whoever used the link need not be the person. The next login by other means is the person's.
            links::tell_of_resets(&mut tx, new.user_id, session.began_us).await?;
        }
        let draft = context.draft(AuditAction::LoginSucceeded, ObjectKind::User, new.user_id, Some(&email));
        let draft = draft.with("session", session.id).with("device", new.device);
        tx.audit(draft.with("method", session.method.as_str()));
        tx.commit().await?;
        Ok((session, text))
    }

    /// Begins a session that waits ten minutes for the second factor. It opens nothing, and clears no back-off.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn begin_half_session(
        &self,
        context: &Context,
        user_id: Uuid,
        device: &str,
    ) -> Result<SecretText, StoreError> {
        let text = SecretText::draw("vtb_")?;
        let new = NewSession { is_proved: false, ..NewSession::new(user_id, device) };
        let mut tx = self.db.write().await?;
        self.insert_session(&mut tx, &of_now(context, &new, HALF_LASTS_US), &text, true).await?;
        tx.commit().await?;
        Ok(text)
    }

    async fn insert_session(
        &self,
        tx: &mut Tx,
        session: &Session,
        text: &SecretText,
        is_half: bool,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM sessions WHERE user_id = $1 AND (ends_us <= $2 OR seen_us <= $3)";
        let long_ago = session.began_us - KEPT_US;
        tx.run(sql, args![session.user_id, long_ago, long_ago - SESSION_IDLE_US]).await?;
        tx.run(
            "INSERT INTO sessions (id, user_id, digest, device, source_ip, began_us, seen_us, ends_us, method, proved_us,
                                   is_half)
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10)",
            args![
                session.id,
                session.user_id,
                self.keyring.token_digest(text.expose()),
                session.device.as_str(),
                session.source_ip.as_deref(),
                session.began_us,
                session.ends_us,
                session.method.as_str(),
                session.proved_us,
                is_half,
            ],
        )
        .await?;
        Ok(())
    }

    /// Finds the session that waits for the second factor, by the text of the cookie, and its person.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn half_session(&self, text: &str, now_us: i64) -> Result<Option<(User, Session)>, StoreError> {
        let sql = "SELECT * FROM sessions WHERE digest = $1 AND is_half = 1 AND ends_us > $2";
        let Some(row) = self.db.one(sql, args![self.keyring.token_digest(text), now_us]).await? else {
            return Ok(None);
        };
        let session = session(&row)?;
        let sql = "SELECT * FROM users WHERE id = $1 AND disabled = 0";
        let Some(row) = self.db.one(sql, args![session.user_id]).await? else { return Ok(None) };
        Ok(Some((users::user(&row)?, session)))
    }

    /// Notes that a person proved who they are, and gives the session a new text for the cookie
    /// (`IDENTITY_CONFIRMED`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a session that has ended; [`StoreError::Refused`] for a code that was used already.
    pub async fn prove_session(
        &self,
        context: &Context,
        id: Uuid,
        spend: Option<&Spend>,
    ) -> Result<SecretText, StoreError> {
        let text = SecretText::draw("vtb_")?;
        let mut tx = self.db.write().await?;
        let sql = "UPDATE sessions SET digest = $2, proved_us = $3, seen_us = $3 WHERE id = $1 AND is_half = 0
                   RETURNING user_id";
        let row = tx.one(sql, args![id, self.keyring.token_digest(text.expose()), context.now_us]).await?;
        let user_id = row.ok_or(StoreError::NotFound("session"))?.id("user_id")?;
        if let Some(spend) = spend {
            factors::spend(&mut tx, context, user_id, spend).await?;
        }
        let draft = context.draft(AuditAction::IdentityConfirmed, ObjectKind::User, user_id, None);
        tx.audit(draft.with("session", id));
        tx.commit().await?;
        Ok(text)
    }

    /// Lists the sessions of a person that have not ended, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn sessions(&self, user_id: Uuid, now_us: i64) -> Result<Vec<Session>, StoreError> {
        let sql = "SELECT * FROM sessions WHERE user_id = $1 AND is_half = 0 AND ends_us > $2 ORDER BY id DESC";
        let rows = self.db.all(sql, args![user_id, now_us]).await?;
        let found = rows.iter().map(session).collect::<Result<Vec<_>, _>>()?;
        let seen = found.into_iter().map(|session| self.with_last_sight(session));
        Ok(seen.filter(|session| session.ends_idle_us() > now_us).collect())
    }

    fn with_last_sight(&self, session: Session) -> Session {
        let seen_us = self.last_uses.of(session.id).map_or(session.seen_us, |noted| noted.max(session.seen_us));
        Session { seen_us, ..session }
    }

    /// Finds the session and the person that the text of a cookie belongs to. `None` when the session is
    /// unknown or has ended, or the person is disabled. Notes that the session was used, for
    /// [`Store::write_last_uses`], and writes nothing.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn session(&self, text: &str, now_us: i64) -> Result<Option<(User, Session)>, StoreError> {
        let Some(mut session) = self.any_session(text).await? else { return Ok(None) };
        if session.ends_idle_us() <= now_us {
            return Ok(None);
        }
        let sql = "SELECT * FROM users WHERE id = $1 AND disabled = 0";
        let Some(row) = self.db.one(sql, args![session.user_id]).await? else { return Ok(None) };
        if session.seen_us < now_us - SEEN_EVERY_US {
            self.last_uses.note(session.id, now_us);
            session.seen_us = now_us;
        }
        Ok(Some((users::user(&row)?, session)))
    }

    /// Finds whose session the text of a cookie belongs to, also when the session has ended.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn session_owner(&self, text: &str) -> Result<Option<Uuid>, StoreError> {
        Ok(self.any_session(text).await?.map(|session| session.user_id))
    }

    /// Ends a session (`LOGGED_OUT`). A session that is gone already is no error.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn end_session(&self, context: &Context, id: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let Some(row) = tx.one("DELETE FROM sessions WHERE id = $1 RETURNING user_id", args![id]).await? else {
            return Ok(());
        };
        let draft = context.draft(AuditAction::LoggedOut, ObjectKind::Token, id, Some("session"));
        tx.audit(draft.about(ObjectKind::User, row.id("user_id")?));
        tx.commit().await
    }

    /// Finds a session, ended or not, with the last use that is not written yet.
    async fn any_session(&self, text: &str) -> Result<Option<Session>, StoreError> {
        let digest = self.keyring.token_digest(text);
        let sql = "SELECT sessions.*, instance.keyring_generation FROM sessions CROSS JOIN instance
                   WHERE digest = $1 AND is_half = 0";
        let Some(row) = self.db.one(sql, args![digest]).await? else { return Ok(None) };
        self.follow_keyring(&row).await?;
        Ok(Some(self.with_last_sight(session(&row)?)))
    }
}

/// Describes a session that begins at this moment.
fn of_now(context: &Context, new: &NewSession<'_>, lasts_us: i64) -> Session {
    Session {
        id: vaultterm_sync::new_id(),
        user_id: new.user_id,
        device: new.device.to_owned(),
        source_ip: context.source_ip.clone(),
        began_us: context.now_us,
        seen_us: context.now_us,
        ends_us: context.now_us + lasts_us,
        method: new.method,
        proved_us: if new.is_proved { context.now_us } else { 0 },
    }
}

fn session(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.id("id")?,
        user_id: row.id("user_id")?,
        device: row.text("device")?,
        source_ip: row.maybe_text("source_ip")?,
        began_us: row.int("began_us")?,
        seen_us: row.int("seen_us")?,
        ends_us: row.int("ends_us")?,
        method: row.named("method")?,
        proved_us: row.int("proved_us")?,
    })
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::AuditAction;

    use super::{LASTS_US, NewSession, SESSION_IDLE_US};
    use crate::{
        InstanceRole, UserUpdate,
        testing::{House, NOW_US, new_user, somebody},
    };

    #[tokio::test]
    async fn a_session_ends_half_an_hour_after_the_last_request_and_in_any_case_after_twelve_hours() {
        let house = House::new().await;
        let store = &house.store;
        let (_, text) = store.begin_session(&house.ann(), NewSession::new(house.owner.id, "Firefox")).await.unwrap();
        let holds = async |now_us| store.session(text.expose(), now_us).await.unwrap().is_some();
        assert!(!holds(NOW_US + SESSION_IDLE_US).await, "nobody was seen for half an hour");
        let mut now_us = NOW_US;
        while now_us + SESSION_IDLE_US / 2 < NOW_US + LASTS_US {
            now_us += SESSION_IDLE_US / 2;
            assert!(holds(now_us).await, "after {} s", (now_us - NOW_US) / 1_000_000);
            // What was noted counts before it is written, and after.
            store.write_last_uses().await.unwrap();
        }
        assert!(!holds(NOW_US + LASTS_US).await);
        assert_eq!(store.session_owner(text.expose()).await.unwrap(), Some(house.owner.id));
        assert_eq!(store.session_owner("vtb_none").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_session_is_no_api_token_and_an_api_token_is_no_session() {
        let house = House::new().await;
        let (_, text) =
            house.store.begin_session(&house.ann(), NewSession::new(house.owner.id, "Firefox")).await.unwrap();
        assert!(house.store.authenticate(text.expose(), NOW_US).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_new_password_another_role_and_a_disabled_person_end_every_session() {
        let house = House::new().await;
        let store = &house.store;
        let bob = store.create_user(&house.ann(), new_user("bob@example.com", InstanceRole::Member)).await.unwrap();
        let changes = [
            (UserUpdate { name: Some("Bob".to_owned()), ..UserUpdate::default() }, true),
            (UserUpdate { role: Some(InstanceRole::Admin), ..UserUpdate::default() }, false),
            (UserUpdate { password_hash: Some("$argon2id$y".to_owned()), ..UserUpdate::default() }, false),
            (UserUpdate { disabled: Some(true), ..UserUpdate::default() }, false),
        ];
        for (revision, (update, stays)) in (1..).zip(changes) {
            let (_, text) = store.begin_session(&house.ann(), NewSession::new(bob.id, "Firefox")).await.unwrap();
            let told = format!("{update:?}");
            store.update_user(&house.ann(), bob.id, revision, update).await.unwrap();
            assert_eq!(store.session(text.expose(), NOW_US).await.unwrap().is_some(), stays, "{told}");
        }
    }

    #[tokio::test]
    async fn a_login_clears_the_back_off_and_a_logout_is_audited_once() {
        let house = House::new().await;
        let store = &house.store;
        store.record_login_failure(&somebody(), "ann@example.com", NOW_US + 5).await.unwrap();
        let (session, text) =
            store.begin_session(&house.ann(), NewSession::new(house.owner.id, "Firefox")).await.unwrap();
        assert_eq!(store.login_lock("ann@example.com").await.unwrap(), crate::LoginLock::default());
        store.end_session(&house.ann(), session.id).await.unwrap();
        store.end_session(&house.ann(), session.id).await.unwrap();
        assert!(store.session(text.expose(), NOW_US).await.unwrap().is_none());
        let audited = house.audited().await;
        assert_eq!(audited.iter().filter(|action| **action == AuditAction::LoggedOut).count(), 1);
        assert_eq!(audited.last(), Some(&AuditAction::LoggedOut));
    }

    #[tokio::test]
    async fn a_session_that_waits_for_the_second_factor_opens_nothing_and_becomes_one_other_session() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        store.record_login_failure(&somebody(), "ann@example.com", NOW_US + 5).await.unwrap();
        let text = store.begin_half_session(&house.ann(), ann, "Firefox").await.unwrap();
        assert!(store.session(text.expose(), NOW_US).await.unwrap().is_none());
        assert!(store.sessions(ann, NOW_US).await.unwrap().is_empty());
        assert_eq!(store.login_lock("ann@example.com").await.unwrap().failures, 1, "half a login clears nothing");
        assert!(store.half_session(text.expose(), NOW_US + super::HALF_LASTS_US).await.unwrap().is_none());
        let (user, half) = store.half_session(text.expose(), NOW_US).await.unwrap().unwrap();
        let new = || NewSession { half: Some(half.id), ..NewSession::new(user.id, "Firefox") };
        let (_, whole) = store.begin_session(&house.ann(), new()).await.unwrap();
        assert!(store.begin_session(&house.ann(), new()).await.is_err(), "it is gone");
        assert_ne!(whole.expose(), text.expose());
        assert!(store.session(whole.expose(), NOW_US).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_proof_gives_a_session_another_text_and_a_new_moment() {
        let house = House::new().await;
        let store = &house.store;
        let new = NewSession { is_proved: false, ..NewSession::new(house.owner.id, "Firefox") };
        let (session, before) = store.begin_session(&house.ann(), new).await.unwrap();
        assert_eq!(session.proved_us, 0);
        let after = store.prove_session(&house.ann(), session.id, None).await.unwrap();
        assert!(store.session(before.expose(), NOW_US).await.unwrap().is_none());
        let (_, session) = store.session(after.expose(), NOW_US).await.unwrap().unwrap();
        assert_eq!(session.proved_us, NOW_US);
        store.end_session(&house.ann(), session.id).await.unwrap();
        assert!(store.prove_session(&house.ann(), session.id, None).await.is_err());
    }
}
