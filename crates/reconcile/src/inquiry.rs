//! Finds what must be looked up before a plan can be made.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    BaseEntry, LocalSnapshot, Options, RemoteSnapshot, SecretPath,
    classify::{Facts, LocalSince, RemoteSince, paths},
};

/// The lookups that the planner needs beyond the stamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inquiries {
    /// The paths with a base that are missing from the listing. The caller asks for each by name, and puts
    /// the answer into the snapshot.
    pub absences: BTreeSet<SecretPath>,
    /// The paths with an accepted difference whose contents on both sides are needed.
    pub accepted_contents: BTreeSet<SecretPath>,
    /// The paths whose content at the base revision is needed.
    pub base_contents: BTreeSet<SecretPath>,
    /// The paths whose current local content is needed.
    pub local_contents: BTreeSet<SecretPath>,
    /// The paths whose current remote content is needed.
    pub remote_contents: BTreeSet<SecretPath>,
}

/// Returns the needed lookups. The caller calls it after the listing, and again after the `absences` are
/// answered, because they may need contents.
///
/// A path that neither side touched needs no lookup, and neither does a path that only one side has. A first
/// push and a first pull can therefore be planned without contents. If the base does not count (scope
/// changed, remote replaced), the caller passes an empty base here too.
#[must_use]
pub fn inquiries(
    base: &BTreeMap<SecretPath, BaseEntry>,
    local: &LocalSnapshot,
    remote: &RemoteSnapshot,
    options: &Options,
) -> Inquiries {
    let mut inquiries = Inquiries::default();
    for path in paths(base, local, remote) {
        inquiries.add(&Facts::of(path, base, local, remote), options);
    }
    inquiries
}

impl Inquiries {
    fn add(&mut self, facts: &Facts<'_>, options: &Options) {
        let path = facts.path;
        if facts.remote_since == RemoteSince::Unlisted {
            self.absences.insert(path.clone());
        }
        let foreign = facts.foreign_matters(options);
        if facts.is_untouched(options) && !foreign {
            return;
        }
        if facts.base.is_some_and(BaseEntry::is_agreed) {
            self.base_contents.insert(path.clone());
        }
        if facts.accepted().is_some() {
            self.accepted_contents.insert(path.clone());
        }
        let both_live = facts.local.is_some() && facts.remote_live().is_some();
        if facts.local_since == LocalSince::Changed || (facts.local_since == LocalSince::New && (both_live || foreign))
        {
            self.local_contents.insert(path.clone());
        }
        let moved = match facts.remote_since {
            RemoteSince::Changed | RemoteSince::Rewound => true,
            RemoteSince::New => both_live || foreign,
            _ => false,
        };
        if moved && facts.remote_live().is_some() {
            self.remote_contents.insert(path.clone());
        }
    }
}
