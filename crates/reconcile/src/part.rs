//! Parts of a plan: what is left of it after a person leaves steps out, or asks for some paths only. Leaving a
//! step out is always safe, because each step stands for itself. Nothing here ever adds a step.
//!
//! One kind of step depends on another: the deletion of a secret whose record now lives at another path. It is
//! left out together with the write at that path. Otherwise the value would be gone from Vault at the old path
//! before it is there at the new one.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Action, BaseEntry, Deleted, HaltKind, LocalExpect, Options, Plan, RecordId, Restricted, SecretPath, Skip, SkipKind,
    Step, guard::mass_deletion,
};

/// What surrounds a plan when a part of it is taken.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The agreed state of the connection, by path.
    pub base: &'a BTreeMap<SecretPath, BaseEntry>,
    /// The options of the connection.
    pub options: &'a Options,
}

impl Plan {
    /// Returns the first of these paths at which the plan has no step.
    #[must_use]
    pub fn without_step<'a>(&self, paths: impl IntoIterator<Item = &'a SecretPath>) -> Option<&'a SecretPath> {
        let mut paths = paths.into_iter();
        paths.find(|path| !self.steps.iter().any(|step| step.touches(path)))
    }

    /// Leaves out the steps at these paths because a person said so. Each becomes a skip that names the person.
    /// A rename is left out as a whole, whichever of its two paths is named. The deletion budget then counts
    /// what is left. Paths without a step change nothing.
    pub fn leave_out(&mut self, paths: &BTreeSet<SecretPath>, around: Around<'_>, by: &str) {
        let dropped = self.drop_steps(|step| paths.iter().any(|path| step.touches(path)), around.base);
        for step in &dropped {
            let named = paths.iter().any(|path| step.touches(path));
            let reason = if named { "left out of this run" } else { "left out of this run, with its rename" };
            self.skips.push(Skip {
                path: step.path.to_string(),
                reason: reason.to_owned(),
                kind: SkipKind::Unticked,
                accepted_by: Some(by.to_owned()),
            });
        }
        self.skips.sort_by(|one, other| one.path.cmp(&other.path));
        self.count_deletions_again(around);
    }

    /// Reduces the plan to these paths. What it would do elsewhere is counted and not done. Halts that concern
    /// the whole connection stay. The deletion budget counts the deletions at these paths; if a run of the whole
    /// connection would exceed it, [`Restricted::held_elsewhere`] says so.
    pub fn restrict(&mut self, paths: &BTreeSet<SecretPath>, around: Around<'_>) {
        let whole = self.counts();
        let mass = self.halts.iter().find(|halt| halt.kind == HaltKind::MassDeletion).cloned();
        let wanted = |step: &Step| paths.iter().any(|path| step.touches(path));
        self.drop_steps(|step| !wanted(step), around.base);
        self.conflicts.retain(|conflict| paths.contains(&conflict.path));
        self.accepted.retain(|accepted| paths.contains(&accepted.path));
        self.skips.retain(|skip| paths.iter().any(|path| path.as_str() == skip.path));
        self.unchanged =
            paths.iter().filter(|path| self.is_silent_at(path) && around.base.contains_key(*path)).count() as u64;
        let elsewhere = whole.less(&self.counts());
        self.say_where_nothing_is(paths, around.base);
        self.count_deletions_again(around);
        let still = self.halts.iter().any(|halt| halt.kind == HaltKind::MassDeletion);
        let held_elsewhere = mass.filter(|_| !still).into_iter().collect();
        self.restricted = Some(Restricted { paths: paths.iter().cloned().collect(), elsewhere, held_elsewhere });
    }

    /// Adds a skip for each of these paths of which the plan says nothing, because neither side has it: a person named it.
    pub fn say_where_nothing_is(&mut self, paths: &BTreeSet<SecretPath>, base: &BTreeMap<SecretPath, BaseEntry>) {
        let unknown = paths.iter().filter(|path| self.is_silent_at(path) && !base.contains_key(*path));
        let unknown: Vec<Skip> = unknown.map(nothing_there).collect();
        self.skips.extend(unknown);
        self.skips.sort_by(|one, other| one.path.cmp(&other.path));
    }

    /// Drops steps, and returns them. The deletion at the old path of a record goes with the write of that
    /// record at its new path.
    fn drop_steps(&mut self, out: impl Fn(&Step) -> bool, base: &BTreeMap<SecretPath, BaseEntry>) -> Vec<Step> {
        let unwritten: BTreeSet<RecordId> = self.steps.iter().filter(|step| out(step)).filter_map(written).collect();
        let orphaned = |step: &Step| {
            let deletes = matches!(step.action, Action::DeleteRemote { .. });
            deletes && base.get(&step.path).is_some_and(|base| unwritten.contains(&base.record_id))
        };
        let (dropped, kept) = self.steps.drain(..).partition(|step| out(step) || orphaned(step));
        self.steps = kept;
        let paths: BTreeSet<&SecretPath> = self.steps.iter().map(|step| &step.path).collect();
        self.kept_first.retain(|path, _| paths.contains(path));
        dropped
    }

    fn is_silent_at(&self, path: &SecretPath) -> bool {
        !self.steps.iter().any(|step| step.touches(path))
            && !self.conflicts.iter().any(|conflict| conflict.path == *path)
            && !self.accepted.iter().any(|accepted| accepted.path == *path)
            && !self.skips.iter().any(|skip| skip.path == path.as_str())
    }

    /// Judges the deletion budget for the steps of a plan that a person put together.
    pub fn judge_deletions(&mut self, around: Around<'_>) {
        self.halts.retain(|halt| halt.kind != HaltKind::MassDeletion);
        self.halts.extend(mass_deletion(around.base.len() as u64, Deleted::default(), around.options, &self.steps));
        self.halts.sort_by_key(|halt| halt.kind);
    }

    /// Judges the deletion budget for the steps that are left. A plan that did not halt for it does not begin to.
    fn count_deletions_again(&mut self, Around { base, options }: Around<'_>) {
        let Some(at) = self.halts.iter().position(|halt| halt.kind == HaltKind::MassDeletion) else { return };
        let base = if self.base_set_aside { 0 } else { base.len() as u64 };
        match mass_deletion(base, Deleted::default(), options, &self.steps) {
            Some(halt) => self.halts[at] = halt,
            None => drop(self.halts.remove(at)),
        }
    }
}

impl Step {
    /// Returns whether the step is at this path, or moves or copies from it.
    #[must_use]
    pub fn touches(&self, path: &SecretPath) -> bool {
        match &self.action {
            Action::MoveRemote { from, .. } | Action::CopyLocal { from } => *from == *path || self.path == *path,
            _ => self.path == *path,
        }
    }
}

/// Returns the record whose value a step writes to Vault.
fn written(step: &Step) -> Option<RecordId> {
    match step.expect.local {
        LocalExpect::Live { record_id, .. } if step.action.writes_remote() => Some(record_id),
        LocalExpect::Live { .. } | LocalExpect::Absent => None,
    }
}

fn nothing_there(path: &SecretPath) -> Skip {
    Skip {
        path: path.to_string(),
        reason: "neither side has it, or it is not for this connection".to_owned(),
        kind: SkipKind::Passing,
        accepted_by: None,
    }
}
