//! Everything a plan follows from.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    AcceptedContents, BaseEntry, Beyond, Content, HaltKind, LocalSnapshot, Mode, Options, RemoteEntry, RemoteSight,
    RemoteSnapshot, RunMark, SecretPath, SeenMark,
};

/// The complete input of a plan.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The agreed state, by path.
    pub base: &'a BTreeMap<SecretPath, BaseEntry>,
    /// The local side.
    pub local: &'a LocalSnapshot,
    /// The remote side.
    pub remote: &'a RemoteSnapshot,
    /// The options of the connection.
    pub options: &'a Options,
    /// The contents of accepted differences that [`crate::inquiries`] requested.
    pub accepted_contents: &'a BTreeMap<SecretPath, AcceptedContents>,
    /// The contents of the base revisions that [`crate::inquiries`] requested.
    pub base_contents: &'a BTreeMap<SecretPath, Content>,
    /// The contents of the current revisions that [`crate::inquiries`] requested.
    pub local_contents: &'a BTreeMap<SecretPath, Content>,
    /// The contents of the remote versions that [`crate::inquiries`] requested. An error is the reason why a
    /// version could not be read.
    pub remote_contents: &'a BTreeMap<SecretPath, Result<Content, String>>,
    /// Whether the scope was edited since the base was recorded.
    pub scope_changed: bool,
    /// The reason why the database counts as older than what it has seen. The text begins a sentence.
    pub guarded: Option<&'a str>,
    /// The difference, if another cluster or mount answers than the recorded one.
    pub remote_replaced: Option<String>,
    /// The newest run of the connection that wrote to Vault, as far as the database knows. It must be read
    /// after the remote side. Otherwise a run in progress beside this one would look like a run that the
    /// database forgot.
    pub newest_run: RunMark,
    /// What the plan does not look at, and what runs that looked at some paths have deleted.
    pub beyond: Beyond,
    /// The halts that a person acknowledged for this run.
    pub acknowledged: &'a BTreeSet<HaltKind>,
}

impl Input<'_> {
    /// Finds the newest run number of this connection that a secret in Vault shows, and the path of that
    /// secret. A pull writes no marks, so for a pull there is none.
    pub(crate) fn newest_run_seen(&self) -> Option<(u64, &SecretPath)> {
        if self.options.mode == Mode::Pull {
            return None;
        }
        let marks = self.remote.sights.iter().filter_map(|(path, sight)| match sight {
            // A secret without an instance may carry a run number too: a run leaves its number at what it
            // deletes.
            RemoteSight::Seen(RemoteEntry { mark: SeenMark { instance, run, .. }, .. })
                if instance.as_ref().is_none_or(|instance| *instance == self.options.instance) =>
            {
                run.filter(|mark| mark.connection == self.newest_run.connection).map(|mark| (mark.number, path))
            }
            _ => None,
        });
        marks.max()
    }
}
