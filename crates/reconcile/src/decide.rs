//! Decides what happens at one path, by the table of the three modes.
//!
//! [`Case`] first reduces the events to those that matter (an edit that was undone does not). Then one
//! `match` per mode reads like the table in the documentation.

use crate::{
    Action, BaseEntry, ConflictKind, Expect, ExpiryPolicy, Link, Mode, Reason, Step,
    accepted::accepted_difference,
    case::{Case, Local, Remote, Verdict, differences},
    classify::{Facts, RemoteSince},
    input::Input,
    merge::{Merged, Sides, merge},
};

/// Decides a path that is not part of a rename.
pub(crate) fn decide(facts: &Facts<'_>, input: &Input<'_>) -> Verdict {
    match facts.remote_since {
        RemoteSince::Unreadable(reason) => return unreadable(facts, reason),
        RemoteSince::Unlisted => {
            return Verdict::Skip("not listed, and its absence is not proven: it does not count as deleted".to_owned());
        }
        _ => {}
    }
    if let Some(marker) = facts.marker
        && let Some(decision) = unlinked(facts, marker)
    {
        return decision;
    }
    let case = match Case::of(facts, input) {
        Ok(case) => case,
        Err(reason) => return Verdict::Skip(reason),
    };
    if facts.foreign_matters(input.options) {
        return case.conflict(ConflictKind::ForeignOwner);
    }
    if facts.remote_since == RemoteSince::Rewound {
        return case.rewound();
    }
    if let Some(decision) = accepted_difference(&case) {
        return decision;
    }
    match (case.local, case.remote) {
        (Local::Absent, Remote::Vacant) => Verdict::Nothing,
        // No side has the path any more, so the base is forgotten.
        (Local::Deleted, Remote::Deleted | Remote::Expired) => case.step(Action::Forget, Reason::DeletedOnBothSides),
        (Local::Same, Remote::Same) => case.in_step(),
        (Local::Same | Local::Changed, Remote::Expired) if input.options.expired == ExpiryPolicy::Ignore => {
            case.expired()
        }
        (Local::New, Remote::New) => case.first_meeting(),
        _ => match input.options.mode {
            Mode::Bidirectional => case.bidirectional(),
            Mode::Push => case.push(),
            Mode::Pull => case.pull(),
        },
    }
}

/// Reports an unreadable path if that matters. It never counts as deleted.
fn unreadable(facts: &Facts<'_>, reason: &str) -> Verdict {
    if facts.base.is_none() && facts.local.is_none() && facts.marker.is_some() {
        return Verdict::Nothing;
    }
    Verdict::Skip(reason.to_owned())
}

/// Handles a dropped link. As long as only the side that was left alone has the path, nothing happens.
/// Returns `None` if the path must be treated as one without a base.
fn unlinked(facts: &Facts<'_>, marker: &BaseEntry) -> Option<Verdict> {
    let local = facts.local.is_some();
    let remote = facts.remote_live().is_some();
    match (marker.link, local, remote) {
        (Link::LocalGone, false, true) | (Link::RemoteGone, true, false) => Some(Verdict::Nothing),
        (_, false, false) => Some(Verdict::Step(Box::new(Step {
            path: facts.path.clone(),
            action: Action::Forget,
            reason: Reason::DeletedOnBothSides,
            expect: Expect { local: facts.expect_local(), remote: facts.expect_remote() },
            fields: Vec::new(),
            annotate: false,
        }))),
        // The deleted side has the path again, so this is like a first sync.
        _ => None,
    }
}

impl Case<'_> {
    // ---- the three modes -------------------------------------------------------------------

    fn bidirectional(&self) -> Verdict {
        match (self.local, self.remote) {
            (Local::New, _) => self.create_remote(Reason::NewLocally),
            (Local::Absent, _) => self.create_local(Reason::NewRemotely),
            (Local::Changed, Remote::Same) => self.write_remote(),
            (Local::Same, Remote::Changed) => self.write_local(Reason::ChangedRemotely),
            (Local::Changed, Remote::Changed) => self.both_changed(),
            (Local::Deleted, Remote::Same) => self.deleted_locally(),
            (Local::Same, _) => self.deleted_remotely(),
            (Local::Deleted, _) if self.propagates() => self.conflict(ConflictKind::LocalDeleted),
            (Local::Changed, _) if self.propagates() => self.conflict(ConflictKind::RemoteDeleted),
            (Local::Deleted, _) => self.step(Action::Unlink, Reason::DeletedLocally),
            (Local::Changed, _) => self.step(Action::Unlink, Reason::DeletedRemotely),
        }
    }

    fn push(&self) -> Verdict {
        match (self.local, self.remote) {
            (Local::New, _) => self.create_remote(Reason::NewLocally),
            // A secret that only Vault has does not concern a push.
            (Local::Absent, _) => Verdict::Nothing,
            (Local::Changed, Remote::Same) => self.write_remote(),
            (Local::Changed, Remote::Changed) if self.local_content == self.remote_content => self.adopt(),
            (Local::Same | Local::Changed, Remote::Changed) => {
                self.drift(ConflictKind::Drift, |case| case.overwrite_remote(Reason::DriftOverwritten))
            }
            (Local::Deleted, Remote::Same) => self.deleted_locally(),
            (Local::Deleted, _) if self.propagates() => self.conflict(ConflictKind::LocalDeleted),
            (Local::Deleted, _) => self.step(Action::Unlink, Reason::DeletedLocally),
            // Vault lost a secret for which VaultTerm is authoritative.
            (Local::Same | Local::Changed, _) => {
                self.drift(ConflictKind::RemoteDeleted, |case| case.create_remote(Reason::DriftOverwritten))
            }
        }
    }

    fn pull(&self) -> Verdict {
        match (self.local, self.remote) {
            (Local::Absent, _) => self.create_local(Reason::NewRemotely),
            // A record that only VaultTerm has does not concern a pull.
            (Local::New, _) => Verdict::Nothing,
            (Local::Same, Remote::Changed) => self.write_local(Reason::ChangedRemotely),
            // Only the type differs. People set types, and the data in Vault are the same.
            (Local::Changed, Remote::Same) if self.local_content == self.base_content => self.adopt(),
            (Local::Changed, Remote::Changed) if self.local_content == self.remote_content => self.adopt(),
            (Local::Changed, Remote::Same | Remote::Changed) => {
                self.drift(ConflictKind::Drift, |case| case.write_local(Reason::DriftOverwritten))
            }
            (Local::Same, _) => self.deleted_remotely(),
            (Local::Changed, _) if self.propagates() => self.conflict(ConflictKind::RemoteDeleted),
            (Local::Changed, _) => self.step(Action::Unlink, Reason::DeletedRemotely),
            // VaultTerm lost a record for which Vault is authoritative.
            (Local::Deleted, _) => {
                self.drift(ConflictKind::LocalDeleted, |case| case.create_local(Reason::DriftOverwritten))
            }
        }
    }

    // ---- rows that need a closer look ------------------------------------------------------

    /// Decides a path that is as agreed on both sides. Only marks, types or the base itself may have to
    /// follow.
    fn in_step(&self) -> Verdict {
        let record_type = self.incoming_type();
        if record_type.is_some() || self.needs_mark(record_type) {
            return self.step(Action::Adopt { record_type }, Reason::TypeChanged);
        }
        if self.moved {
            self.step(Action::Adopt { record_type: None }, Reason::EqualOnBothSides)
        } else {
            Verdict::Unchanged
        }
    }

    /// Decides an expired version. It ended by itself and was not deleted.
    fn expired(&self) -> Verdict {
        // A difference that a person accepted is not an edit that must be carried over.
        if self.was.is_some_and(|was| Some(&was.local) == self.local_content) {
            return Verdict::Unchanged;
        }
        match (self.local, self.options.mode) {
            (Local::Changed, Mode::Push | Mode::Bidirectional) => self.create_remote(Reason::ChangedLocally),
            _ => Verdict::Unchanged,
        }
    }

    fn both_changed(&self) -> Verdict {
        let (Some(base), Some(local), Some(remote), Some(entry)) =
            (self.base_content, self.local_content, self.remote_content, self.facts.local)
        else {
            return Verdict::Skip("the contents of both sides are needed and could not be read".to_owned());
        };
        if self.types_collide() {
            return self.conflict(ConflictKind::TypeChanged);
        }
        if local == remote {
            return self.adopt();
        }
        let record_type = self.incoming_type().unwrap_or(entry.record_type);
        let sides = Sides { base, local, remote };
        let fields = match merge(sides, entry.record_type, self.options.merge) {
            Ok(Merged::Local) => return self.write_remote_over(remote, Reason::ChangedOnBothSidesApart),
            Ok(Merged::Remote) => return self.write_local(Reason::ChangedOnBothSidesApart),
            Ok(Merged::Fields(fields)) => fields,
            Err(_) => return self.conflict(ConflictKind::BothChanged),
        };
        let action = Action::Merge { fields, record_type, cas: self.facts.cas() };
        self.marked(
            self.needs_mark(Some(record_type)),
            action,
            Reason::ChangedOnBothSidesApart,
            differences(local, remote),
        )
    }

    /// Decides a path whose version went backwards. It never counts as an edit. Equal contents are adopted,
    /// and everything else needs a person.
    fn rewound(&self) -> Verdict {
        let equal = self.remote_content.is_some() && self.local_content == self.remote_content;
        if equal { self.adopt() } else { self.conflict(ConflictKind::Rewound) }
    }
}
