//! Whether the server lives, is ready, and how its parts are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vaultterm_reconcile::names;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// `ok` or `ready`.
    pub status: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    /// `ok` or `degraded`.
    #[schema(value_type = String)]
    pub status: HealthStatus,
    pub version: String,
    pub components: Vec<ComponentView>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ComponentView {
    /// `database`, `keys`, `scheduler`, and `anchor:file`, `anchor:syslog`, `anchor:vault` where
    /// the audit log is anchored there.
    pub name: String,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

names!(
    /// How the server is as a whole.
    HealthStatus, "status" {
        /// All parts are well.
        Ok = "ok",
        /// A part is not.
        Degraded = "degraded",
    }
);
