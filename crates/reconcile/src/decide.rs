//! What happens at one path: the table of the three modes.
//!
//! [`Case`] first reduces what happened to what matters (an edit that was taken back is none),
//! then one `match` per mode reads like the table in the documentation.

use std::collections::BTreeMap;

use crate::{
    Action, BaseEntry, Change, Conflict, ConflictKind, Content, DeletionPolicy, DriftPolicy, Expect, ExpiryPolicy,
    FieldChange, InitialPolicy, Link, Mode, Options, Reason, RecordId, RecordType, Step,
    classify::{Facts, LocalSince, RemoteSince},
    merge::{Merged, Sides, merge},
    planner::Input,
};

/// What is decided for one path.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// Not this connection's business.
    Nothing,
    /// In step.
    Unchanged,
    Step(Box<Step>),
    Conflict(Box<Conflict>),
    Skip(String),
}

/// Decides one path that is no part of a rename.
pub(crate) fn decide(facts: &Facts<'_>, input: &Input<'_>) -> Decision {
    match facts.remote_since {
        RemoteSince::Unreadable(reason) => return unreadable(facts, reason),
        RemoteSince::Unlisted => {
            return Decision::Skip(
                "not listed, and its absence is not proven: it does not count as deleted".to_owned(),
            );
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
        Err(reason) => return Decision::Skip(reason),
    };
    if facts.foreign_matters(input.options) {
        return case.conflict(ConflictKind::ForeignOwner);
    }
    if facts.remote_since == RemoteSince::Rewound {
        return case.rewound();
    }
    match (case.local, case.remote) {
        (Local::Absent, Remote::Vacant) => Decision::Nothing,
        // Nobody holds it any more: what both sides agreed on is over.
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

/// A path that cannot be read is reported where it matters, and never counts as deleted.
fn unreadable(facts: &Facts<'_>, reason: &str) -> Decision {
    if facts.base.is_none() && facts.local.is_none() && facts.marker.is_some() {
        return Decision::Nothing;
    }
    Decision::Skip(reason.to_owned())
}

/// A dropped link: while only the side that was left alone holds the path, nothing happens.
/// `None` when the path is to be treated as one without a base.
fn unlinked(facts: &Facts<'_>, marker: &BaseEntry) -> Option<Decision> {
    let local = facts.local.is_some();
    let remote = facts.remote_live().is_some();
    match (marker.link, local, remote) {
        (Link::LocalGone, false, true) | (Link::RemoteGone, true, false) => Some(Decision::Nothing),
        (_, false, false) => Some(Decision::Step(Box::new(Step {
            path: facts.path.clone(),
            action: Action::Forget,
            reason: Reason::DeletedOnBothSides,
            expect: Expect { local: facts.expect_local(), remote: facts.expect_remote() },
            fields: Vec::new(),
            annotate: false,
        }))),
        // The side that was gone has the path again: as at a first sync.
        _ => None,
    }
}

/// The local side after reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Local {
    Absent,
    New,
    Same,
    Changed,
    Deleted,
}

/// The remote side after reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remote {
    Vacant,
    New,
    Same,
    Changed,
    Deleted,
    Expired,
}

/// One path with its contents.
struct Case<'a> {
    facts: &'a Facts<'a>,
    options: &'a Options,
    local: Local,
    remote: Remote,
    base_content: Option<&'a Content>,
    local_content: Option<&'a Content>,
    remote_content: Option<&'a Content>,
    /// A side moved without changing the content: the base must follow.
    moved: bool,
}

impl<'a> Case<'a> {
    /// Reduces the facts. `Err` says why the contents cannot be had.
    fn of(facts: &'a Facts<'a>, input: &Input<'a>) -> Result<Self, String> {
        let base_content = facts.base.and_then(|_| input.base_contents.get(facts.path));
        let local_content = match facts.local_since {
            LocalSince::Same => base_content,
            LocalSince::New | LocalSince::Changed => input.local_contents.get(facts.path),
            LocalSince::Absent | LocalSince::Deleted => None,
        };
        let remote_content = match (facts.remote_since, input.remote_contents.get(facts.path)) {
            (_, Some(Err(reason))) => return Err(reason.clone()),
            (RemoteSince::Same, _) => base_content,
            (_, Some(Ok(content))) => Some(content),
            (_, None) => None,
        };
        let mut case = Self {
            facts,
            options: input.options,
            local: match facts.local_since {
                LocalSince::Absent => Local::Absent,
                LocalSince::New => Local::New,
                LocalSince::Same => Local::Same,
                LocalSince::Changed => Local::Changed,
                LocalSince::Deleted => Local::Deleted,
            },
            remote: match facts.remote_since {
                RemoteSince::New => Remote::New,
                RemoteSince::Same => Remote::Same,
                RemoteSince::Changed | RemoteSince::Rewound => Remote::Changed,
                RemoteSince::Deleted => Remote::Deleted,
                RemoteSince::Expired => Remote::Expired,
                RemoteSince::Vacant | RemoteSince::Unlisted | RemoteSince::Unreadable(_) => Remote::Vacant,
            },
            base_content,
            local_content,
            remote_content,
            moved: false,
        };
        case.check_contents()?;
        case.reduce();
        Ok(case)
    }

    /// Every comparison below needs its contents: without them the path waits.
    fn check_contents(&self) -> Result<(), String> {
        let needs_local = self.local == Local::Changed || (self.local == Local::New && self.remote == Remote::New);
        let needs_remote = self.remote == Remote::Changed || (self.local == Local::New && self.remote == Remote::New);
        let touched = !self.facts.is_untouched();
        if self.facts.base.is_some() && touched && self.base_content.is_none() {
            return Err("the revision both sides agreed on is not in the local history".to_owned());
        }
        if needs_local && self.local_content.is_none() {
            let why = "the record could not be read: if its newest revision is damaged, bring an older one back";
            return Err(why.to_owned());
        }
        if needs_remote && self.facts.remote_live().is_some() && self.remote_content.is_none() {
            return Err("the secret could not be read".to_owned());
        }
        Ok(())
    }

    /// An edit that ends where it began is none; the base only follows.
    fn reduce(&mut self) {
        let Some(base) = self.facts.base else { return };
        let same_type = self.facts.local.is_some_and(|local| local.record_type == base.record_type);
        if self.local == Local::Changed && same_type && self.local_content == self.base_content {
            self.local = Local::Same;
            self.moved = true;
        }
        if self.remote == Remote::Changed
            && self.facts.remote_live().is_some()
            && self.remote_content == self.base_content
        {
            self.remote = Remote::Same;
            self.moved = true;
        }
        // An undelete may have set another `deletion_time` on the same version. The base must
        // know it, or its passing would look like a deletion by hand.
        if let Some((_, expires)) = self.facts.remote_live()
            && self.remote == Remote::Same
            && expires != base.expires
        {
            self.moved = true;
        }
    }

    // ---- the three modes -------------------------------------------------------------------

    fn bidirectional(&self) -> Decision {
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

    fn push(&self) -> Decision {
        match (self.local, self.remote) {
            (Local::New, _) => self.create_remote(Reason::NewLocally),
            // What only Vault holds is not this connection's business.
            (Local::Absent, _) => Decision::Nothing,
            (Local::Changed, Remote::Same) => self.write_remote(),
            (Local::Changed, Remote::Changed) if self.local_content == self.remote_content => self.adopt(),
            (Local::Same | Local::Changed, Remote::Changed) => {
                self.drift(ConflictKind::Drift, |case| case.overwrite_remote(Reason::DriftOverwritten))
            }
            (Local::Deleted, Remote::Same) => self.deleted_locally(),
            (Local::Deleted, _) if self.propagates() => self.conflict(ConflictKind::LocalDeleted),
            (Local::Deleted, _) => self.step(Action::Unlink, Reason::DeletedLocally),
            // Vault lost what VaultTerm is authoritative for.
            (Local::Same | Local::Changed, _) => {
                self.drift(ConflictKind::RemoteDeleted, |case| case.create_remote(Reason::DriftOverwritten))
            }
        }
    }

    fn pull(&self) -> Decision {
        match (self.local, self.remote) {
            (Local::Absent, _) => self.create_local(Reason::NewRemotely),
            // What only VaultTerm holds is not this connection's business.
            (Local::New, _) => Decision::Nothing,
            (Local::Same, Remote::Changed) => self.write_local(Reason::ChangedRemotely),
            // Only the type differs: types are people's, and Vault's data is the same.
            (Local::Changed, Remote::Same) if self.local_content == self.base_content => self.adopt(),
            (Local::Changed, Remote::Changed) if self.local_content == self.remote_content => self.adopt(),
            (Local::Changed, Remote::Same | Remote::Changed) => {
                self.drift(ConflictKind::Drift, |case| case.write_local(Reason::DriftOverwritten))
            }
            (Local::Same, _) => self.deleted_remotely(),
            (Local::Changed, _) if self.propagates() => self.conflict(ConflictKind::RemoteDeleted),
            (Local::Changed, _) => self.step(Action::Unlink, Reason::DeletedRemotely),
            // VaultTerm lost what Vault is authoritative for.
            (Local::Deleted, _) => {
                self.drift(ConflictKind::LocalDeleted, |case| case.create_local(Reason::DriftOverwritten))
            }
        }
    }

    // ---- rows that need a closer look ------------------------------------------------------

    /// Both sides as agreed: only marks, types or the base itself may have to follow.
    fn in_step(&self) -> Decision {
        let record_type = self.incoming_type();
        if record_type.is_some() || self.needs_mark(record_type) {
            return self.step(Action::Adopt { record_type }, Reason::TypeChanged);
        }
        if self.moved {
            self.step(Action::Adopt { record_type: None }, Reason::EqualOnBothSides)
        } else {
            Decision::Unchanged
        }
    }

    /// The version's lifetime passed by itself: nobody deleted anything.
    fn expired(&self) -> Decision {
        match (self.local, self.options.mode) {
            (Local::Changed, Mode::Push | Mode::Bidirectional) => self.create_remote(Reason::ChangedLocally),
            _ => Decision::Unchanged,
        }
    }

    /// Both sides hold the path and were never in step.
    fn first_meeting(&self) -> Decision {
        if self.local_content == self.remote_content {
            return self.adopt();
        }
        match (self.options.initial, self.options.mode) {
            // A pull never writes to Vault, whatever is preferred.
            (InitialPolicy::PreferLocal, Mode::Push | Mode::Bidirectional) => {
                self.overwrite_remote(Reason::InitialPreference)
            }
            (InitialPolicy::PreferRemote, _) => self.write_local(Reason::InitialPreference),
            _ => self.conflict(ConflictKind::NoBase),
        }
    }

    fn both_changed(&self) -> Decision {
        let (Some(base), Some(local), Some(remote), Some(entry)) =
            (self.base_content, self.local_content, self.remote_content, self.facts.local)
        else {
            return Decision::Skip("the contents of both sides are needed and could not be read".to_owned());
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

    /// Went backwards: never taken for an edit. Equal contents are adopted, all else is a
    /// person's business.
    fn rewound(&self) -> Decision {
        let equal = self.remote_content.is_some() && self.local_content == self.remote_content;
        if equal { self.adopt() } else { self.conflict(ConflictKind::Rewound) }
    }

    // ---- single outcomes -------------------------------------------------------------------

    fn create_remote(&self, reason: Reason) -> Decision {
        let action = Action::CreateRemote { cas: self.facts.cas(), key_created: self.facts.key_created() };
        self.marked(self.marks(), action, reason, Vec::new())
    }

    fn create_local(&self, reason: Reason) -> Decision {
        let action = Action::CreateLocal {
            restores: self.facts.trashed.map(|entry| entry.record_id),
            record_type: self.facts.remote.and_then(|entry| entry.annotation.record_type),
        };
        // The record that is made has an id of its own, and so has one that comes out of the trash.
        let comes_back = self.facts.trashed.map(|entry| entry.record_id);
        let named = self.is_ours() && comes_back.is_some() && self.marked_record() == comes_back;
        let annotate = self.marks() && self.options.mode == Mode::Bidirectional && !named;
        self.marked(annotate, action, reason, Vec::new())
    }

    /// The record changed and the secret did not: local history holds what is replaced.
    fn write_remote(&self) -> Decision {
        if self.types_collide() {
            return self.conflict(ConflictKind::TypeChanged);
        }
        if self.local_content == self.base_content {
            return self.step_marked_if_needed(Action::Adopt { record_type: None }, Reason::TypeChanged);
        }
        match self.base_content {
            Some(base) => self.write_remote_over(base, Reason::ChangedLocally),
            None => Decision::Skip("the revision both sides agreed on is not in the local history".to_owned()),
        }
    }

    fn write_remote_over(&self, replaced: &Content, reason: Reason) -> Decision {
        // The remote content is held by local history when it is the base's.
        let archive = Some(replaced) != self.base_content;
        let action = Action::UpdateRemote { cas: self.facts.cas(), archive };
        let fields = self.local_content.map(|local| differences(replaced, local)).unwrap_or_default();
        self.marked(self.needs_mark(None), action, reason, fields)
    }

    /// The secret's value is not in local history: it is kept there before it is replaced.
    fn overwrite_remote(&self, reason: Reason) -> Decision {
        let action = Action::UpdateRemote { cas: self.facts.cas(), archive: true };
        self.marked(self.needs_mark(None), action, reason, self.changes())
    }

    fn write_local(&self, reason: Reason) -> Decision {
        if self.types_collide() {
            return self.conflict(ConflictKind::TypeChanged);
        }
        let record_type = self.incoming_type();
        let fields = match (self.local_content, self.remote_content) {
            (Some(local), Some(remote)) => differences(local, remote),
            _ => Vec::new(),
        };
        self.marked(self.needs_mark(record_type), Action::UpdateLocal { record_type }, reason, fields)
    }

    fn adopt(&self) -> Decision {
        let record_type = self.incoming_type();
        self.marked(self.needs_mark(record_type), Action::Adopt { record_type }, Reason::EqualOnBothSides, Vec::new())
    }

    /// The record is in the trash with all its revisions.
    fn deleted_locally(&self) -> Decision {
        if self.propagates() {
            // Right because the secret is exactly what both sides agreed on (`Remote::Same`), so
            // local history holds its value, and only the version seen is deleted, recoverably.
            self.step(Action::DeleteRemote { version: self.facts.cas() }, Reason::DeletedLocally)
        } else {
            self.step(Action::Unlink, Reason::DeletedLocally)
        }
    }

    /// The secret's deletion is proven, and the record is exactly what both sides agreed on.
    fn deleted_remotely(&self) -> Decision {
        let reason = if self.remote == Remote::Expired { Reason::Expired } else { Reason::DeletedRemotely };
        if self.propagates() {
            // Right because `Remote::Deleted` is a head that says so or a proven absence, never a
            // gap in a listing; the record goes to the trash, where every revision stays.
            self.step(Action::DeleteLocal, reason)
        } else {
            self.step(Action::Unlink, reason)
        }
    }

    fn drift(&self, kind: ConflictKind, overwrite: impl FnOnce(&Self) -> Decision) -> Decision {
        match self.options.on_drift {
            DriftPolicy::Conflict => self.conflict(kind),
            DriftPolicy::Overwrite => overwrite(self),
        }
    }

    fn propagates(&self) -> bool {
        self.options.deletions == DeletionPolicy::Propagate
    }

    // ---- marks and types -------------------------------------------------------------------

    /// Whether this connection marks secrets at all.
    fn marks(&self) -> bool {
        self.options.annotate && self.options.mode != Mode::Pull
    }

    fn is_ours(&self) -> bool {
        self.facts.remote.and_then(|entry| entry.annotation.instance.as_deref()) == Some(&self.options.instance)
    }

    /// The record that the mark of the secret names.
    fn marked_record(&self) -> Option<RecordId> {
        self.facts.remote.and_then(|entry| entry.annotation.record_id)
    }

    /// Whether the mark of a live secret is missing, or names another type than `incoming` (or
    /// the record's), or another record: one that was renamed away or went to the trash.
    fn needs_mark(&self, incoming: Option<RecordType>) -> bool {
        let wanted = incoming.or(self.facts.local.map(|entry| entry.record_type));
        let marked = self.facts.remote.and_then(|entry| entry.annotation.record_type);
        let names_another = self.facts.local.is_some_and(|entry| self.marked_record() != Some(entry.record_id));
        self.marks() && (!self.is_ours() || marked != wanted || names_another)
    }

    /// Whether a type that was changed in Vault counts here.
    fn listens_to_types(&self) -> bool {
        match self.options.mode {
            Mode::Push => false,
            Mode::Pull => true,
            // Without marks a type that is changed here could never travel, and the old mark would
            // change it back.
            Mode::Bidirectional => self.options.annotate,
        }
    }

    /// The type that the mark names, when it was changed in Vault and not here. Without a base
    /// the record's own type is somebody's choice and stays. A pull never writes marks, so there
    /// the mark that stands counts, whatever the base says.
    fn incoming_type(&self) -> Option<RecordType> {
        let marked = self.facts.remote?.annotation.record_type?;
        let local = self.facts.local?.record_type;
        let counts = self.options.mode == Mode::Pull || self.facts.base.is_some_and(|base| marked != base.record_type);
        (self.listens_to_types() && marked != local && counts && !self.types_collide()).then_some(marked)
    }

    /// Both sides gave the secret another type, and not the same one.
    fn types_collide(&self) -> bool {
        let (Some(base), Some(local), Some(marked)) =
            (self.facts.base, self.facts.local, self.facts.remote.and_then(|entry| entry.annotation.record_type))
        else {
            return false;
        };
        self.options.mode == Mode::Bidirectional
            && self.listens_to_types()
            && local.record_type != base.record_type
            && marked != base.record_type
            && marked != local.record_type
    }

    // ---- building --------------------------------------------------------------------------

    fn changes(&self) -> Vec<FieldChange> {
        match (self.remote_content, self.local_content) {
            (Some(remote), Some(local)) => differences(remote, local),
            _ => Vec::new(),
        }
    }

    fn step(&self, action: Action, reason: Reason) -> Decision {
        let annotate = matches!(action, Action::Adopt { record_type } if self.needs_mark(record_type));
        self.marked(annotate, action, reason, Vec::new())
    }

    fn step_marked_if_needed(&self, action: Action, reason: Reason) -> Decision {
        self.marked(self.needs_mark(None), action, reason, Vec::new())
    }

    fn marked(&self, annotate: bool, action: Action, reason: Reason, fields: Vec<FieldChange>) -> Decision {
        let expect = Expect { local: self.facts.expect_local(), remote: self.facts.expect_remote() };
        Decision::Step(Box::new(Step { path: self.facts.path.clone(), action, reason, expect, fields, annotate }))
    }

    fn conflict(&self, kind: ConflictKind) -> Decision {
        let diverged = match (self.local_content, self.remote_content) {
            (Some(local), Some(remote)) => differences(local, remote).into_iter().map(|change| change.name).collect(),
            _ => Vec::new(),
        };
        Decision::Conflict(Box::new(Conflict {
            path: self.facts.path.clone(),
            kind,
            expect: Expect { local: self.facts.expect_local(), remote: self.facts.expect_remote() },
            record_id: self.facts.record_id(),
            base: self.base_content.cloned(),
            local: self.local_content.cloned(),
            remote: self.facts.remote_live().and(self.remote_content).cloned(),
            diverged,
        }))
    }
}

/// Lists the fields that change on the way from one content to another, by name.
pub(crate) fn differences(from: &Content, to: &Content) -> Vec<FieldChange> {
    let names: BTreeMap<&String, Change> = from
        .iter()
        .filter_map(|(name, value)| match to.get(name) {
            None => Some((name, Change::Removed)),
            Some(other) if other != value => Some((name, Change::Changed)),
            Some(_) => None,
        })
        .chain(to.keys().filter(|name| !from.contains_key(*name)).map(|name| (name, Change::Added)))
        .collect();
    names.into_iter().map(|(name, change)| FieldChange { name: name.clone(), change }).collect()
}

/// Used by the renames: whether a mark is written with a new key.
pub(crate) fn marks(options: &Options) -> bool {
    options.annotate && options.mode != Mode::Pull
}
