//! People.

use uuid::Uuid;

use crate::{Context, Page, Paged, Store, StoreError};

/// What a person may do on the installation as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceRole {
    /// Own collections and those shared with them.
    Member,
    /// Users, all connections, audit.
    Admin,
    /// Everything; at least one owner always remains.
    Owner,
}

/// A person.
#[derive(Clone, Debug)]
pub struct User {
    /// Id.
    pub id: Uuid,
    /// E-mail address, unique, lower case.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// Role.
    pub role: InstanceRole,
    /// Cannot log in, sessions and tokens do not work.
    pub disabled: bool,
    /// For `If-Match`.
    pub revision: u64,
    /// Microseconds since the Unix epoch.
    pub created_us: i64,
    /// Microseconds since the Unix epoch.
    pub updated_us: i64,
}

/// A person to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// E-mail address.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// Role.
    pub role: InstanceRole,
    /// PHC string (Argon2id) of the password; `None`: cannot log in until one is set.
    pub password_hash: Option<String>,
}

/// What to change of a person; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct UserUpdate {
    /// New name.
    pub name: Option<String>,
    /// New role.
    pub role: Option<InstanceRole>,
    /// New password hash; revokes all sessions.
    pub password_hash: Option<String>,
    /// Disable or enable.
    pub disabled: Option<bool>,
}

/// What a login needs to know.
#[derive(Clone, Debug)]
pub struct LoginRow {
    /// The person.
    pub user: User,
    /// PHC string.
    pub password_hash: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// No attempt counts before this moment (back-off), microseconds.
    pub locked_until_us: i64,
}

impl Store {
    /// Creates a person (`USER_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn create_user(&self, context: &Context, new: NewUser) -> Result<User, StoreError> {
        let _ = (context, new);
        todo!()
    }

    /// Finds a person.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Finds a person by e-mail address, case-insensitively.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let _ = email;
        todo!()
    }

    /// Lists people by e-mail address.
    pub async fn users(&self, page: &Page) -> Result<Paged<User>, StoreError> {
        let _ = page;
        todo!()
    }

    /// Changes a person (`USER_UPDATED`). The last owner keeps the role and stays enabled.
    pub async fn update_user(
        &self,
        context: &Context,
        id: Uuid,
        expect: u64,
        update: UserUpdate,
    ) -> Result<User, StoreError> {
        let _ = (context, id, expect, update);
        todo!()
    }

    /// Deletes a person with sessions, tokens and memberships (`USER_DELETED`). Never the last owner.
    pub async fn delete_user(&self, context: &Context, id: Uuid) -> Result<(), StoreError> {
        let _ = (context, id);
        todo!()
    }

    /// Finds what a login with this address needs.
    pub async fn login_row(&self, email: &str) -> Result<Option<LoginRow>, StoreError> {
        let _ = email;
        todo!()
    }

    /// Records a failed login (`LOGIN_FAILED`), and the back-off when the address is known.
    pub async fn record_login_failure(
        &self,
        context: &Context,
        email: &str,
        locked_until_us: i64,
    ) -> Result<(), StoreError> {
        let _ = (context, email, locked_until_us);
        todo!()
    }

    /// Stores the digest of a single-use set-up link, replacing an older one.
    pub async fn store_setup_link(&self, token: &str, expires_us: i64) -> Result<(), StoreError> {
        let _ = (token, expires_us);
        todo!()
    }

    /// Spends the set-up link and creates the first owner, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the link is wrong, spent or expired, or an owner exists.
    pub async fn spend_setup_link(&self, context: &Context, token: &str, owner: NewUser) -> Result<User, StoreError> {
        let _ = (context, token, owner);
        todo!()
    }
}
