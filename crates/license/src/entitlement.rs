//! What a tier includes: the one table.

use serde::{Deserialize, Serialize};

/// What somebody bought. In order: each includes what the ones before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Tier {
    Free,
    Pro,
    Team,
    Enterprise,
}

impl Tier {
    /// Every tier, the smallest first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Pro, Self::Team, Self::Enterprise];

    /// Returns the name in licenses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Team => "team",
            Self::Enterprise => "enterprise",
        }
    }
}

/// What only some tiers include.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Synchronization with `HashiCorp` Vault and `OpenBao`.
    HcvSync,
}

/// The entitlement table: the smallest tier that includes a feature. What is not in it, everybody
/// has.
const ENTITLEMENTS: [(Feature, Tier); 1] = [(Feature::HcvSync, Tier::Enterprise)];

impl Feature {
    /// Returns the name in licenses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HcvSync => "hcv_sync",
        }
    }
}

/// Returns what a tier includes.
pub(crate) fn included(tier: Tier) -> impl Iterator<Item = Feature> {
    ENTITLEMENTS.into_iter().filter(move |(_, needs)| tier >= *needs).map(|(feature, _)| feature)
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
