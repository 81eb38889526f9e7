//! A path with its contents, reduced to what matters, and the outcomes that can be decided for it.
//! `decide.rs` chooses among them.

use std::collections::BTreeMap;

use crate::{
    Accepted, AcceptedContents, Action, BaseEntry, Change, Conflict, ConflictKind, Content, DeletionPolicy,
    DriftPolicy, Expect, FieldChange, InitialPolicy, Mode, Options, Reason, RecordId, RecordType, Step,
    classify::{Facts, LocalSince, RemoteSince},
    input::Input,
};

/// The decision for a path.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The path does not concern this connection.
    Nothing,
    /// In step.
    Unchanged,
    /// The sides differ, and a person accepted that.
    Accepted(Box<Accepted>),
    Step(Box<Step>),
    Conflict(Box<Conflict>),
    Skip(String),
}

/// The local side after reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    Absent,
    New,
    Same,
    Changed,
    Deleted,
}

/// The remote side after reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remote {
    Vacant,
    New,
    Same,
    Changed,
    Deleted,
    Expired,
}

/// A path with its contents.
pub(crate) struct Case<'a> {
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) options: &'a Options,
    pub(crate) local: Local,
    pub(crate) remote: Remote,
    /// The difference that a person accepted here.
    pub(crate) accepted: Option<&'a Accepted>,
    /// The contents of the two sides at that time. They are known if a side moved or the mode changed.
    pub(crate) was: Option<&'a AcceptedContents>,
    /// The content on which both sides agreed, if they ever did.
    pub(crate) base_content: Option<&'a Content>,
    pub(crate) local_content: Option<&'a Content>,
    pub(crate) remote_content: Option<&'a Content>,
    /// Whether a side changed its revision or version without changing the content. The base must follow
    /// then.
    pub(crate) moved: bool,
}

impl<'a> Case<'a> {
    /// Reduces the facts. The error says why the contents are not available.
    pub(crate) fn of(facts: &'a Facts<'a>, input: &Input<'a>) -> Result<Self, String> {
        let accepted = facts.accepted();
        let was = accepted.and_then(|_| input.accepted_contents.get(facts.path));
        let agreed = facts.base.filter(|base| base.is_agreed());
        let base_content = agreed.and_then(|_| input.base_contents.get(facts.path));
        let local_content = match facts.local_since {
            LocalSince::Same if accepted.is_some() => was.map(|was| &was.local),
            LocalSince::Same => base_content,
            LocalSince::New | LocalSince::Changed => input.local_contents.get(facts.path),
            LocalSince::Absent | LocalSince::Deleted => None,
        };
        let remote_content = match (facts.remote_since, input.remote_contents.get(facts.path)) {
            (_, Some(Err(reason))) => return Err(reason.clone()),
            (RemoteSince::Same, _) if accepted.is_some() => was.map(|was| &was.remote),
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
            accepted,
            was,
            base_content,
            local_content,
            remote_content,
            moved: false,
        };
        case.check_contents()?;
        case.reduce();
        Ok(case)
    }

    /// Returns an error if a comparison below lacks its contents. The path then waits.
    fn check_contents(&self) -> Result<(), String> {
        let needs_local = self.local == Local::Changed || (self.local == Local::New && self.remote == Remote::New);
        let needs_remote = self.remote == Remote::Changed || (self.local == Local::New && self.remote == Remote::New);
        let touched = !self.facts.is_untouched(self.options);
        if self.accepted.is_some() && touched && self.was.is_none() {
            return Err("the values that a person accepted are not in the local history".to_owned());
        }
        let agreed = self.facts.base.is_some_and(BaseEntry::is_agreed);
        if agreed && touched && self.base_content.is_none() {
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

    /// Drops an edit that ends with the content at which it began. Only the base follows.
    fn reduce(&mut self) {
        let Some(base) = self.facts.base else { return };
        if self.was.is_some() {
            return self.count_accepted_sides_as_changed();
        }
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
        // An undelete may have set another `deletion_time` on the same version. The base must store it.
        // Otherwise the expiry would look like a deletion by a person.
        if let Some((_, expires)) = self.facts.remote_live()
            && self.remote == Remote::Same
            && expires != base.expires
        {
            self.moved = true;
        }
    }

    /// Lets the sides of an accepted difference count as changed. Such a difference is judged as a whole
    /// (`accepted.rs`). If one of its sides is gone, the other side is not a state on which both agreed.
    fn count_accepted_sides_as_changed(&mut self) {
        if self.local == Local::Same {
            self.local = Local::Changed;
        }
        if self.remote == Remote::Same {
            self.remote = Remote::Changed;
        }
    }

    // ---- single outcomes -------------------------------------------------------------------

    /// Decides a path that both sides have and that was never in step.
    pub(crate) fn first_meeting(&self) -> Verdict {
        if self.local_content == self.remote_content {
            return self.adopt();
        }
        match (self.options.initial, self.options.mode) {
            // A pull never writes to Vault, whatever side is preferred.
            (InitialPolicy::PreferLocal, Mode::Push | Mode::Bidirectional) => {
                self.overwrite_remote(Reason::InitialPreference)
            }
            (InitialPolicy::PreferRemote, _) => self.write_local(Reason::InitialPreference),
            _ => self.conflict(ConflictKind::NoBase),
        }
    }

    pub(crate) fn create_remote(&self, reason: Reason) -> Verdict {
        let action = Action::CreateRemote { cas: self.facts.cas(), key_created: self.facts.key_created() };
        self.marked(self.marks(), action, reason, Vec::new())
    }

    pub(crate) fn create_local(&self, reason: Reason) -> Verdict {
        let action = Action::CreateLocal {
            restores: self.facts.trashed.map(|entry| entry.record_id),
            record_type: self.facts.remote.and_then(|entry| entry.mark.record_type),
        };
        // The new record has its own id. A record that comes out of the trash keeps its id.
        let comes_back = self.facts.trashed.map(|entry| entry.record_id);
        let named = self.is_ours() && comes_back.is_some() && self.marked_record() == comes_back;
        let annotate = self.marks() && self.options.mode == Mode::Bidirectional && !named;
        self.marked(annotate, action, reason, Vec::new())
    }

    /// Writes the record over a secret that did not change. Local history contains the replaced value.
    pub(crate) fn write_remote(&self) -> Verdict {
        if self.types_collide() {
            return self.conflict(ConflictKind::TypeChanged);
        }
        if self.local_content == self.base_content {
            return self.step_marked_if_needed(Action::Adopt { record_type: None }, Reason::TypeChanged);
        }
        match self.base_content {
            Some(base) => self.write_remote_over(base, Reason::ChangedLocally),
            None => Verdict::Skip("the revision both sides agreed on is not in the local history".to_owned()),
        }
    }

    pub(crate) fn write_remote_over(&self, replaced: &Content, reason: Reason) -> Verdict {
        // Local history contains the remote content if it is that of the base.
        let archive = Some(replaced) != self.base_content;
        let action = Action::UpdateRemote { cas: self.facts.cas(), archive };
        let fields = self.local_content.map(|local| differences(replaced, local)).unwrap_or_default();
        self.marked(self.needs_mark(None), action, reason, fields)
    }

    /// Writes the record over a secret whose value is not in local history. The value is kept there before it
    /// is replaced.
    pub(crate) fn overwrite_remote(&self, reason: Reason) -> Verdict {
        let action = Action::UpdateRemote { cas: self.facts.cas(), archive: true };
        self.marked(self.needs_mark(None), action, reason, self.changes())
    }

    pub(crate) fn write_local(&self, reason: Reason) -> Verdict {
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

    pub(crate) fn adopt(&self) -> Verdict {
        let record_type = self.incoming_type();
        self.marked(self.needs_mark(record_type), Action::Adopt { record_type }, Reason::EqualOnBothSides, Vec::new())
    }

    /// Decides a path whose record is in the trash with all its revisions.
    pub(crate) fn deleted_locally(&self) -> Verdict {
        if self.propagates() {
            // The deletion is safe because the secret is exactly in the agreed state (`Remote::Same`). Local
            // history contains its value, and only the version that was seen is deleted, recoverably.
            self.step(Action::DeleteRemote { version: self.facts.cas() }, Reason::DeletedLocally)
        } else {
            self.step(Action::Unlink, Reason::DeletedLocally)
        }
    }

    /// Decides a path whose secret is proven to be deleted, while the record is exactly in the agreed state.
    pub(crate) fn deleted_remotely(&self) -> Verdict {
        let reason = if self.remote == Remote::Expired { Reason::Expired } else { Reason::DeletedRemotely };
        if self.propagates() {
            // The deletion is safe because `Remote::Deleted` means a deleted head or a proven absence, and
            // never a gap in a listing. The record goes to the trash, where all its revisions stay.
            self.step(Action::DeleteLocal, reason)
        } else {
            self.step(Action::Unlink, reason)
        }
    }

    pub(crate) fn drift(&self, kind: ConflictKind, overwrite: impl FnOnce(&Self) -> Verdict) -> Verdict {
        match self.options.on_drift {
            DriftPolicy::Conflict => self.conflict(kind),
            DriftPolicy::Overwrite => overwrite(self),
        }
    }

    pub(crate) fn propagates(&self) -> bool {
        self.options.deletions == DeletionPolicy::Propagate
    }

    // ---- marks and types -------------------------------------------------------------------

    /// Returns whether this connection marks secrets at all.
    pub(crate) fn marks(&self) -> bool {
        self.options.marks()
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.facts.remote.and_then(|entry| entry.mark.instance.as_deref()) == Some(&self.options.instance)
    }

    /// Returns the record that the mark of the secret names.
    fn marked_record(&self) -> Option<RecordId> {
        self.facts.remote.and_then(|entry| entry.mark.record_id)
    }

    /// Returns whether the mark of a live secret is missing, or names a type other than `incoming` (or that
    /// of the record), or names another record that was renamed or went to the trash.
    pub(crate) fn needs_mark(&self, incoming: Option<RecordType>) -> bool {
        let wanted = incoming.or(self.facts.local.map(|entry| entry.record_type));
        let marked = self.facts.remote.and_then(|entry| entry.mark.record_type);
        let names_another = self.facts.local.is_some_and(|entry| self.marked_record() != Some(entry.record_id));
        self.marks() && (!self.is_ours() || marked != wanted || names_another)
    }

    /// Returns whether a type that was changed in Vault counts here.
    pub(crate) fn listens_to_types(&self) -> bool {
        match self.options.mode {
            Mode::Push => false,
            Mode::Pull => true,
            // Without marks a type that is changed here could not be carried to Vault, and the old mark would
            // change it back.
            Mode::Bidirectional => self.options.annotate,
        }
    }

    /// Returns the type that the mark names, if it was changed in Vault and not here. Without a base the
    /// record keeps its type, because a person chose it. A pull never writes marks, so there the existing
    /// mark counts, whatever the base says.
    pub(crate) fn incoming_type(&self) -> Option<RecordType> {
        let marked = self.facts.remote?.mark.record_type?;
        let local = self.facts.local?.record_type;
        let counts = self.options.mode == Mode::Pull || self.facts.base.is_some_and(|base| marked != base.record_type);
        (self.listens_to_types() && marked != local && counts && !self.types_collide()).then_some(marked)
    }

    /// Returns whether both sides changed the type to different ones.
    pub(crate) fn types_collide(&self) -> bool {
        let (Some(base), Some(local), Some(marked)) =
            (self.facts.base, self.facts.local, self.facts.remote.and_then(|entry| entry.mark.record_type))
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

    pub(crate) fn changes(&self) -> Vec<FieldChange> {
        match (self.remote_content, self.local_content) {
            (Some(remote), Some(local)) => differences(remote, local),
            _ => Vec::new(),
        }
    }

    pub(crate) fn step(&self, action: Action, reason: Reason) -> Verdict {
        let annotate = matches!(action, Action::Adopt { record_type } if self.needs_mark(record_type));
        self.marked(annotate, action, reason, Vec::new())
    }

    pub(crate) fn step_marked_if_needed(&self, action: Action, reason: Reason) -> Verdict {
        self.marked(self.needs_mark(None), action, reason, Vec::new())
    }

    pub(crate) fn marked(&self, annotate: bool, action: Action, reason: Reason, fields: Vec<FieldChange>) -> Verdict {
        let expect = Expect { local: self.facts.expect_local(), remote: self.facts.expect_remote() };
        Verdict::Step(Box::new(Step { path: self.facts.path.clone(), action, reason, expect, fields, annotate }))
    }

    pub(crate) fn conflict(&self, kind: ConflictKind) -> Verdict {
        let diverged = match (self.local_content, self.remote_content) {
            (Some(local), Some(remote)) => differences(local, remote).into_iter().map(|change| change.name).collect(),
            _ => Vec::new(),
        };
        Verdict::Conflict(Box::new(Conflict {
            path: self.facts.path.clone(),
            kind,
            expect: Expect { local: self.facts.expect_local(), remote: self.facts.expect_remote() },
            record_id: self.facts.record_id(),
            base: self.base_content.cloned(),
            local: self.local_content.cloned(),
            remote: self.facts.remote_live().and(self.remote_content).cloned(),
            diverged,
            remote_writer: None,
        }))
    }
}

/// Returns the fields that change between two contents, sorted by name.
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
