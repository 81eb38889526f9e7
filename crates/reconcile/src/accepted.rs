//! Differences that a person accepted: *keep local* in a pull, *keep remote* in a push.
//!
//! Both sides are remembered as they were. The acceptance ends with a real change of content on either side,
//! with another mode, or when a person reopens it. It does not end when the same value is written again.
//! After the end, a person decides again. Only if the acceptance ended with a change of content, the options
//! may decide instead and let the authoritative side win.

use crate::{
    Action, ConflictKind, Mode, Reason,
    case::{Case, Verdict},
    classify::{LocalSince, RemoteSince},
};

/// Decides a path with an accepted difference if both sides are still live. Returns `None` for all other
/// paths.
pub(crate) fn accepted_difference(case: &Case<'_>) -> Option<Verdict> {
    let (accepted, base) = (case.accepted?, case.facts.base?);
    let ((_, expires), record) = (case.facts.remote_live()?, case.facts.local?);
    let moved = case.facts.local_since != LocalSince::Same
        || case.facts.remote_since != RemoteSince::Same
        || expires != base.expires;
    let Some(was) = case.was else {
        return Some(go_on(case, moved));
    };
    if case.local_content == case.remote_content {
        return Some(case.adopt());
    }
    let another_record = record.record_id != base.record_id;
    let changed = another_record || case.local_content != Some(&was.local) || case.remote_content != Some(&was.remote);
    if !accepted.holds_in(case.options.mode) {
        let kind = match case.options.mode {
            _ if !accepted.agreed => ConflictKind::NoBase,
            Mode::Bidirectional => ConflictKind::BothChanged,
            Mode::Push | Mode::Pull => ConflictKind::Drift,
        };
        return Some(case.conflict(kind));
    }
    Some(match case.options.mode {
        _ if !changed => go_on(case, moved),
        _ if !accepted.agreed => case.first_meeting(),
        Mode::Push => case.drift(ConflictKind::Drift, |case| case.overwrite_remote(Reason::DriftOverwritten)),
        Mode::Pull => case.drift(ConflictKind::Drift, |case| case.write_local(Reason::DriftOverwritten)),
        Mode::Bidirectional => case.conflict(ConflictKind::BothChanged),
    })
}

/// Keeps the difference. If the same values were written again, the remembered revision and version follow.
fn go_on(case: &Case<'_>, moved: bool) -> Verdict {
    let marks = case.needs_mark(None);
    match case.accepted {
        Some(accepted) if !moved && !marks => Verdict::Accepted(Box::new(accepted.clone())),
        _ => case.marked(marks, Action::KeepAccepted, Reason::StillAccepted, Vec::new()),
    }
}
