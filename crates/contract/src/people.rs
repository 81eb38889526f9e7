//! People, and how they log in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::names;
use vaultterm_sync::InstanceRole;
use zeroize::Zeroizing;

use crate::TokenView;

names!(
    /// How an account stands.
    PersonState, "state of a person" {
        /// The person has not chosen a password yet.
        Invited = "invited",
        /// The person can log in.
        Active = "active",
        /// The person is locked out.
        Disabled = "disabled",
    }
);

/// A person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    /// `member`, `admin` or `owner`.
    #[schema(value_type = String)]
    pub role: InstanceRole,
    pub disabled: bool,
    /// `invited`, `active` or `disabled`.
    #[schema(value_type = String)]
    pub state: PersonState,
    pub revision: u64,
    pub created_at: String,
    pub updated_at: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `member` (unless told), `admin` or `owner`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// At least 12 characters. Without one the person cannot log in yet.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Zeroizing<String>>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Ends all logins of the person.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Zeroizing<String>>,
    /// Needed to change one's own password.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_password: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    pub email: String,
    #[schema(value_type = String)]
    pub password: Zeroizing<String>,
    /// A one-time code or a recovery code, for a person with a second factor.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otp: Option<Zeroizing<String>>,
}

/// A token, shown once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct LoginView {
    #[schema(value_type = String)]
    pub token: Zeroizing<String>,
    pub expires_at: String,
}

/// Who asks, and what their token may do.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MeView {
    pub user: UserView,
    pub token: TokenView,
}

/// What the first owner tells.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The token of the link that `vaultterm init` printed.
    pub token: String,
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At least 12 characters.
    #[schema(value_type = String)]
    pub password: Zeroizing<String>,
}
