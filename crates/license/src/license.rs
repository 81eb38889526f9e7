//! The content of a license, and the check that it makes sense.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Feature, Tier, entitlement::included};

/// The maximum number of characters of a licensee.
const LICENSEE_MAX: usize = 200;
/// The maximum number of days of grace.
const GRACE_DAYS_MAX: u32 = 366;
/// The maximum of a counter. Counters go through JSON and a database, and both hold whole numbers up to this
/// one exactly.
const COUNTER_MAX: u64 = (1 << 53) - 1;

/// The content of a license. Names and forms of the fields are those of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct License {
    /// The id of the license, a `UUIDv7`.
    pub id: Uuid,
    /// The name of the licensee.
    pub licensee: String,
    /// The tier that the licensee bought.
    pub tier: Tier,
    /// The number of people who may use the installation. `None` means no limit. VaultTerm shows the number
    /// and does not enforce it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
    /// The features of the tier that the license includes. `None` means all of them. Names that this version
    /// does not know are kept and have no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// The moment from which the license is valid.
    pub not_before: Timestamp,
    /// The moment at which the license expires.
    pub expires: Timestamp,
    /// The number of days of 24 hours after the expiry in which the features go on working.
    pub grace_days: u32,
    /// A number that grows with each license of the same licensee. A counter below the highest one seen means
    /// that an old license was put back.
    pub counter: u64,
}

/// Why the content of a license makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct Invalid {
    /// The name of the field.
    pub field: &'static str,
    /// The problem with the field.
    pub problem: &'static str,
}

impl License {
    /// Checks that every field makes sense. [`crate::issue`] and [`crate::verify`] call it.
    ///
    /// # Errors
    /// [`Invalid`] for the first field that makes no sense.
    pub fn check(&self) -> Result<(), Invalid> {
        let rules = [
            (self.id.get_version_num() == 7, "id", "is not a UUID of version 7"),
            (!self.licensee.trim().is_empty(), "licensee", "is empty"),
            (self.licensee.chars().count() <= LICENSEE_MAX, "licensee", "is longer than 200 characters"),
            (!self.licensee.chars().any(char::is_control), "licensee", "holds a control character"),
            (self.seats != Some(0), "seats", "is zero: leave it out for no limit"),
            (self.not_before < self.expires, "expires", "is not after `not_before`"),
            (self.grace_days <= GRACE_DAYS_MAX, "grace_days", "is more than 366"),
            (self.counter <= COUNTER_MAX, "counter", "is 2^53 or more"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, field, problem)) => Err(Invalid { field, problem }),
            None => Ok(()),
        }
    }

    /// Returns the features that the license includes. These are the features of its tier, limited to the
    /// names in `features` if the license has that list. A name never adds a feature that the tier does not
    /// include.
    pub fn included(&self) -> impl Iterator<Item = Feature> {
        included(self.tier).filter(|feature| {
            self.features.as_ref().is_none_or(|named| named.iter().any(|name| name == feature.as_str()))
        })
    }

    /// Returns whether the license includes a feature.
    #[must_use]
    pub fn includes(&self, feature: Feature) -> bool {
        self.included().any(|included| included == feature)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a license that is valid during the whole of 2027, with two weeks of grace.
    pub(crate) fn license() -> License {
        License {
            id: "0197b2c0-0000-7000-8000-000000000001".parse().unwrap(),
            licensee: "Example Ltd".to_owned(),
            tier: Tier::Enterprise,
            seats: Some(25),
            features: None,
            not_before: "2027-01-01T00:00:00Z".parse().unwrap(),
            expires: "2027-12-31T23:59:59Z".parse().unwrap(),
            grace_days: 14,
            counter: 7,
        }
    }

    #[test]
    fn a_license_that_cannot_be_meant_names_the_field() {
        license().check().unwrap();
        type Change = fn(&mut License);
        let wrong: [(&str, Change); 8] = [
            ("id", |license| license.id = Uuid::nil()),
            ("licensee", |license| license.licensee = " ".to_owned()),
            ("licensee", |license| license.licensee = "x".repeat(201)),
            ("licensee", |license| license.licensee = "a\u{1b}[2J".to_owned()),
            ("seats", |license| license.seats = Some(0)),
            ("expires", |license| license.expires = license.not_before),
            ("grace_days", |license| license.grace_days = 367),
            ("counter", |license| license.counter = 1 << 53),
        ];
        for (field, change) in wrong {
            let mut license = license();
            change(&mut license);
            assert_eq!(license.check().unwrap_err().field, field, "{license:?}");
        }
    }

    #[test]
    fn features_narrow_a_tier_and_never_widen_it() {
        let of = |tier, features: Option<&[&str]>| {
            let features = features.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            License { tier, features, ..license() }.includes(Feature::HcvSync)
        };
        assert!(of(Tier::Enterprise, None));
        assert!(of(Tier::Enterprise, Some(&["hcv_sync", "of_the_future"])));
        assert!(!of(Tier::Enterprise, Some(&["of_the_future"])));
        assert!(!of(Tier::Enterprise, Some(&[])));
        for tier in [Tier::Free, Tier::Pro, Tier::Team] {
            assert!(!of(tier, None) && !of(tier, Some(&["hcv_sync"])), "{tier:?}");
        }
    }
}
