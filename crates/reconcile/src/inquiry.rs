//! What has to be looked up before a plan can be made.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BaseEntry, LocalSnapshot, Options, RemoteSnapshot, SecretPath};

/// What the planner needs to know beyond the stamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inquiries {
    /// Paths with a base that the listing does not show: ask for each by name, and put the
    /// answer into the snapshot.
    pub absences: BTreeSet<SecretPath>,
    /// Paths whose base revision's content is needed.
    pub base_contents: BTreeSet<SecretPath>,
    /// Paths whose current local content is needed.
    pub local_contents: BTreeSet<SecretPath>,
    /// Paths whose current remote content is needed.
    pub remote_contents: BTreeSet<SecretPath>,
}

/// Decides what has to be looked up. Called twice: after the listing, and again once the
/// `absences` are answered (they may ask for contents).
#[must_use]
pub fn inquiries(
    base: &BTreeMap<SecretPath, BaseEntry>,
    local: &LocalSnapshot,
    remote: &RemoteSnapshot,
    options: &Options,
) -> Inquiries {
    let _ = (base, local, remote, options);
    todo!()
}
