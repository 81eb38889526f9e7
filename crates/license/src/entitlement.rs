//! The table of the features that each tier includes.

use serde::{Deserialize, Serialize};

/// A tier. Those that a licensee buys are in ascending order, and each includes the features of the tiers before it. The
/// evaluation is none of them: it includes everything, and stands behind each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Tier {
    Evaluation,
    Free,
    Pro,
    Team,
    Enterprise,
}

impl Tier {
    /// All tiers that a vendor issues, the smallest first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Pro, Self::Team, Self::Enterprise];

    /// Returns the name of the tier in license files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evaluation => "evaluation",
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Team => "team",
            Self::Enterprise => "enterprise",
        }
    }
}

/// A feature that only some tiers include.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Synchronization with `HashiCorp` Vault and `OpenBao`.
    HcvSync,
}

/// The entitlement table: each feature with the smallest tier that includes it. Features that the table does
/// not name are free for all installations.
const ENTITLEMENTS: [(Feature, Tier); 1] = [(Feature::HcvSync, Tier::Enterprise)];

impl Feature {
    /// Returns the name of the feature in license files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HcvSync => "hcv_sync",
        }
    }
}

/// Returns the features that a tier includes.
pub(crate) fn included(tier: Tier) -> impl Iterator<Item = Feature> {
    let includes = move |needs: Tier| tier == Tier::Evaluation || tier >= needs;
    ENTITLEMENTS.into_iter().filter(move |(_, needs)| includes(*needs)).map(|(feature, _)| feature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_enterprise_includes_synchronization_with_vault() {
        let with: Vec<Tier> =
            Tier::ALL.into_iter().filter(|tier| included(*tier).any(|feature| feature == Feature::HcvSync)).collect();
        assert_eq!(with, [Tier::Enterprise]);
    }
}
