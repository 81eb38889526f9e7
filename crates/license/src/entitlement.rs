//! The table of the features that each tier includes.

use vaultterm_names::names;

names!(
    /// A tier. The tiers that a licensee can buy are in ascending order, and each includes the features of the lower
    /// ones. The evaluation cannot be bought. It includes every feature, but ranks below all tiers that can be bought.
    #[allow(missing_docs, reason = "the names say it all")]
    Tier, "tier" {
        Evaluation = "evaluation",
        Free = "free",
        Pro = "pro",
        Team = "team",
        Enterprise = "enterprise",
    }
);

impl Tier {
    /// All tiers that a vendor issues, the smallest first.
    pub const SOLD: &[Self] = Self::ALL.split_at(1).1;
}

names!(
    /// A feature that only some tiers include.
    Feature, "feature" {
        /// Synchronization with `HashiCorp` Vault and `OpenBao`.
        HcvSync = "hcv_sync",
    }
);

/// The entitlement table: each feature with the smallest tier that includes it. Features that the table does
/// not name are free for all installations.
const ENTITLEMENTS: [(Feature, Tier); 1] = [(Feature::HcvSync, Tier::Enterprise)];

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
        let with: Vec<Tier> = Tier::SOLD
            .iter()
            .copied()
            .filter(|tier| included(*tier).any(|feature| feature == Feature::HcvSync))
            .collect();
        assert_eq!(with, [Tier::Enterprise]);
    }
}
