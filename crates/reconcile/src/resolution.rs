//! Turns a person's decision on a conflict into steps.
//!
//! | decision | both live | only the record lives | only the secret lives |
//! |---|---|---|---|
//! | `keep_local` | write the secret (the remote value is kept as a revision) | write the secret | delete the version seen |
//! | `keep_remote` | write the record | move the record to the trash | import it |
//! | `keep_both` | the remote copy becomes a new record, then as `keep_local` | – | – |
//!  `merge` | write the chosen fields to both; `completion.rs` says which must be named | – | – |
//!
//! A pull never writes to Vault. There `keep_local` accepts that the sides differ, or drops the link if one
//! side is gone, and `merge` is not possible. In a push the record counts. There `keep_remote` of two live
//! sides accepts that they differ, and a `merge` that takes every field from the secret writes the record.

use std::collections::BTreeMap;

use crate::{
    Action, Conflict, Expect, LocalExpect, Mode, Options, Reason, RecordType, RemoteExpect, SecretPath, Side, Step,
    completion::complete,
};

/// The choice of a person.
#[derive(Clone, Debug)]
pub enum Choice {
    /// The record wins.
    KeepLocal,
    /// The secret wins.
    KeepRemote,
    /// The remote copy becomes a new record at this free path, and then the record wins.
    KeepBoth(SecretPath),
    /// The source of each field that a person named. Fields that are not named are completed if that cannot
    /// join halves of two credentials.
    Merge(BTreeMap<String, Side>),
}

/// The basis of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Resolving<'a> {
    /// The conflict.
    pub conflict: &'a Conflict,
    /// The options of the connection.
    pub options: &'a Options,
    /// The current type of the record, or that of the base if the record is gone.
    pub record_type: RecordType,
    /// The type that the mark of the secret names.
    pub remote_type: Option<RecordType>,
}

/// Why a decision does not fit a conflict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotResolvable {
    /// `keep_both` and `merge` need two live sides.
    #[error("one side is deleted: choose keep_local or keep_remote")]
    OneSideDeleted,
    /// `merge` would write to Vault.
    #[error("a pull connection never writes to Vault: choose keep_local or keep_remote")]
    PullWritesNothing,
    /// The merge has no field at all.
    #[error("the merge leaves no field: choose at least one")]
    NoFields,
    /// The merge does not name fields whose values may belong to one credential.
    #[error(
        "name every field that differs and may be a part of a credential, whichever side changed it; missing: {}",
        .0.join(", ")
    )]
    FieldsMissing(Vec<String>),
}

/// Turns a decision into steps, in the order in which they must be carried out.
///
/// # Errors
/// [`NotResolvable`], which says what to choose instead.
pub fn resolution(resolving: &Resolving<'_>, choice: &Choice) -> Result<Vec<Step>, NotResolvable> {
    let local = matches!(resolving.conflict.expect.local, LocalExpect::Live { .. });
    let remote = matches!(resolving.conflict.expect.remote, RemoteExpect::Live { .. });
    let pull = resolving.options.mode == Mode::Pull;
    match choice {
        Choice::KeepLocal => Ok(vec![resolving.step(resolving.keep_local(local, remote))]),
        Choice::KeepRemote => Ok(vec![resolving.step(resolving.keep_remote(local, remote))]),
        Choice::KeepBoth(_) | Choice::Merge(_) if !(local && remote) => Err(NotResolvable::OneSideDeleted),
        Choice::KeepBoth(path) => {
            let mut copy = resolving.step(Action::CopyLocal { from: resolving.conflict.path.clone() });
            copy.path = path.clone();
            copy.expect.local = LocalExpect::Absent;
            copy.annotate = false;
            Ok(vec![copy, resolving.step(resolving.keep_local(true, true))])
        }
        Choice::Merge(_) if pull => Err(NotResolvable::PullWritesNothing),
        Choice::Merge(chosen) => {
            let (record_type, cas) = (resolving.record_type, resolving.cas());
            let fields = complete(resolving.conflict, record_type, chosen).map_err(NotResolvable::FieldsMissing)?;
            if fields.is_empty() {
                return Err(NotResolvable::NoFields);
            }
            Ok(vec![resolving.step(Action::Merge { fields, record_type, cas })])
        }
    }
}

impl Resolving<'_> {
    fn keep_local(&self, local: bool, remote: bool) -> Action {
        let pull = self.options.mode == Mode::Pull;
        let equal = self.conflict.local.is_some() && self.conflict.local == self.conflict.remote;
        match (local, remote) {
            (true, true) if equal => Action::Adopt { record_type: None },
            (true, true) if pull => Action::Accept,
            (true, true) => Action::UpdateRemote { cas: self.cas(), archive: true },
            (true, false) | (false, true) if pull => Action::Unlink,
            (true, false) => Action::CreateRemote { cas: self.cas(), key_created: self.key_created() },
            // The deletion is safe because a person saw this version and chose its deletion. Only this
            // version is deleted.
            (false, true) => Action::DeleteRemote { version: self.cas() },
            (false, false) => Action::Forget,
        }
    }

    fn keep_remote(&self, local: bool, remote: bool) -> Action {
        let record_type = self.remote_type.filter(|kind| *kind != self.record_type);
        let equal = self.conflict.local.is_some() && self.conflict.local == self.conflict.remote;
        match (local, remote) {
            (true, true) if equal => Action::Adopt { record_type },
            (true, true) if self.options.mode == Mode::Push => Action::Accept,
            (true, true) => Action::UpdateLocal { record_type },
            (false, true) => Action::CreateLocal { restores: self.conflict.record_id, record_type: self.remote_type },
            // The deletion is safe because a person saw that the secret is gone and chose it. The record goes
            // to the trash with all its revisions.
            (true, false) => Action::DeleteLocal,
            (false, false) => Action::Forget,
        }
    }

    fn cas(&self) -> crate::Version {
        match self.conflict.expect.remote {
            RemoteExpect::Absent => crate::Version::NONE,
            RemoteExpect::Deleted { stamp } | RemoteExpect::Live { stamp, .. } => stamp.version,
        }
    }

    fn key_created(&self) -> Option<crate::UnixNanos> {
        match self.conflict.expect.remote {
            RemoteExpect::Absent => None,
            RemoteExpect::Deleted { stamp } | RemoteExpect::Live { stamp, .. } => Some(stamp.key_created),
        }
    }

    fn step(&self, action: Action) -> Step {
        let lives_on =
            !matches!(action, Action::DeleteRemote { .. } | Action::DeleteLocal | Action::Forget | Action::Unlink);
        Step {
            path: self.conflict.path.clone(),
            action,
            reason: Reason::Resolved,
            expect: Expect { local: self.conflict.expect.local, remote: self.conflict.expect.remote },
            fields: Vec::new(),
            annotate: self.options.marks() && lives_on,
        }
    }
}
