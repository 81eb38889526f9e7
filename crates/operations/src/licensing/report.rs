//! How the licenses of this server stand at a moment: a word for programs, sentences for people.

use jiff::Timestamp;
use uuid::Uuid;
use vaultterm_contract::LicenseStanding;
use vaultterm_license::{Feature, License, Validity, best, validity};

/// The licenses that this server knows, judged by no clock yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub kept: Vec<Kept>,
    /// What is there and cannot be used: each with the reason and what to do.
    pub refused: Vec<String>,
    /// Whether an evaluation can begin.
    pub may_evaluate: bool,
}

/// A license that verifies.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub license: License,
    /// Whether it came as a file, not over the API.
    pub by_file: bool,
    /// The counter that it must not be below: 0 for a license that was accepted here.
    pub bar: u64,
}

/// How the licenses stand.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every license that is kept.
    pub entries: Vec<Entry>,
    /// The place of the license that counts, or of the one there is most to tell of.
    best: Option<usize>,
    /// What is there and cannot be used: each with the reason and what to do.
    pub refused: Vec<String>,
    /// The moment it was judged at.
    pub now: Timestamp,
    /// Why synchronization is not included, if it is not.
    pub missing: Option<String>,
    /// Whether an evaluation can begin.
    pub may_evaluate: bool,
}

/// One license and its state.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The license.
    pub license: License,
    /// Whether it is valid, and if not, why.
    pub validity: Validity,
    /// Whether it came as a file, not over the API.
    pub by_file: bool,
    /// Whether it is the one that counts.
    pub counts: bool,
}

impl Report {
    pub(super) fn of(shelf: &Shelf, now: Timestamp) -> Self {
        let judged = |kept: &Kept| Entry {
            validity: validity(&kept.license, now, kept.bar),
            license: kept.license.clone(),
            by_file: kept.by_file,
            counts: false,
        };
        let mut entries: Vec<Entry> = shelf.kept.iter().map(judged).collect();
        let pairs: Vec<_> = entries.iter().map(|entry| (&entry.license, entry.validity)).collect();
        let best = best(&pairs);
        if let Some(place) = best {
            entries[place].counts = entries[place].validity.holds();
        }
        let missing = match best.map(|place| &entries[place]) {
            Some(Entry { license, validity, .. }) => {
                (!license.entitles(*validity, Feature::HcvSync)).then(|| why_missing(license, *validity))
            }
            None => Some(shelf.refused.first().cloned().unwrap_or_else(|| "no license is installed".to_owned())),
        };
        Self { entries, best, refused: shelf.refused.clone(), now, missing, may_evaluate: shelf.may_evaluate }
    }

    /// The license that the server uses. If none is valid, the one that tells a person most about the reason.
    pub fn best(&self) -> Option<&Entry> {
        self.best.and_then(|place| self.entries.get(place))
    }

    /// The validity in one word.
    pub fn word(&self) -> LicenseStanding {
        match self.best() {
            Some(entry) => word(entry.validity),
            None if self.refused.is_empty() => LicenseStanding::None,
            None => LicenseStanding::Refused,
        }
    }

    /// A sentence for people, if the word alone does not explain enough.
    pub fn sentence(&self) -> Option<String> {
        let said = match self.best().map(|entry| entry.validity) {
            Some(Validity::Grace { until }) => {
                Some(format!("it has run out; everything goes on until {until}: install a renewal"))
            }
            _ => self.missing.clone(),
        };
        let refused = self.best().and_then(|_| self.refused.first());
        let parts: Vec<String> = said.into_iter().chain(refused.cloned()).collect();
        (!parts.is_empty()).then(|| parts.join("; besides, "))
    }

    /// Says what became of a license that was just installed: whether it counts now, and if not, which one does.
    pub fn notice(&self, id: Uuid) -> Option<String> {
        let entry = self.entries.iter().find(|entry| entry.license.id == id)?;
        if entry.counts {
            return Some("it counts from now on".to_owned());
        }
        let other = match self.entries.iter().find(|entry| entry.counts) {
            Some(Entry { license, .. }) => {
                format!("the license {}, of the tier `{}`, counts", license.id, license.tier.as_str())
            }
            None => "no license counts".to_owned(),
        };
        Some(match entry.validity {
            Validity::NotYetValid { from } => format!("it waits until {from}; until then {other}"),
            Validity::Valid | Validity::Grace { .. } => {
                format!("it is kept; {other}, because it includes more or holds longer")
            }
            Validity::Expired { .. } | Validity::RolledBack { .. } => {
                format!("it changes nothing: {}; {other}", why_missing(&entry.license, entry.validity))
            }
        })
    }
}

impl Entry {
    /// How it stands, in one word.
    pub fn word(&self) -> LicenseStanding {
        word(self.validity)
    }

    /// Why it does not let synchronization go on, if it does not.
    pub fn detail(&self) -> Option<String> {
        let entitles = self.license.entitles(self.validity, Feature::HcvSync);
        (!entitles).then(|| why_missing(&self.license, self.validity))
    }
}

fn word(validity: Validity) -> LicenseStanding {
    match validity {
        Validity::Valid => LicenseStanding::Valid,
        Validity::Grace { .. } => LicenseStanding::Grace,
        Validity::NotYetValid { .. } => LicenseStanding::NotYetValid,
        Validity::Expired { .. } => LicenseStanding::Expired,
        Validity::RolledBack { .. } => LicenseStanding::RolledBack,
    }
}

fn why_missing(license: &License, validity: Validity) -> String {
    match validity {
        Validity::NotYetValid { from } => format!("it is valid from {from} on"),
        Validity::Expired { since } => format!("it expired on {}, its grace ended on {since}", license.expires),
        Validity::RolledBack { highest } => {
            format!("its counter went back: it is {}, and {highest} was seen here", license.counter)
        }
        Validity::Valid | Validity::Grace { .. } if license.features.is_some() => {
            format!("it is of the tier `{}`, and does not name `hcv_sync`", license.tier.as_str())
        }
        Validity::Valid | Validity::Grace { .. } => {
            format!("it is of the tier `{}`, and synchronization needs `enterprise`", license.tier.as_str())
        }
    }
}
