//! Tokens of people and programs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_sync::{Scope, TokenKind};
use zeroize::Zeroizing;

/// A token, without itself.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    pub id: Uuid,
    pub user_id: Uuid,
    /// `login` or `api`.
    #[schema(value_type = String)]
    pub kind: TokenKind,
    pub name: String,
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Scope>,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub last_used_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    pub name: String,
    /// For example `records:read`.
    pub scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// A new token, shown once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct IssuedView {
    pub id: Uuid,
    #[schema(value_type = String)]
    pub token: Zeroizing<String>,
    pub expires_at: Option<String>,
}
