//! What has to be looked up before a plan can be made.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    BaseEntry, LocalSnapshot, Options, RemoteSnapshot, SecretPath,
    classify::{Facts, LocalSince, RemoteSince, paths},
};

/// What the planner needs to know beyond the stamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inquiries {
    /// Paths with a base that the listing does not show: ask for each by name, and put the
    /// answer into the snapshot.
    pub absences: BTreeSet<SecretPath>,
    /// Paths whose accepted contents are needed, of both sides.
    pub accepted_contents: BTreeSet<SecretPath>,
    /// Paths whose base revision's content is needed.
    pub base_contents: BTreeSet<SecretPath>,
    /// Paths whose current local content is needed.
    pub local_contents: BTreeSet<SecretPath>,
    /// Paths whose current remote content is needed.
    pub remote_contents: BTreeSet<SecretPath>,
}

/// Decides what has to be looked up. Called twice: after the listing, and again once the
/// `absences` are answered (they may ask for contents).
///
/// Nothing is asked for a path that neither side touched, nor for one that only one side
/// knows: a first push and a first pull need no contents to be planned. When the base is to be
/// set aside (scope changed, remote replaced), pass an empty one here as well.
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
