//! How a license stands at a moment. A pure function.

use jiff::{SignedDuration, Timestamp};

use crate::{Feature, License};

/// How a license stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds.
    Valid,
    /// It has run out, and everything goes on for a while.
    Grace {
        /// Until when.
        until: Timestamp,
    },
    /// Its time has not come.
    NotYetValid {
        /// When it does.
        from: Timestamp,
    },
    /// It has run out, and its grace too.
    Expired {
        /// Since when, the grace included.
        since: Timestamp,
    },
    /// A newer one was seen.
    RolledBack {
        /// The highest counter that was seen.
        highest: u64,
    },
}

/// Says how a license stands.
///
/// `now` is to be the later of the clock and the last moment that is known to have been;
/// `highest_counter` the highest one ever seen, this license's included or not.
#[must_use]
pub fn standing(license: &License, now: Timestamp, highest_counter: u64) -> Standing {
    let until = license.grace_end();
    if license.counter < highest_counter {
        Standing::RolledBack { highest: highest_counter }
    } else if now < license.not_before {
        Standing::NotYetValid { from: license.not_before }
    } else if now < license.expires {
        Standing::Valid
    } else if now < until {
        Standing::Grace { until }
    } else {
        Standing::Expired { since: until }
    }
}

impl License {
    /// Returns the moment at which its grace ends.
    #[must_use]
    pub fn grace_end(&self) -> Timestamp {
        let grace = SignedDuration::from_hours(24 * i64::from(self.grace_days));
        self.expires.checked_add(grace).unwrap_or(Timestamp::MAX)
    }

    /// Says whether a license that stands so lets a feature be used.
    #[must_use]
    pub fn entitles(&self, standing: Standing, feature: Feature) -> bool {
        matches!(standing, Standing::Valid | Standing::Grace { .. }) && self.includes(feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tier, license::tests::license};

    fn at(moment: &str) -> Timestamp {
        moment.parse().unwrap()
    }

    #[test]
    fn a_license_holds_from_its_first_moment_to_its_last_and_then_through_its_grace() {
        let until = at("2028-01-14T23:59:59Z");
        for (moment, expected) in [
            ("2026-12-31T23:59:59.999Z", Standing::NotYetValid { from: at("2027-01-01T00:00:00Z") }),
            ("2027-01-01T00:00:00Z", Standing::Valid),
            ("2027-12-31T23:59:58.999Z", Standing::Valid),
            ("2027-12-31T23:59:59Z", Standing::Grace { until }),
            ("2028-01-14T23:59:58Z", Standing::Grace { until }),
            ("2028-01-14T23:59:59Z", Standing::Expired { since: until }),
            ("9999-12-30T00:00:00Z", Standing::Expired { since: until }),
        ] {
            assert_eq!(standing(&license(), at(moment), 0), expected, "{moment}");
        }
    }

    #[test]
    fn without_grace_the_end_is_the_end() {
        let license = License { grace_days: 0, ..license() };
        assert_eq!(standing(&license, license.expires, 0), Standing::Expired { since: license.expires });
    }

    #[test]
    fn a_counter_below_the_highest_is_a_rollback_whatever_the_time() {
        for moment in ["2026-01-01T00:00:00Z", "2027-06-01T00:00:00Z", "2030-01-01T00:00:00Z"] {
            assert_eq!(standing(&license(), at(moment), 8), Standing::RolledBack { highest: 8 });
        }
        assert_eq!(standing(&license(), at("2027-06-01T00:00:00Z"), 7), Standing::Valid);
    }

    #[test]
    fn only_valid_and_grace_entitle_and_only_to_what_the_tier_includes() {
        let moment = at("2027-06-01T00:00:00Z");
        let all = [
            (Standing::Valid, true),
            (Standing::Grace { until: moment }, true),
            (Standing::NotYetValid { from: moment }, false),
            (Standing::Expired { since: moment }, false),
            (Standing::RolledBack { highest: 8 }, false),
        ];
        for (standing, entitles) in all {
            assert_eq!(license().entitles(standing, Feature::HcvSync), entitles, "{standing:?}");
            let team = License { tier: Tier::Team, ..license() };
            assert!(!team.entitles(standing, Feature::HcvSync));
        }
    }
}
