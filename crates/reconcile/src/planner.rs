//! The planner.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BaseEntry, Content, HaltKind, LocalSnapshot, Options, Plan, RemoteSnapshot, SecretPath, UnixNanos};

/// Everything a plan follows from.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// What both sides agreed on, by path.
    pub base: &'a BTreeMap<SecretPath, BaseEntry>,
    /// The local side.
    pub local: &'a LocalSnapshot,
    /// The remote side.
    pub remote: &'a RemoteSnapshot,
    /// The choices of the connection.
    pub options: &'a Options,
    /// Contents of the base revisions that [`crate::inquiries`] asked for.
    pub base_contents: &'a BTreeMap<SecretPath, Content>,
    /// Contents of the current revisions that [`crate::inquiries`] asked for.
    pub local_contents: &'a BTreeMap<SecretPath, Content>,
    /// Contents of the remote versions that [`crate::inquiries`] asked for; an error is the
    /// reason why one could not be read.
    pub remote_contents: &'a BTreeMap<SecretPath, Result<Content, String>>,
    /// The moment of the observation.
    pub now: UnixNanos,
    /// The scope was edited since the base was recorded.
    pub scope_changed: bool,
    /// Another cluster or mount answers than the one recorded; says which.
    pub remote_replaced: Option<String>,
    /// The halts a person acknowledged for this run.
    pub acknowledged: &'a BTreeSet<HaltKind>,
}

/// Decides what a run will do.
#[must_use]
pub fn plan(input: &Input<'_>) -> Plan {
    let _ = input;
    todo!()
}
