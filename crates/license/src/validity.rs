//! The validity of a license at a moment, and the choice among several licenses. All functions are pure.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use crate::{Feature, License};

/// The validity of a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// The license is in effect.
    Valid,
    /// The license has expired, but its grace has not. The features still work.
    Grace {
        /// The end of the grace.
        until: Timestamp,
    },
    /// The license is not valid yet.
    NotYetValid {
        /// The moment from which it is valid.
        from: Timestamp,
    },
    /// The license and its grace have expired.
    Expired {
        /// The end of the grace.
        since: Timestamp,
    },
    /// A license with a higher counter was seen.
    RolledBack {
        /// The highest counter that was seen.
        highest: u64,
    },
}

/// Returns the validity of a license.
///
/// The caller passes as `now` the later of the clock and the last moment that is known to have passed.
/// `highest_counter` is the highest counter ever seen. It makes no difference whether this license is counted
/// in.
#[must_use]
pub fn validity(license: &License, now: Timestamp, highest_counter: u64) -> Validity {
    let until = license.grace_end();
    if license.counter < highest_counter {
        Validity::RolledBack { highest: highest_counter }
    } else if now < license.not_before {
        Validity::NotYetValid { from: license.not_before }
    } else if now < license.expires {
        Validity::Valid
    } else if now < until {
        Validity::Grace { until }
    } else {
        Validity::Expired { since: until }
    }
}

impl Validity {
    /// Returns whether a license with this validity is in effect.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Valid | Self::Grace { .. })
    }
}

/// Picks the license that counts among several licenses with their validities. Returns its index, or `None`
/// for an empty list.
///
/// A license in effect counts before one that is not. Among licenses in effect, the one with more features
/// counts first, then the one with the higher tier, then a valid license before one in its grace, then the
/// one that lasts longest. If no license is in effect, the function picks the next one to begin, or else the
/// one that ended last, because that is the most useful one to show. Ties go to the higher counter, then to
/// the newer id, so the order of the list does not matter.
#[must_use]
pub fn best(licenses: &[(&License, Validity)]) -> Option<usize> {
    let rank = |(license, validity): &(&License, Validity)| {
        let worth = validity.holds().then(|| {
            let valid = *validity == Validity::Valid;
            (license.included().count(), license.tier, valid, license.grace_end(), license.expires)
        });
        let begins = match validity {
            Validity::NotYetValid { from } => Some(Reverse(*from)),
            _ => None,
        };
        let ended = matches!(validity, Validity::Expired { .. }).then(|| license.grace_end());
        (worth, begins, ended, license.counter, license.id)
    };
    (0..licenses.len()).max_by_key(|place| rank(&licenses[*place]))
}

impl License {
    /// Returns the moment at which the grace of the license ends.
    #[must_use]
    pub fn grace_end(&self) -> Timestamp {
        let grace = SignedDuration::from_hours(24 * i64::from(self.grace_days));
        self.expires.checked_add(grace).unwrap_or(Timestamp::MAX)
    }

    /// Returns whether a license with this validity permits the use of a feature.
    #[must_use]
    pub fn entitles(&self, validity: Validity, feature: Feature) -> bool {
        validity.holds() && self.includes(feature)
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
            ("2026-12-31T23:59:59.999Z", Validity::NotYetValid { from: at("2027-01-01T00:00:00Z") }),
            ("2027-01-01T00:00:00Z", Validity::Valid),
            ("2027-12-31T23:59:58.999Z", Validity::Valid),
            ("2027-12-31T23:59:59Z", Validity::Grace { until }),
            ("2028-01-14T23:59:58Z", Validity::Grace { until }),
            ("2028-01-14T23:59:59Z", Validity::Expired { since: until }),
            ("9999-12-30T00:00:00Z", Validity::Expired { since: until }),
        ] {
            assert_eq!(validity(&license(), at(moment), 0), expected, "{moment}");
        }
    }

    #[test]
    fn without_grace_the_end_is_the_end() {
        let license = License { grace_days: 0, ..license() };
        assert_eq!(validity(&license, license.expires, 0), Validity::Expired { since: license.expires });
    }

    #[test]
    fn a_counter_below_the_highest_is_a_rollback_whatever_the_time() {
        for moment in ["2026-01-01T00:00:00Z", "2027-06-01T00:00:00Z", "2030-01-01T00:00:00Z"] {
            assert_eq!(validity(&license(), at(moment), 8), Validity::RolledBack { highest: 8 });
        }
        assert_eq!(validity(&license(), at("2027-06-01T00:00:00Z"), 7), Validity::Valid);
    }

    #[test]
    fn only_valid_and_grace_entitle_and_only_to_what_the_tier_includes() {
        let moment = at("2027-06-01T00:00:00Z");
        let all = [
            (Validity::Valid, true),
            (Validity::Grace { until: moment }, true),
            (Validity::NotYetValid { from: moment }, false),
            (Validity::Expired { since: moment }, false),
            (Validity::RolledBack { highest: 8 }, false),
        ];
        for (validity, entitles) in all {
            assert_eq!(license().entitles(validity, Feature::HcvSync), entitles, "{validity:?}");
            let team = License { tier: Tier::Team, ..license() };
            assert!(!team.entitles(validity, Feature::HcvSync));
        }
    }

    /// Returns a license for one year. The counter tells the licenses of a test apart.
    fn of_year(year: i16, tier: Tier, counter: u64) -> License {
        License {
            tier,
            counter,
            not_before: at(&format!("{year}-01-01T00:00:00Z")),
            expires: at(&format!("{year}-12-31T23:59:59Z")),
            ..license()
        }
    }

    /// Returns the counter of the license that counts at a moment, and checks that the order of the list does
    /// not matter.
    fn counts(licenses: &[License], moment: &str) -> Option<u64> {
        let of = |licenses: &[&License]| {
            let judged: Vec<_> = licenses.iter().map(|license| (*license, validity(license, at(moment), 0))).collect();
            best(&judged).map(|place| judged[place].0.counter)
        };
        let forward: Vec<_> = licenses.iter().collect();
        let backward: Vec<_> = licenses.iter().rev().collect();
        let found = of(&forward);
        assert_eq!(of(&backward), found, "the order of the list does not matter");
        found
    }

    #[test]
    fn next_years_license_waits_for_its_day_and_this_years_counts_until_then() {
        use Tier::Enterprise;
        let both = [of_year(2027, Enterprise, 1), of_year(2028, Enterprise, 2)];
        for (moment, counter) in [
            ("2026-06-01T00:00:00Z", 1),
            ("2027-06-01T00:00:00Z", 1),
            ("2027-12-31T23:59:58Z", 1),
            ("2028-01-01T00:00:00Z", 2),
            ("2028-06-01T00:00:00Z", 2),
            ("2030-01-01T00:00:00Z", 2),
        ] {
            assert_eq!(counts(&both, moment), Some(counter), "{moment}");
        }
        assert_eq!(counts(&[], "2027-06-01T00:00:00Z"), None);
    }

    #[test]
    fn a_license_for_less_or_one_that_ended_never_stands_before_one_that_holds() {
        use Tier::{Enterprise, Free, Team};
        let now = "2027-06-01T00:00:00Z";
        let longer = License { expires: at("2028-06-01T00:00:00Z"), ..of_year(2027, Enterprise, 9) };
        let narrowed = License { features: Some(Vec::new()), ..of_year(2027, Enterprise, 9) };
        let in_grace = License { expires: at("2027-05-31T00:00:00Z"), ..of_year(2027, Enterprise, 9) };
        let good = of_year(2027, Enterprise, 1);
        for (other, counter) in [
            (of_year(2027, Team, 9), 1),
            (of_year(2027, Free, 9), 1),
            (of_year(2026, Enterprise, 9), 1),
            (of_year(2028, Enterprise, 9), 1),
            (narrowed.clone(), 1),
            (in_grace.clone(), 1),
            (longer, 9),
            // The same license with a higher counter.
            (of_year(2027, Enterprise, 9), 9),
        ] {
            assert_eq!(counts(&[good.clone(), other.clone()], now), Some(counter), "{other:?}");
        }
        // A license in its grace that includes synchronization counts before a valid one that does not.
        assert_eq!(counts(&[of_year(2027, Team, 1), in_grace], now), Some(9));
        assert_eq!(counts(&[of_year(2027, Team, 1), narrowed], now), Some(9), "by its tier");
    }

    #[test]
    fn a_license_that_went_back_is_told_only_where_there_is_nothing_else_to_tell() {
        let (one, other) = (of_year(2027, Tier::Enterprise, 1), of_year(2020, Tier::Free, 2));
        let rolled_back = (&one, Validity::RolledBack { highest: 7 });
        let expired = (&other, validity(&other, at("2027-06-01T00:00:00Z"), 0));
        assert_eq!(best(&[rolled_back, expired]), Some(1));
        assert_eq!(best(&[rolled_back]), Some(0));
    }
}
