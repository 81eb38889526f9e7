//! Licenses: how they stand, and what they let synchronization do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_license::Tier;
use vaultterm_reconcile::names;

/// The license that counts, what it lets synchronization do, and every other one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LicenseView {
    /// `none`, `valid`, `grace`, `not_yet_valid`, `expired`, `rolled_back` or `refused`. If no license holds, that of the next one
    /// to begin, else of the one that ended last.
    #[schema(value_type = String)]
    pub standing: LicenseStanding,
    /// Why, where the standing alone does not say it.
    pub detail: Option<String>,
    /// `full`, or `plan_only`: plans work, nothing is written and nothing forgotten.
    #[schema(value_type = String)]
    pub sync: SyncAllowed,
    pub id: Option<Uuid>,
    pub licensee: Option<String>,
    /// `evaluation`, `free`, `pro`, `team` or `enterprise`.
    #[schema(value_type = Option<String>)]
    pub tier: Option<Tier>,
    /// How many people; no limit without.
    pub seats: Option<u32>,
    /// What it includes: `hcv_sync`.
    pub features: Vec<String>,
    pub not_before: Option<String>,
    pub expires: Option<String>,
    /// Until when everything goes on.
    pub grace_until: Option<String>,
    /// Whole days until it expires.
    pub days_left: Option<i64>,
    pub counter: Option<u64>,
    /// Answered to an installation: what became of the license that was installed.
    pub notice: Option<String>,
    /// Every license that is kept.
    pub licenses: Vec<KeptLicenseView>,
    /// What is there and cannot be used, and why.
    pub refused: Vec<String>,
    /// Whether an owner can begin the evaluation of this installation.
    pub evaluation_possible: bool,
}

/// One of the licenses that are kept side by side.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KeptLicenseView {
    pub id: Uuid,
    pub licensee: String,
    /// `evaluation`, `free`, `pro`, `team` or `enterprise`.
    #[schema(value_type = String)]
    pub tier: Tier,
    /// `valid`, `grace`, `not_yet_valid`, `expired` or `rolled_back`.
    #[schema(value_type = String)]
    pub standing: LicenseStanding,
    /// Why it does not let synchronization go on, if it does not.
    pub detail: Option<String>,
    /// Whether it is the one that counts now.
    pub counts: bool,
    pub not_before: String,
    pub expires: String,
    /// Until when everything goes on.
    pub grace_until: String,
    pub counter: u64,
    /// `api`, `file` for what lay at `LICENSE_PATH`, or `evaluation` for what this installation issued to itself.
    #[schema(value_type = String)]
    pub from: LicenseSource,
}

/// A license to install.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LicenseBody {
    /// The text of the `.vtlic` file.
    pub license: String,
}

names!(
    /// How the licenses stand, in one word.
    LicenseStanding, "standing of a license" {
        /// There is no license.
        None = "none",
        /// It holds.
        Valid = "valid",
        /// It has run out, and everything goes on for a while.
        Grace = "grace",
        /// It does not hold yet.
        NotYetValid = "not_yet_valid",
        /// It has run out.
        Expired = "expired",
        /// A newer license was seen before.
        RolledBack = "rolled_back",
        /// What is there cannot be used.
        Refused = "refused",
    }
);
names!(
    /// What synchronization may do.
    SyncAllowed, "extent of synchronization" {
        /// Everything.
        Full = "full",
        /// Plans work, nothing is written and nothing forgotten.
        PlanOnly = "plan_only",
    }
);
names!(
    /// Where a license came from.
    LicenseSource, "source of a license" {
        /// Somebody installed it over the API.
        Api = "api",
        /// It lay at `LICENSE_PATH`.
        File = "file",
        /// This installation issued it to itself.
        Evaluation = "evaluation",
    }
);
