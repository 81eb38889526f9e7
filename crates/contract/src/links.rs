//! Links for one person: invitations, and resets for people who lost the second factor.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_reconcile::names;
use vaultterm_sync::{CollectionRole, LinkPurpose};
use zeroize::Zeroizing;

use crate::{RoleSourceView, UserView};

names!(
    /// What has happened to a link so far.
    LinkState, "state of a link" {
        /// Nobody opened it yet.
        Made = "made",
        /// It was opened, and not used.
        Opened = "opened",
        /// It was used, and works no longer.
        Used = "used",
        /// It was not used in time.
        Expired = "expired",
    }
);

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `member` (unless told), `admin` or `owner`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A link, without its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    pub id: Uuid,
    pub user_id: Uuid,
    /// `invitation` or `reset`.
    #[schema(value_type = String)]
    pub purpose: LinkPurpose,
    /// `made`, `opened`, `used` or `expired`.
    #[schema(value_type = String)]
    pub state: LinkState,
    pub made_by: String,
    pub made_at: String,
    pub opened_at: Option<String>,
    pub used_at: Option<String>,
    pub expires_at: String,
}

/// A link that was made. Its secret is shown once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct MadeLinkView {
    pub user: UserView,
    pub link: LinkView,
    #[schema(value_type = String)]
    pub token: Zeroizing<String>,
    /// The page of the link below the address of this server. The secret is the part after `#`. Browsers never send
    /// that part, so no server and no log sees it.
    #[schema(value_type = String)]
    pub path: Zeroizing<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenLink {
    #[schema(value_type = String)]
    pub token: Zeroizing<String>,
}

/// The person for whom a link is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OpenedLinkView {
    #[schema(value_type = String)]
    pub purpose: LinkPurpose,
    pub email: String,
    pub name: String,
    pub made_by: String,
    pub expires_at: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptLink {
    #[schema(value_type = String)]
    pub token: Zeroizing<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At least 12 characters.
    #[schema(value_type = String)]
    pub password: Zeroizing<String>,
}

/// A role of a person on a collection.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MembershipView {
    pub collection_id: Uuid,
    pub collection: String,
    #[schema(value_type = String)]
    pub role: CollectionRole,
    /// Whether the person is the only owner of the collection.
    pub only_owner: bool,
    /// Where the role comes from, as far as the audit log still tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RoleSourceView>,
}

/// Everything about one person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProfileView {
    pub user: UserView,
    pub seen_at: Option<String>,
    pub has_factor: bool,
    pub sessions: usize,
    pub tokens: usize,
    /// Where the role on the installation comes from, as far as the audit log still tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RoleSourceView>,
    /// On collections that the caller has a role on, too.
    pub roles: Vec<MembershipView>,
    /// How many roles the person has on other collections.
    pub hidden_roles: usize,
    pub links: Vec<LinkView>,
}
