//! Login tokens and API tokens: 256 bit, stored only as keyed digests.

use uuid::Uuid;
use vaultterm_sealing::SecretText;

use crate::{Context, Page, Paged, Store, StoreError, User};

/// What a token may do. A login token holds all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are the API's")]
pub enum Scope {
    RecordsRead,
    RecordsReveal,
    RecordsWrite,
    ConnectionsWrite,
    SyncPlan,
    SyncRun,
    ConflictsResolve,
    AuditRead,
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 9] = [
        Self::RecordsRead,
        Self::RecordsReveal,
        Self::RecordsWrite,
        Self::ConnectionsWrite,
        Self::SyncPlan,
        Self::SyncRun,
        Self::ConflictsResolve,
        Self::AuditRead,
        Self::Admin,
    ];

    /// Returns the name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecordsRead => "records:read",
            Self::RecordsReveal => "records:reveal",
            Self::RecordsWrite => "records:write",
            Self::ConnectionsWrite => "connections:write",
            Self::SyncPlan => "sync:plan",
            Self::SyncRun => "sync:run",
            Self::ConflictsResolve => "conflicts:resolve",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin",
        }
    }
}

/// What made a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A login.
    Login,
    /// A person, for a program.
    Api,
}

/// A token to issue.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose.
    pub user_id: Uuid,
    /// What made it.
    pub kind: TokenKind,
    /// Name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends, microseconds; `None`: never.
    pub expires_us: Option<i64>,
}

/// A token as listed.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Id.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// What made it.
    pub kind: TokenKind,
    /// Name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Microseconds.
    pub created_us: i64,
    /// Microseconds.
    pub expires_us: Option<i64>,
    /// Microseconds; coarse (written at most once a minute).
    pub last_used_us: Option<i64>,
}

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person.
    pub user: User,
    /// The token used.
    pub token: TokenInfo,
}

impl Store {
    /// Issues a token; the text is not stored (`LOGIN_SUCCEEDED`, which also clears the
    /// back-off, or `API_TOKEN_CREATED`).
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn issue_token(&self, context: &Context, new: NewToken) -> Result<(TokenInfo, SecretText), StoreError> {
        let _ = (context, new);
        todo!()
    }

    /// Finds who a token belongs to. `None` when it is unknown, expired, revoked, or its
    /// person disabled.
    pub async fn authenticate(&self, token: &str, now_us: i64) -> Result<Option<Caller>, StoreError> {
        let _ = (token, now_us);
        todo!()
    }

    /// Lists a person's tokens, newest first; everybody's with `None`.
    pub async fn tokens(&self, user_id: Option<Uuid>, page: &Page) -> Result<Paged<TokenInfo>, StoreError> {
        let _ = (user_id, page);
        todo!()
    }

    /// Finds a token.
    pub async fn token(&self, id: Uuid) -> Result<Option<TokenInfo>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Revokes a token (`API_TOKEN_REVOKED`, `LOGGED_OUT`).
    pub async fn revoke_token(&self, context: &Context, id: Uuid) -> Result<(), StoreError> {
        let _ = (context, id);
        todo!()
    }
}
