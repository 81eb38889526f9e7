//! The evaluation: a license that an installation issues to itself, once.
//!
//! No vendor takes part, so the license proves nothing to anybody else. The installation derives the signing key from
//! its own keys, and no other installation accepts the license. The license has its own tier. When the server reads it,
//! it checks that the license allows no more than an evaluation may. So the key of an installation cannot sign any
//! other license.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{Invalid, IssuerKey, License, LicenseError, PublicKey, Tier, TrustedKeys, issue, verify};

/// The number of days of an evaluation.
pub const EVALUATION_DAYS: i64 = 30;

/// The key and the id of the only evaluation of an installation.
pub struct EvaluationKey {
    key: IssuerKey,
    id: Uuid,
}

impl EvaluationKey {
    /// Makes the key out of 32 bytes that only this installation knows, and the id out of 16 further bytes.
    #[must_use]
    pub fn of(seed: [u8; 32], id: [u8; 16]) -> Self {
        let id = uuid::Builder::from_random_bytes(id).with_version(uuid::Version::SortRand).into_uuid();
        Self { key: IssuerKey::of_seed(seed), id }
    }

    /// Returns the id of this installation's evaluation. The id is the same no matter when the evaluation begins.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Issues the evaluation of this installation, which begins now. No other
    /// installation accepts its text as a license.
    ///
    /// # Errors
    /// [`Invalid`], when `now` is so late that a license cannot name the end of the evaluation.
    pub fn begin(&self, now: Timestamp) -> Result<(License, String), Invalid> {
        let begin = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let license = License {
            id: self.id,
            licensee: "Evaluation by this installation".to_owned(),
            tier: Tier::Evaluation,
            seats: None,
            features: None,
            not_before: begin,
            expires: begin.checked_add(lasts()).unwrap_or(Timestamp::MAX),
            grace_days: 0,
            // With the lowest counter, an evaluation never makes a license of a vendor count as rolled back.
            counter: 0,
        };
        let text = issue(&license, &self.key)?;
        Ok((license, text))
    }

    /// Verifies the text of the evaluation of this installation, and returns it.
    ///
    /// # Errors
    /// [`LicenseError`], when another key signed the text, or when it allows more than an evaluation may.
    pub fn verify(&self, text: &[u8]) -> Result<License, LicenseError> {
        let own: PublicKey = self.key.public().clone();
        let license = verify(text, &TrustedKeys::from(own))?;
        let is_evaluation = license.id == self.id
            && license.tier == Tier::Evaluation
            && license.grace_days == 0
            && license.counter == 0
            && license.expires.duration_since(license.not_before) <= lasts();
        if is_evaluation {
            return Ok(license);
        }
        Err(LicenseError::Content("the key of an installation signs only its own evaluation".to_owned()))
    }
}

const fn lasts() -> SignedDuration {
    SignedDuration::from_hours(24 * EVALUATION_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Feature, Validity, validity};

    fn key(seed: u8) -> EvaluationKey {
        EvaluationKey::of([seed; 32], [seed; 16])
    }

    #[test]
    fn an_evaluation_includes_synchronization_for_thirty_days_and_not_a_moment_longer() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let (license, text) = key(1).begin(now).unwrap();
        assert_eq!(key(1).verify(text.as_bytes()).unwrap(), license);
        assert!(license.includes(Feature::HcvSync));
        let last = license.expires.checked_sub(SignedDuration::from_nanos(1)).unwrap();
        assert_eq!(validity(&license, last, 0), Validity::Valid);
        assert_eq!(license.expires.to_string(), "2026-12-28T12:00:00Z");
        assert!(!license.entitles(validity(&license, license.expires, 0), Feature::HcvSync));
    }

    #[test]
    fn an_evaluation_is_accepted_only_by_the_installation_that_issued_it() {
        let (_, text) = key(1).begin(Timestamp::UNIX_EPOCH).unwrap();
        assert!(matches!(key(2).verify(text.as_bytes()), Err(LicenseError::UnknownKey(_))));
        assert_ne!(key(1).id(), key(2).id());
    }

    #[test]
    fn the_key_of_an_installation_signs_nothing_but_its_evaluation() {
        let own = key(1);
        let (license, _) = own.begin(Timestamp::UNIX_EPOCH).unwrap();
        let longer = license.expires.checked_add(SignedDuration::from_secs(1)).unwrap();
        for forged in [
            License { tier: Tier::Enterprise, ..license.clone() },
            License { expires: longer, ..license.clone() },
            License { grace_days: 1, ..license.clone() },
            License { counter: 7, ..license.clone() },
            License { id: key(2).id(), ..license.clone() },
        ] {
            let text = issue(&forged, &own.key).unwrap();
            assert!(matches!(own.verify(text.as_bytes()), Err(LicenseError::Content(_))), "{forged:?}");
        }
    }
}
