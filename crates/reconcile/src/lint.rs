//! A second check of plans, written independently of the planner.
//!
//! Each finding is a sentence. A good plan has no findings. Tests check every plan that they make.

use std::collections::BTreeSet;

use crate::{
    Action, LocalExpect, Mode, Plan, RemoteExpect, RemoteHead, RemoteSight, SecretPath, Step, Version, input::Input,
};

/// Checks a plan against the safety rules. Returns the findings.
#[must_use]
pub fn lint(input: &Input<'_>, plan: &Plan) -> Vec<String> {
    let mut findings = Vec::new();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    for step in &plan.steps {
        let mut say = |what: &str| findings.push(format!("{}: {what} ({})", step.path, step.action.as_str()));
        if !taken.insert(step.path.as_str()) {
            say("two steps at one path");
        }
        if let Action::MoveRemote { from, .. } = &step.action
            && !taken.insert(from.as_str())
        {
            say("moves from a path that another step uses");
        }
        directions(input, step, &mut say);
        expectations(input, step, &mut say);
        deletions(input, step, &mut say);
        accepted(input, step, &mut say);
    }
    for conflict in &plan.conflicts {
        if !taken.insert(conflict.path.as_str()) {
            findings.push(format!("{}: a conflict, and a step or another conflict", conflict.path));
        }
    }
    if !plan.steps.is_sorted_by(|one, other| one.path < other.path)
        || !plan.conflicts.is_sorted_by(|one, other| one.path < other.path)
    {
        findings.push("steps or conflicts are not sorted by path".to_owned());
    }
    if input.scope_changed && !plan.base_set_aside {
        findings.push("the scope changed, and the base counts".to_owned());
    }
    findings
}

fn directions(input: &Input<'_>, step: &Step, say: &mut impl FnMut(&str)) {
    let to_remote = step.action.writes_remote() || matches!(step.action, Action::DeleteRemote { .. }) || step.annotate;
    if input.options.mode == Mode::Pull && to_remote {
        say("a pull writes to Vault");
    }
    let pushed = input.options.mode == Mode::Push
        && matches!(step.action, Action::CreateLocal { .. } | Action::DeleteLocal | Action::Merge { .. });
    if pushed {
        say("a push changes records");
    }
    if !input.options.annotate && step.annotate {
        say("marks a secret although annotate is off");
    }
    if matches!(step.action, Action::Accept | Action::CopyLocal { .. }) {
        say("only a person's decision may do this");
    }
}

fn expectations(input: &Input<'_>, step: &Step, say: &mut impl FnMut(&str)) {
    let live = input.local.live.get(&step.path);
    let expected = match step.expect.local {
        LocalExpect::Absent => None,
        LocalExpect::Live { record_id, revision } => Some((record_id, revision)),
    };
    if live.map(|entry| (entry.record_id, entry.revision)) != expected {
        say("expects another record or revision than is there");
    }
    let (remote, cas) = match input.remote.sights.get(&step.path) {
        Some(RemoteSight::Unreadable(_)) => return say("touches what could not be read"),
        None | Some(RemoteSight::ProvenAbsent) => (RemoteExpect::Absent, Version::NONE),
        Some(RemoteSight::Seen(entry)) => match entry.head {
            RemoteHead::Empty { .. } => (RemoteExpect::Absent, Version::NONE),
            RemoteHead::Live { stamp, expires } => (RemoteExpect::Live { stamp, expires }, stamp.version),
            RemoteHead::Deleted { stamp, .. } => (RemoteExpect::Deleted { stamp }, stamp.version),
        },
    };
    if step.expect.remote != remote {
        say("expects another remote version than was seen");
    }
    let planned = match &step.action {
        Action::CreateRemote { cas, .. }
        | Action::UpdateRemote { cas, .. }
        | Action::Merge { cas, .. }
        | Action::MoveRemote { cas, .. } => *cas,
        Action::DeleteRemote { version } => *version,
        _ => return,
    };
    if planned != cas {
        say("carries another version than was seen");
    }
    let overwrites = matches!(step.action, Action::CreateRemote { .. } | Action::MoveRemote { .. });
    if overwrites && matches!(remote, RemoteExpect::Live { .. }) {
        say("creates over a live secret");
    }
}

/// Checks that a path with an accepted difference stays as it is while neither side is touched.
fn accepted(input: &Input<'_>, step: &Step, say: &mut impl FnMut(&str)) {
    let base = input.base.get(&step.path).filter(|_| !input.scope_changed && input.remote_replaced.is_none());
    let accepted = base.and_then(|base| Some((base, base.accepted.as_ref()?)));
    let Some((base, accepted)) = accepted else {
        if step.action == Action::KeepAccepted {
            say("keeps a difference that nobody accepted");
        }
        return;
    };
    let here = input
        .local
        .live
        .get(&step.path)
        .is_some_and(|entry| entry.record_id == base.record_id && entry.revision == accepted.local);
    let there = matches!(step.expect.remote, RemoteExpect::Live { stamp, .. } if stamp == base.stamp);
    if step.action == Action::KeepAccepted && accepted.reopened {
        say("keeps a difference that a person reopened");
    }
    if here && there && step.action != Action::KeepAccepted {
        say("undoes what a person accepted");
    }
}

fn deletions(input: &Input<'_>, step: &Step, say: &mut impl FnMut(&str)) {
    let sight = |path: &SecretPath| input.remote.sights.get(path);
    match &step.action {
        Action::DeleteLocal => {
            let proven = matches!(
                sight(&step.path),
                Some(
                    RemoteSight::ProvenAbsent
                        | RemoteSight::Seen(crate::RemoteEntry {
                            head: RemoteHead::Deleted { .. } | RemoteHead::Empty { .. },
                            ..
                        })
                )
            );
            if !proven {
                say("deletes a record without proof that the secret is gone");
            }
            if !input.base.contains_key(&step.path) {
                say("deletes a record that was never in step");
            }
        }
        Action::DeleteRemote { .. } => {
            if input.local.live.contains_key(&step.path) {
                say("deletes a secret whose record lives");
            }
            match (input.base.get(&step.path), step.expect.remote) {
                (Some(base), RemoteExpect::Live { stamp, .. }) if base.stamp == stamp => {}
                (Some(_), RemoteExpect::Live { .. }) if input.remote_contents.contains_key(&step.path) => {}
                _ => say("deletes a secret that is not what both sides agreed on"),
            }
        }
        Action::MoveRemote { from, from_base, .. } => {
            let unchanged = matches!(sight(from), Some(RemoteSight::Seen(entry))
                if matches!(entry.head, RemoteHead::Live { stamp, .. } if stamp == from_base.stamp));
            if !unchanged || input.local.live.contains_key(from) {
                say("moves away a secret that changed or whose path has a record");
            }
        }
        _ => {}
    }
}
