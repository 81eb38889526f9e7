//! People.

use uuid::Uuid;
use vaultterm_ledger::{Action, ObjectKind};

use crate::{
    Context, Store, StoreError,
    audit::{Log, with},
    sql::{Row, Tx, args, taken},
};

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

impl InstanceRole {
    /// Returns the name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
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

impl Store {
    /// Creates a person (`USER_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn create_user(&self, context: &Context, new: NewUser) -> Result<User, StoreError> {
        let mut tx = self.db.write().await?;
        let id = insert_user(&mut tx, self.log, context, new).await?;
        tx.commit().await?;
        self.user(id).await?.ok_or(StoreError::NotFound("user"))
    }

    /// Finds a person.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        self.db.one("SELECT * FROM users WHERE id = $1", args![id]).await?.map(|row| read(&row)).transpose()
    }

    /// Finds a person by e-mail address, case-insensitively.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let row = self.db.one("SELECT * FROM users WHERE email = $1", args![email.to_lowercase()]).await?;
        row.map(|row| read(&row)).transpose()
    }
}

pub(crate) async fn insert_user(tx: &mut Tx, log: Log, context: &Context, new: NewUser) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let email = new.email.to_lowercase();
    tx.run(
        "INSERT INTO users (id, email, name, role, password_hash, created_us, updated_us)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
        args![id, &email, new.name, new.role.as_str(), new.password_hash, context.now_us],
    )
    .await
    .map_err(|error| taken(error, "user", &email))?;
    let draft = context.draft(Action::UserCreated, ObjectKind::User, id, Some(&email));
    log.append(tx, [with(draft, "role", new.role.as_str())]).await?;
    Ok(id)
}

fn read(row: &Row) -> Result<User, StoreError> {
    let role = row.text("role")?;
    Ok(User {
        id: row.id("id")?,
        email: row.text("email")?,
        name: row.text("name")?,
        role: [InstanceRole::Member, InstanceRole::Admin, InstanceRole::Owner]
            .into_iter()
            .find(|one| one.as_str() == role)
            .ok_or(StoreError::Malformed("role"))?,
        disabled: row.flag("disabled")?,
        revision: row.count("revision")?,
        created_us: row.int("created_us")?,
        updated_us: row.int("updated_us")?,
    })
}
