//! Renames. A record whose path changed becomes one step, and not a deletion and a creation.

use std::collections::BTreeMap;

use crate::{
    Action, BaseEntry, Expect, Link, Mode, Reason, RecordId, SecretPath, Step,
    classify::{Facts, LocalSince, RemoteSince},
    input::Input,
};

/// The part of a path in a rename.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    /// The new path, with the step of the rename.
    Step(Box<Step>),
    /// The old path. The step at the new path handles it.
    Source,
    /// A rename that cannot be carried out yet. Both copies stay where they are.
    Waits(String),
}

/// Finds the renames. Only a connection that writes to Vault has renames. For a pull, a renamed record is
/// drift at its old path.
///
/// A rename is recognised by the id of the record, and only if nothing contradicts it: the old secret is
/// exactly that of the base, and the new path was never in step. If a record took over the path of another
/// one (swapped names), that counts as an edit at that path, and each value is in the history of its record.
///
/// A rename that was cut off or had to wait leaves the new path in step, and a base at the old path that
/// names the same record. Then only the old secret must be deleted. This is part of the rename, and not a
/// deletion that `retain` forbids.
pub(crate) fn moves(facts: &[Facts<'_>], input: &Input<'_>) -> BTreeMap<SecretPath, Move> {
    let mut moves = BTreeMap::new();
    if input.options.mode == Mode::Pull {
        return moves;
    }
    let by_record: BTreeMap<RecordId, &Facts<'_>> =
        facts.iter().filter_map(|facts| facts.local.map(|entry| (entry.record_id, facts))).collect();
    for old in facts.iter().filter(|facts| facts.local_since == LocalSince::Deleted) {
        // The secret of an accepted difference never had the value of the record, so it is not moved.
        let Some(base) = old.base.filter(|base| base.accepted.is_none()) else { continue };
        let Some(new) = by_record.get(&base.record_id) else { continue };
        if old.foreign_matters(input.options) || new.foreign_matters(input.options) {
            continue;
        }
        if let Some(settled) = new.base {
            if settled.record_id == base.record_id && old.remote_since == RemoteSince::Same {
                moves.insert(old.path.clone(), Move::Step(Box::new(leftover(old, base))));
            }
            continue;
        }
        match (old.remote_since, new.remote_since) {
            (RemoteSince::Same, RemoteSince::Vacant) => {
                moves.insert(new.path.clone(), Move::Step(Box::new(step(old, new, base, input))));
                moves.insert(old.path.clone(), Move::Source);
            }
            (RemoteSince::Same, RemoteSince::New) => {
                // The new path is decided like two sides that meet for the first time. Until that is done,
                // the old secret stays.
                let reason = format!(
                    "renamed to `{}`, where Vault already holds a secret: the old secret stays until both sides agree about the new path",
                    new.path
                );
                moves.insert(old.path.clone(), Move::Waits(reason));
            }
            (RemoteSince::Unlisted | RemoteSince::Unreadable(_), _) => {
                let reason = format!("renamed from `{}`, which cannot be read in Vault", old.path);
                moves.insert(new.path.clone(), Move::Waits(reason));
            }
            (_, RemoteSince::Unreadable(reason)) => {
                moves.insert(old.path.clone(), Move::Waits(format!("renamed to `{}`: {reason}", new.path)));
            }
            // The old secret changed, went back or is gone. Its path is decided as one whose record was
            // deleted, and the new path as a new record.
            _ => {}
        }
    }
    moves
}

/// Returns the step that deletes the old secret. The deletion is safe because the secret is exactly in the
/// agreed state, and its record is in step at another path. Only the version that was seen is deleted,
/// recoverably.
fn leftover(old: &Facts<'_>, base: &BaseEntry) -> Step {
    Step {
        path: old.path.clone(),
        action: Action::DeleteRemote { version: base.stamp.version },
        reason: Reason::Renamed,
        expect: Expect { local: old.expect_local(), remote: old.expect_remote() },
        fields: Vec::new(),
        annotate: false,
    }
}

fn step(old: &Facts<'_>, new: &Facts<'_>, base: &BaseEntry, input: &Input<'_>) -> Step {
    debug_assert_eq!(base.link, Link::Linked);
    Step {
        path: new.path.clone(),
        action: Action::MoveRemote {
            from: old.path.clone(),
            from_base: Box::new(base.clone()),
            cas: new.cas(),
            key_created: new.key_created(),
        },
        reason: Reason::Renamed,
        expect: Expect { local: new.expect_local(), remote: new.expect_remote() },
        fields: Vec::new(),
        annotate: input.options.marks(),
    }
}
