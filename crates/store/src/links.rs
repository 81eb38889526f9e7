//! Links for one person: invitations, and resets for people who lost the second factor. A link works once, and only
//! until it expires. The store keeps only a keyed digest of its secret.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sealing::SecretText;
use vaultterm_sync::LinkPurpose;

use crate::{
    Context, Store, StoreError, User,
    context::Facts as _,
    factors,
    sql::{Row, Tx, args},
    users,
};

/// A link for one person, without its text.
#[derive(Clone, Debug)]
pub struct PersonLink {
    /// Id.
    pub id: Uuid,
    /// The person for whom it is.
    pub user_id: Uuid,
    /// What it does.
    pub purpose: LinkPurpose,
    /// The name of the actor that made it.
    pub made_by: String,
    /// When it was made, in microseconds.
    pub made_us: i64,
    /// When it was opened first, in microseconds.
    pub opened_us: Option<i64>,
    /// When it was used, in microseconds.
    pub used_us: Option<i64>,
    /// When it expires, in microseconds.
    pub expires_us: i64,
}

impl PersonLink {
    /// Returns whether the link can still be used.
    #[must_use]
    pub const fn is_open(&self, now_us: i64) -> bool {
        self.used_us.is_none() && self.expires_us > now_us
    }
}

impl Store {
    /// Makes a link for a person and returns it with its text, which is not stored (`INVITATION_CREATED`,
    /// `RESET_LINK_CREATED`). An unused link of the same person and purpose no longer works.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such person.
    pub async fn make_link(
        &self,
        context: &Context,
        user_id: Uuid,
        purpose: LinkPurpose,
        expires_us: i64,
    ) -> Result<(PersonLink, SecretText), StoreError> {
        let text = SecretText::draw("vti_")?;
        let link = PersonLink {
            id: vaultterm_sync::new_id(),
            user_id,
            purpose,
            made_by: context.actor.name.clone(),
            made_us: context.now_us,
            opened_us: None,
            used_us: None,
            expires_us,
        };
        let mut tx = self.db.write().await?;
        let user = users::locked(&mut tx, user_id).await?;
        let sql = "DELETE FROM person_links WHERE user_id = $1 AND purpose = $2 AND used_us IS NULL";
        tx.run(sql, args![user_id, purpose.as_str()]).await?;
        let sql =
            "INSERT INTO person_links (id, user_id, purpose, digest, made_by, made_us, opened_us, used_us, expires_us)
                   VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL, $7)";
        let digest = self.keyring.token_digest(text.expose());
        let made_by = link.made_by.as_str();
        tx.run(sql, args![link.id, user_id, purpose.as_str(), digest, made_by, link.made_us, expires_us]).await?;
        let action = match purpose {
            LinkPurpose::Invitation => AuditAction::InvitationCreated,
            LinkPurpose::Reset => AuditAction::ResetLinkCreated,
        };
        let draft = context.draft(action, ObjectKind::User, user_id, Some(&user.email));
        tx.audit(draft.with("link", link.id).with("expires_us", expires_us));
        tx.commit().await?;
        Ok((link, text))
    }

    /// Finds a link by its text, with its person, and records that the link was opened. Returns `None` when the link is
    /// unknown, used or expired, or the person is disabled.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn open_link(&self, text: &str, now_us: i64) -> Result<Option<(PersonLink, User)>, StoreError> {
        let digest = self.keyring.token_digest(text);
        let mut tx = self.db.write().await?;
        let sql = "UPDATE person_links SET opened_us = COALESCE(opened_us, $2)
                   WHERE digest = $1 AND used_us IS NULL AND expires_us > $2 RETURNING *";
        let Some(row) = tx.one(sql, args![digest, now_us]).await? else { return Ok(None) };
        let link = link(&row)?;
        let user = users::locked(&mut tx, link.user_id).await?;
        tx.commit().await?;
        Ok((!user.disabled).then_some((link, user)))
    }

    /// Uses a link up. Sets its person's password, and the name if one is given (`INVITATION_ACCEPTED`). A reset also
    /// deletes the second factors and ends all sessions, logins and remembered browsers (`USER_RECOVERED`).
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a link that is unknown, used or expired, or whose person is disabled.
    pub async fn use_link(
        &self,
        context: &Context,
        text: &str,
        name: Option<&str>,
        password_hash: &str,
    ) -> Result<User, StoreError> {
        let refused = || StoreError::Refused("the link is wrong, was used already or has expired".to_owned());
        let mut tx = self.db.write().await?;
        let sql = "UPDATE person_links SET used_us = $2, opened_us = COALESCE(opened_us, $2)
                   WHERE digest = $1 AND used_us IS NULL AND expires_us > $2 RETURNING *";
        let digest = self.keyring.token_digest(text);
        let link = link(&tx.one(sql, args![digest, context.now_us]).await?.ok_or_else(refused)?)?;
        let before = users::locked(&mut tx, link.user_id).await?;
        if before.disabled {
            return Err(refused());
        }
        let name = name.map_or_else(|| before.name.clone(), str::to_owned);
        let after =
            User { name, has_password: true, revision: before.revision + 1, updated_us: context.now_us, ..before };
        let sql = "UPDATE users SET name = $2, password_hash = $3, revision = $4, updated_us = $5, failures = 0,
                   locked_until_us = 0 WHERE id = $1";
        tx.run(sql, args![after.id, after.name.as_str(), password_hash, after.revision, after.updated_us]).await?;
        let action = match link.purpose {
            LinkPurpose::Invitation => AuditAction::InvitationAccepted,
            LinkPurpose::Reset => AuditAction::UserRecovered,
        };
        if link.purpose == LinkPurpose::Reset {
            factors::forget(&mut tx, after.id).await?;
        }
        users::log_out_everywhere(&mut tx, after.id).await?;
        let mut draft = context.draft(action, ObjectKind::User, after.id, Some(&after.email));
        draft.actor.id = after.id;
        draft.actor.name.clone_from(&after.email);
        draft.actor.kind = vaultterm_ledger::ActorKind::User;
        tx.audit(draft.with("link", link.id).with("made_by", &link.made_by));
        tx.commit().await?;
        Ok(after)
    }

    /// Lists the newest links of a person, used ones included.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn links(&self, user_id: Uuid) -> Result<Vec<PersonLink>, StoreError> {
        let sql = "SELECT * FROM person_links WHERE user_id = $1 ORDER BY id DESC LIMIT 20";
        self.db.all(sql, args![user_id]).await?.iter().map(link).collect()
    }

    /// Lists the reset links of a person of which the session that began at this moment tells, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn resets_told_at(&self, user_id: Uuid, began_us: i64) -> Result<Vec<PersonLink>, StoreError> {
        let sql = "SELECT * FROM person_links WHERE user_id = $1 AND told_us = $2 ORDER BY id";
        self.db.all(sql, args![user_id, began_us]).await?.iter().map(link).collect()
    }

    /// Deletes an unused link of a person (`PERSON_LINK_WITHDRAWN`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the person has no unused link with this id.
    pub async fn withdraw_link(&self, context: &Context, user_id: Uuid, id: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM person_links WHERE id = $1 AND user_id = $2 AND used_us IS NULL RETURNING purpose";
        let row = tx.one(sql, args![id, user_id]).await?.ok_or(StoreError::NotFound("link"))?;
        let draft = context.draft(AuditAction::PersonLinkWithdrawn, ObjectKind::User, user_id, None);
        tx.audit(draft.with("link", id).with("purpose", row.text("purpose")?));
        tx.commit().await
    }
}

/// Notes that the session that began at this moment tells its person of the reset links that were used since.
pub(crate) async fn tell_of_resets(tx: &mut Tx, user_id: Uuid, began_us: i64) -> Result<(), StoreError> {
    let sql = "UPDATE person_links SET told_us = $2
               WHERE user_id = $1 AND purpose = 'reset' AND used_us IS NOT NULL AND told_us IS NULL";
    tx.run(sql, args![user_id, began_us]).await.map(drop)
}

fn link(row: &Row) -> Result<PersonLink, StoreError> {
    Ok(PersonLink {
        id: row.id("id")?,
        user_id: row.id("user_id")?,
        purpose: row.named("purpose")?,
        made_by: row.text("made_by")?,
        made_us: row.int("made_us")?,
        opened_us: row.maybe_int("opened_us")?,
        used_us: row.maybe_int("used_us")?,
        expires_us: row.int("expires_us")?,
    })
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::AuditAction;
    use vaultterm_sealing::SecretBytes;
    use vaultterm_sync::{LinkPurpose, SignInMethod};

    use crate::{
        NewSession, UserUpdate,
        testing::{House, NOW_US, somebody},
    };

    #[tokio::test]
    async fn a_link_counts_once_until_it_expires_and_a_newer_one_replaces_it() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        let make =
            async |expires_us| store.make_link(&house.ann(), ann, LinkPurpose::Invitation, expires_us).await.unwrap().1;
        let use_it = async |text: &str| store.use_link(&somebody(), text, Some("Ann"), "$argon2id$y").await;
        assert!(use_it(make(NOW_US).await.expose()).await.is_err(), "it has expired");
        let (older, newer) = (make(NOW_US + 1).await, make(NOW_US + 1).await);
        assert!(use_it(older.expose()).await.is_err());
        let (link, user) = store.open_link(newer.expose(), NOW_US).await.unwrap().unwrap();
        assert_eq!((link.opened_us, user.id), (Some(NOW_US), ann));
        assert_eq!(use_it(newer.expose()).await.unwrap().name, "Ann");
        assert!(use_it(newer.expose()).await.is_err(), "once");
        assert!(store.open_link(newer.expose(), NOW_US).await.unwrap().is_none());
        assert_eq!(house.audited().await.last(), Some(&AuditAction::InvitationAccepted));
        assert!(store.withdraw_link(&house.ann(), ann, link.id).await.is_err(), "it was used");
        assert!(!store.links(ann).await.unwrap()[0].is_open(NOW_US));
    }

    #[tokio::test]
    async fn a_reset_deletes_the_second_factor_and_ends_every_session() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        store.begin_otp(&house.ann(), ann, &SecretBytes::new(vec![1; 20])).await.unwrap();
        store.confirm_otp(&house.ann(), ann, 1, &[[1; 32]]).await.unwrap();
        store.trust_device(&house.ann(), ann, "Firefox").await.unwrap();
        let (_, session) = store.begin_session(&house.ann(), NewSession::new(ann, "Firefox")).await.unwrap();
        let (_, link) = store.make_link(&house.ann(), ann, LinkPurpose::Reset, NOW_US + 1).await.unwrap();
        store.use_link(&somebody(), link.expose(), None, "$argon2id$z").await.unwrap();
        assert!(!store.factors(ann).await.unwrap().asked_for());
        assert!(store.trusted_devices(ann, NOW_US).await.unwrap().is_empty());
        assert!(store.session(session.expose(), NOW_US).await.unwrap().is_none());
        let row = store.login_row("ann@example.com").await.unwrap().unwrap();
        assert_eq!(row.password_hash.as_deref(), Some("$argon2id$z"));
        assert_eq!(house.audited().await.last(), Some(&AuditAction::UserRecovered));
    }

    #[tokio::test]
    async fn the_next_login_without_the_link_tells_once_of_a_reset() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        let (_, link) = store.make_link(&house.ann(), ann, LinkPurpose::Reset, NOW_US + 1).await.unwrap();
        store.use_link(&somebody(), link.expose(), None, "$argon2id$z").await.unwrap();
        let begin = async |method| {
            house.pass(60);
            let new = NewSession { method, ..NewSession::new(ann, "Firefox") };
            let (session, _) = store.begin_session(&house.ann(), new).await.unwrap();
            store.resets_told_at(ann, session.began_us).await.unwrap().len()
        };
        assert_eq!(begin(SignInMethod::Link).await, 0, "whoever used the link may be somebody else");
        assert_eq!(begin(SignInMethod::Password).await, 1);
        assert_eq!(begin(SignInMethod::Password).await, 0, "once");
    }

    #[tokio::test]
    async fn a_link_of_a_disabled_person_opens_nothing() {
        let house = House::new().await;
        let new = crate::testing::new_user("bob@example.com", crate::InstanceRole::Member);
        let bob = house.store.create_user(&house.ann(), new).await.unwrap();
        let made = house.store.make_link(&house.ann(), bob.id, LinkPurpose::Invitation, NOW_US + 1).await;
        let (_, link) = made.unwrap();
        let disable = UserUpdate { disabled: Some(true), ..UserUpdate::default() };
        house.store.update_user(&house.ann(), bob.id, 1, disable).await.unwrap();
        assert!(house.store.open_link(link.expose(), NOW_US).await.unwrap().is_none());
        assert!(house.store.use_link(&somebody(), link.expose(), None, "$argon2id$y").await.is_err());
    }
}
