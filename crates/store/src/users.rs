//! The people of the installation: creates, changes, finds and deletes them.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sync::InstanceRole;

use crate::{
    Context, Page, Paged, Store, StoreError,
    context::{Facts as _, still_at},
    sql::{Row, Select, Tx, args, taken},
};

/// A person.
#[derive(Clone, Debug)]
pub struct User {
    /// The id.
    pub id: Uuid,
    /// The e-mail address, which is unique and in lower case.
    pub email: String,
    /// The name for people.
    pub name: String,
    /// The role.
    pub role: InstanceRole,
    /// Whether the person is disabled. A disabled person cannot log in, and sessions and tokens do not work.
    pub disabled: bool,
    /// Whether the person has a password. A person without one was invited, and cannot log in yet.
    pub has_password: bool,
    /// The revision, for `If-Match`.
    pub revision: u64,
    /// The time of creation, in microseconds since the Unix epoch.
    pub created_us: i64,
    /// The time of the last change, in microseconds since the Unix epoch.
    pub updated_us: i64,
}

/// A person to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The e-mail address.
    pub email: String,
    /// The name for people.
    pub name: String,
    /// The role.
    pub role: InstanceRole,
    /// The PHC string (Argon2id) of the password. With `None`, the person cannot log in until a password is
    /// set.
    pub password_hash: Option<String>,
}

/// The changes of a person. `None` keeps the current value.
#[derive(Clone, Debug, Default)]
pub struct UserUpdate {
    /// The new name.
    pub name: Option<String>,
    /// The new role.
    pub role: Option<InstanceRole>,
    /// The new password hash. It ends all sessions and logins, and no browser is remembered any more.
    pub password_hash: Option<String>,
    /// Whether to disable or enable the person.
    pub disabled: Option<bool>,
}

impl Store {
    /// Creates a person (`USER_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn create_user(&self, context: &Context, new: NewUser) -> Result<User, StoreError> {
        let mut tx = self.db.write().await?;
        let user = insert(&mut tx, context, new).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Finds a person.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        let row = self.db.one("SELECT * FROM users WHERE id = $1", args![id]).await?;
        row.map(|row| user(&row)).transpose()
    }

    /// Finds a person by e-mail address. Case does not matter.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let row = self.db.one("SELECT * FROM users WHERE email = $1", args![folded(email)]).await?;
        row.map(|row| user(&row)).transpose()
    }

    /// Lists people by e-mail address.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn users(&self, page: &Page) -> Result<Paged<User>, StoreError> {
        let mut select = Select::new("SELECT * FROM users WHERE 1 = 1", args![]);
        let pager = self.pager("users", page);
        select.and_maybe("email > ?", pager.text()?);
        let rows = self.db.select(select.order("email", pager.fetch())).await?;
        pager.cut(rows, user, |user| user.email.clone())
    }

    /// Changes a person (`USER_UPDATED`). The last owner keeps the role and stays enabled.
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Refused`] for the last owner.
    pub async fn update_user(
        &self,
        context: &Context,
        id: Uuid,
        expect: u64,
        update: UserUpdate,
    ) -> Result<User, StoreError> {
        let mut tx = self.db.write().await?;
        let before = locked(&mut tx, id).await?;
        if before.revision != expect {
            return Err(StoreError::Stale { what: "user", current: before.revision, expected: expect });
        }
        let after = User {
            name: update.name.unwrap_or_else(|| before.name.clone()),
            role: update.role.unwrap_or(before.role),
            disabled: update.disabled.unwrap_or(before.disabled),
            has_password: before.has_password || update.password_hash.is_some(),
            revision: expect + 1,
            updated_us: context.now_us,
            ..before.clone()
        };
        if before.rules() && !after.rules() {
            refuse_last_owner(&mut tx, id).await?;
        }
        tx.run(
            "UPDATE users SET name = $2, role = $3, disabled = $4, revision = $5, updated_us = $6 WHERE id = $1",
            args![id, after.name.as_str(), after.role.as_str(), after.disabled, after.revision, after.updated_us],
        )
        .await?;
        let new_password = update.password_hash.is_some();
        if let Some(hash) = update.password_hash {
            tx.run("UPDATE users SET password_hash = $2 WHERE id = $1", args![id, hash]).await?;
        }
        if new_password || after.role != before.role || after.disabled {
            // A browser shows pages for the role that it logged in with, and a stolen login must not outlive the
            // password: the person logs in again.
            log_out_everywhere(&mut tx, id).await?;
        }
        if new_password || after.disabled {
            tx.run("DELETE FROM trusted_devices WHERE user_id = $1", args![id]).await?;
        }
        let draft = context.draft(AuditAction::UserUpdated, ObjectKind::User, id, Some(&after.email));
        let changed = |changed: bool, value: &'static str| changed.then_some(value);
        tx.audit(
            draft
                .with_maybe("role", changed(after.role != before.role, after.role.as_str()))
                .with_maybe("disabled", (after.disabled != before.disabled).then_some(after.disabled))
                .with_maybe("name", changed(after.name != before.name, "changed"))
                .with_maybe("password", changed(new_password, "changed")),
        );
        tx.commit().await?;
        Ok(after)
    }

    /// Deletes a person at this revision, with the sessions, tokens and memberships (`USER_DELETED`). The
    /// last owner cannot be deleted. The revision is required, because the server decided about the
    /// permission by the person's role at that revision.
    ///
    /// # Errors
    /// [`StoreError::Stale`]; [`StoreError::Refused`] for the last owner.
    pub async fn delete_user(&self, context: &Context, id: Uuid, expect: u64) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let user = locked(&mut tx, id).await?;
        still_at("user", user.revision, Some(expect))?;
        if user.rules() {
            refuse_last_owner(&mut tx, id).await?;
        }
        tx.run("DELETE FROM users WHERE id = $1", args![id]).await?;
        tx.audit(context.draft(AuditAction::UserDeleted, ObjectKind::User, id, Some(&user.email)));
        tx.commit().await
    }

    /// Stores the digest of a single-use set-up link and replaces an older one (`SETUP_LINK_CREATED`).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn store_setup_link(&self, context: &Context, token: &str, expires_us: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO setup_link (single, digest, expires_us) VALUES (1, $1, $2)
                   ON CONFLICT (single) DO UPDATE SET digest = excluded.digest, expires_us = excluded.expires_us";
        let mut tx = self.db.write().await?;
        tx.run(sql, args![self.keyring.token_digest(token), expires_us]).await?;
        // The user of the link is not known yet, so the entry has no id.
        let draft = context.draft(AuditAction::SetupLinkCreated, ObjectKind::User, Uuid::nil(), None);
        tx.audit(draft.with("expires_us", expires_us));
        tx.commit().await
    }

    /// Uses up the set-up link and creates the first owner in one transaction.
    ///
    /// # Errors
    /// [`StoreError::SetUpLink`] if the link is wrong, used up or expired, or if an owner exists.
    pub async fn spend_setup_link(&self, context: &Context, token: &str, owner: NewUser) -> Result<User, StoreError> {
        let refused = StoreError::SetUpLink;
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM setup_link WHERE digest = $1 RETURNING expires_us";
        let spent = tx.one(sql, args![self.keyring.token_digest(token)]).await?;
        let spent = spent.ok_or_else(|| refused("the set-up link is wrong or was used already"))?;
        if spent.int("expires_us")? <= context.now_us {
            return Err(refused("the set-up link has expired"));
        }
        if tx.one("SELECT id FROM users WHERE role = 'owner' LIMIT 1", args![]).await?.is_some() {
            return Err(refused("an owner exists already"));
        }
        let user = insert(&mut tx, context, NewUser { role: InstanceRole::Owner, ..owner }).await?;
        tx.commit().await?;
        Ok(user)
    }
}

impl User {
    /// Returns whether the person is an owner who can log in.
    fn rules(&self) -> bool {
        self.role == InstanceRole::Owner && !self.disabled
    }
}

/// Creates a person as part of a larger transaction.
pub(crate) async fn insert(tx: &mut Tx, context: &Context, new: NewUser) -> Result<User, StoreError> {
    let user = User {
        id: vaultterm_sync::new_id(),
        email: folded(&new.email),
        name: new.name,
        role: new.role,
        disabled: false,
        has_password: new.password_hash.is_some(),
        revision: 1,
        created_us: context.now_us,
        updated_us: context.now_us,
    };
    tx.run(
        "INSERT INTO users (id, email, name, role, password_hash, disabled, failures, locked_until_us, revision,
                            created_us, updated_us)
         VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 1, $6, $6)",
        args![user.id, user.email.as_str(), user.name.as_str(), user.role.as_str(), new.password_hash, context.now_us],
    )
    .await
    .map_err(|error| taken(error, "user", &user.email))?;
    let draft = context.draft(AuditAction::UserCreated, ObjectKind::User, user.id, Some(&user.email));
    tx.audit(draft.with("role", user.role.as_str()));
    Ok(user)
}

/// Ends every session and every login of a person. API tokens stay.
pub(crate) async fn log_out_everywhere(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    tx.run("DELETE FROM tokens WHERE user_id = $1 AND kind = 'login'", args![id]).await?;
    tx.run("DELETE FROM sessions WHERE user_id = $1", args![id]).await?;
    Ok(())
}

/// Finds a person in order to change them.
pub(crate) async fn locked(tx: &mut Tx, id: Uuid) -> Result<User, StoreError> {
    let row = tx.one("SELECT * FROM users WHERE id = $1", args![id]).await?;
    user(&row.ok_or(StoreError::NotFound("user"))?)
}

async fn refuse_last_owner(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    let sql = "SELECT id FROM users WHERE role = 'owner' AND disabled = 0 AND id <> $1 LIMIT 1";
    match tx.one(sql, args![id]).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::Refused("this is the last owner: make somebody else an owner first".to_owned())),
    }
}

pub(crate) fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.id("id")?,
        email: row.text("email")?,
        name: row.text("name")?,
        role: row.named("role")?,
        disabled: row.flag("disabled")?,
        has_password: row.maybe_text("password_hash")?.is_some(),
        revision: row.count("revision")?,
        created_us: row.int("created_us")?,
        updated_us: row.int("updated_us")?,
    })
}

/// Returns an address in the form in which addresses are compared, without regard to case.
pub(crate) fn folded(email: &str) -> String {
    email.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::AuditAction;

    use crate::{
        ErrorClass, InstanceRole, NewToken, Page, TokenKind, UserUpdate,
        testing::{House, NOW_US, new_user, somebody},
    };

    #[tokio::test]
    async fn addresses_are_unique_whatever_their_case() {
        let house = House::new().await;
        let error = house.store.create_user(&house.ann(), new_user("Ann@Example.com", InstanceRole::Member)).await;
        assert_eq!(error.unwrap_err().class(), ErrorClass::Exists);
        let ann = house.store.user_by_email(" ANN@example.com").await.unwrap().unwrap();
        assert_eq!(ann.id, house.owner.id);
    }

    #[tokio::test]
    async fn the_last_owner_stays_owner() {
        let house = House::new().await;
        let (store, ann) = (&house.store, &house.owner);
        for update in [
            UserUpdate { role: Some(InstanceRole::Admin), ..UserUpdate::default() },
            UserUpdate { disabled: Some(true), ..UserUpdate::default() },
        ] {
            let refused = store.update_user(&house.ann(), ann.id, ann.revision, update).await.unwrap_err();
            assert_eq!(refused.class(), ErrorClass::Refused);
        }
        assert_eq!(
            store.delete_user(&house.ann(), ann.id, ann.revision).await.unwrap_err().class(),
            ErrorClass::Refused
        );

        let bob = store.create_user(&house.ann(), new_user("bob@example.com", InstanceRole::Owner)).await.unwrap();
        let update = UserUpdate { role: Some(InstanceRole::Member), ..UserUpdate::default() };
        let ann = store.update_user(&house.ann(), ann.id, ann.revision, update).await.unwrap();
        assert_eq!((ann.role, ann.revision), (InstanceRole::Member, 2));
        assert_eq!(
            store.delete_user(&house.ann(), bob.id, bob.revision).await.unwrap_err().class(),
            ErrorClass::Refused
        );
        store.delete_user(&house.ann(), ann.id, ann.revision).await.unwrap();
        assert!(store.user(ann.id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_update_on_an_old_revision_is_stale() {
        let house = House::new().await;
        let update = || UserUpdate { name: Some("Ann".to_owned()), ..UserUpdate::default() };
        let ann = house.store.update_user(&house.ann(), house.owner.id, 1, update()).await.unwrap();
        assert_eq!(ann.name, "Ann");
        let stale = house.store.update_user(&house.ann(), house.owner.id, 1, update()).await.unwrap_err();
        assert_eq!(stale.class(), ErrorClass::Stale);
    }

    #[tokio::test]
    async fn a_new_password_ends_every_login() {
        let house = House::new().await;
        let token = |kind| NewToken {
            user_id: house.owner.id,
            kind,
            name: "t".to_owned(),
            scopes: Vec::new(),
            expires_us: None,
        };
        let (_, login) = house.store.issue_token(&house.ann(), token(TokenKind::Login)).await.unwrap();
        let (_, api) = house.store.issue_token(&house.ann(), token(TokenKind::Api)).await.unwrap();
        let update = UserUpdate { password_hash: Some("$argon2id$y".to_owned()), ..UserUpdate::default() };
        house.store.update_user(&house.ann(), house.owner.id, 1, update).await.unwrap();
        assert!(house.store.authenticate(login.expose(), NOW_US).await.unwrap().is_none());
        assert!(house.store.authenticate(api.expose(), NOW_US).await.unwrap().is_some());
        let row = house.store.login_row("ann@example.com").await.unwrap().unwrap();
        assert_eq!(row.password_hash.as_deref(), Some("$argon2id$y"));
    }

    #[tokio::test]
    async fn a_set_up_link_makes_one_owner_once() {
        let house = House::new().await;
        let store = &house.store;
        store.store_setup_link(&somebody(), "old", NOW_US + 10).await.unwrap();
        store.store_setup_link(&somebody(), "link", NOW_US + 10).await.unwrap();
        let made = house.audited().await.into_iter().filter(|action| *action == AuditAction::SetupLinkCreated).count();
        assert_eq!(made, 2);
        let new = || new_user("eve@example.com", InstanceRole::Owner);
        assert!(store.spend_setup_link(&somebody(), "old", new()).await.is_err());
        // An owner exists, so the link creates none and is not used up.
        assert!(store.spend_setup_link(&somebody(), "link", new()).await.is_err());
        let people = store.users(&Page::default()).await.unwrap().items;
        assert_eq!(people.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(), ["ann@example.com"]);
    }

    #[tokio::test]
    async fn people_are_listed_in_pages() {
        let house = House::new().await;
        for name in ["b", "d", "c"] {
            let new = new_user(&format!("{name}@example.com"), InstanceRole::Member);
            house.store.create_user(&house.ann(), new).await.unwrap();
        }
        let mut page = Page { limit: 3, cursor: None };
        let first = house.store.users(&page).await.unwrap();
        page.cursor = first.next_cursor;
        let second = house.store.users(&page).await.unwrap();
        let emails: Vec<_> = first.items.iter().chain(&second.items).map(|user| user.email.as_str()).collect();
        assert_eq!(emails, ["ann@example.com", "b@example.com", "c@example.com", "d@example.com"]);
        assert_eq!((first.items.len(), second.next_cursor), (3, None));
    }
}
