//! Collections of records, and who may use them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_sync::{CollectionRole, GrantKind};

/// A collection.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CollectionView {
    pub id: Uuid,
    pub name: String,
    pub revision: u64,
    /// Live records.
    pub records: u64,
    pub created_at: String,
    pub updated_at: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectionName {
    /// Unique; no `/`, because records are named COLLECTION/PATH.
    pub name: String,
}

/// A person and their role.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    pub user_id: Uuid,
    pub email: String,
    /// `viewer`, `editor`, `admin` or `owner`.
    #[schema(value_type = String)]
    pub role: CollectionRole,
    /// Where the role comes from, as far as the audit log still tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RoleSourceView>,
}

/// Where a role comes from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RoleSourceView {
    /// `given`, `made` (the person made the collection) or `first` (the owner with whom the installation began).
    #[schema(value_type = String)]
    pub kind: GrantKind,
    /// Who gave it.
    pub by: String,
    pub at: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `viewer`, `editor`, `admin` or `owner`.
    pub role: String,
}
