//! Everything a plan follows from.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    AcceptedContents, BaseEntry, Content, HaltKind, LocalSnapshot, Options, RemoteSnapshot, RunMark, SecretPath,
};

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
    /// Contents that a person accepted as different, where [`crate::inquiries`] asked for them.
    pub accepted_contents: &'a BTreeMap<SecretPath, AcceptedContents>,
    /// Contents of the base revisions that [`crate::inquiries`] asked for.
    pub base_contents: &'a BTreeMap<SecretPath, Content>,
    /// Contents of the current revisions that [`crate::inquiries`] asked for.
    pub local_contents: &'a BTreeMap<SecretPath, Content>,
    /// Contents of the remote versions that [`crate::inquiries`] asked for; an error is the
    /// reason why one could not be read.
    pub remote_contents: &'a BTreeMap<SecretPath, Result<Content, String>>,
    /// The scope was edited since the base was recorded.
    pub scope_changed: bool,
    /// The database was found older than what it has seen; says how, in words that begin a sentence.
    pub guarded: Option<&'a str>,
    /// Another cluster or mount answers than the one recorded; says which.
    pub remote_replaced: Option<String>,
    /// The connection's newest run that wrote to Vault, as far as the database knows. Read after
    /// the remote side: a run that goes on beside this one must not look like one that the
    /// database forgot.
    pub newest_run: RunMark,
    /// The halts a person acknowledged for this run.
    pub acknowledged: &'a BTreeSet<HaltKind>,
}
