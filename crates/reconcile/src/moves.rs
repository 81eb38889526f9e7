//! Renames: a record whose path changed is one step, not a deletion and a creation.

use std::collections::BTreeMap;

use crate::{
    Action, BaseEntry, Expect, Link, Mode, Reason, RecordId, SecretPath, Step,
    classify::{Facts, LocalSince, RemoteSince},
    input::Input,
};

/// The part a path plays in a rename.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    /// The new path: the step stands here.
    Step(Box<Step>),
    /// The old path: dealt with by the step at the new one.
    Source,
    /// A rename that cannot be carried out yet; both copies stay where they are.
    Waits(String),
}

/// Finds the renames. Only a connection that writes to Vault has any: for a pull a renamed record
/// is drift at its old path.
///
/// A rename is recognised by the record's id, and only where nothing speaks against it: the old
/// secret is exactly the base's, and the new path never was in step. A record that took over the
/// path of another one (swapped names) is an edit at that path, and each value is in its record's
/// history.
///
/// A rename that was cut off, or had to wait, leaves the new path in step and a base at the old
/// one that names the same record: then only the old secret is left to delete. That is the rename's
/// business, not a deletion that `retain` forbids.
pub(crate) fn moves(facts: &[Facts<'_>], input: &Input<'_>) -> BTreeMap<SecretPath, Move> {
    let mut moves = BTreeMap::new();
    if input.options.mode == Mode::Pull {
        return moves;
    }
    let by_record: BTreeMap<RecordId, &Facts<'_>> =
        facts.iter().filter_map(|facts| facts.local.map(|entry| (entry.record_id, facts))).collect();
    for old in facts.iter().filter(|facts| facts.local_since == LocalSince::Deleted) {
        // The secret of an accepted difference never held the record's value: it is not moved away.
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
                // The new path is decided as two sides that meet for the first time. Until that is
                // done, the old secret stays.
                let reason = format!(
                    "renamed to `{}`, where Vault holds a secret already: it stays until that is settled",
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
            // The old secret changed, went back or is gone: its path is decided as one whose record
            // was deleted, the new path as a new record.
            _ => {}
        }
    }
    moves
}

/// Right because the secret is exactly what both sides agreed on, and its record is in step at
/// another path; only the version seen is deleted, recoverably.
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
            from_base: base.clone(),
            cas: new.cas(),
            key_created: new.key_created(),
        },
        reason: Reason::Renamed,
        expect: Expect { local: new.expect_local(), remote: new.expect_remote() },
        fields: Vec::new(),
        annotate: input.options.marks(),
    }
}
