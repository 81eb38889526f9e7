//! The description of a plan: its counts, names and reasons.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_reconcile::{
    Action, BaseEntry, Conflict, ConflictKind, Counts, Expect, HaltKind, Link, LocalExpect, Plan, Reason, RecordType,
    RemoteExpect, RemoteStamp, Revision, Skip, SkipKind, Step, UnixNanos, Version,
};
use world::{id, path};

const STAMP: RemoteStamp =
    RemoteStamp { key_created: UnixNanos(1), version: Version(1), version_created: UnixNanos(1) };

/// Returns every action with its counts.
fn actions() -> Vec<(Action, Counts)> {
    let none = Counts::default();
    let from_base = BaseEntry {
        record_id: id(1),
        revision: Revision::FIRST,
        record_type: RecordType::KeyValue,
        stamp: STAMP,
        expires: None,
        link: Link::Linked,
        held_since: Version(1),
        accepted: None,
    };
    let (cas, key_created, record_type) = (Version(1), None, RecordType::KeyValue);
    vec![
        (Action::CreateRemote { cas, key_created }, Counts { created_remote: 1, ..none }),
        (Action::UpdateRemote { cas, archive: false }, Counts { updated_remote: 1, ..none }),
        (
            Action::MoveRemote { from: path("o"), from_base: Box::new(from_base), cas, key_created },
            Counts { updated_remote: 1, ..none },
        ),
        (Action::DeleteRemote { version: cas }, Counts { deleted_remote: 1, ..none }),
        (Action::CreateLocal { restores: None, record_type: None }, Counts { created_local: 1, ..none }),
        (Action::CopyLocal { from: path("o") }, Counts { created_local: 1, ..none }),
        (Action::UpdateLocal { record_type: None }, Counts { updated_local: 1, ..none }),
        (Action::DeleteLocal, Counts { deleted_local: 1, ..none }),
        (
            Action::Merge { fields: BTreeMap::new(), record_type, cas },
            Counts { updated_remote: 1, updated_local: 1, ..none },
        ),
        (Action::Adopt { record_type: None }, Counts { adopted: 1, ..none }),
        (Action::Accept, Counts { adopted: 1, ..none }),
        (Action::KeepAccepted, Counts { adopted: 1, ..none }),
        (Action::Forget, Counts { adopted: 1, ..none }),
        (Action::Unlink, Counts { adopted: 1, ..none }),
    ]
}

fn step(action: Action) -> Step {
    let expect = Expect { local: LocalExpect::Absent, remote: RemoteExpect::Absent };
    Step { path: path("p"), action, reason: Reason::Resolved, expect, fields: Vec::new(), annotate: false }
}

#[test]
fn each_action_counts_as_what_it_does_and_twice_as_two() {
    for (action, once) in actions() {
        let plan = Plan { steps: vec![step(action.clone())], ..Plan::default() };
        assert_eq!(plan.counts(), once, "{action:?}");
        let mut counts = once;
        counts.count(&action);
        let double = |count: u64| 2 * count;
        let twice = Counts {
            created_remote: double(once.created_remote),
            updated_remote: double(once.updated_remote),
            deleted_remote: double(once.deleted_remote),
            created_local: double(once.created_local),
            updated_local: double(once.updated_local),
            deleted_local: double(once.deleted_local),
            adopted: double(once.adopted),
            ..once
        };
        assert_eq!(counts, twice, "{action:?}");
    }
}

#[test]
fn what_is_in_step_in_conflict_or_skipped_is_counted_too() {
    let conflict = Conflict {
        path: path("c"),
        kind: ConflictKind::NoBase,
        expect: Expect { local: LocalExpect::Absent, remote: RemoteExpect::Absent },
        record_id: None,
        base: None,
        local: None,
        remote: None,
        diverged: Vec::new(),
        remote_writer: None,
    };
    let skip = Skip { path: "s".to_owned(), reason: "denied".to_owned(), kind: SkipKind::Passing, accepted_by: None };
    let plan = Plan { conflicts: vec![conflict], skips: vec![skip.clone(), skip], unchanged: 3, ..Plan::default() };
    assert_eq!(plan.counts(), Counts { unchanged: 3, conflicts: 1, skipped: 2, ..Counts::default() });
}

#[test]
fn what_changes_vault_is_what_writes_deletes_or_marks_there() {
    for (action, counts) in actions() {
        let writes = counts.created_remote + counts.updated_remote > 0;
        assert_eq!(action.writes_remote(), writes, "{action:?}");
        let changes = writes || counts.deleted_remote > 0;
        assert_eq!(step(action.clone()).changes_remote(), changes, "{action:?}");
        assert!(Step { annotate: true, ..step(action) }.changes_remote());
    }
}

#[test]
fn every_action_conflict_halt_and_reason_has_a_name_of_its_own() {
    let actions: BTreeSet<_> = actions().iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(actions.len(), 14);
    let conflicts: BTreeSet<_> = ConflictKind::NAMES.iter().collect();
    assert_eq!(conflicts.len(), ConflictKind::ALL.len());
    let halts: BTreeSet<_> = HaltKind::NAMES.iter().collect();
    assert_eq!(halts.len(), HaltKind::ALL.len());

    use Reason::{
        ChangedLocally, ChangedOnBothSidesApart, ChangedRemotely, DeletedLocally, DeletedOnBothSides, DeletedRemotely,
        DriftOverwritten, EqualOnBothSides, Expired, InitialPreference, NewLocally, NewRemotely, Renamed, Resolved,
        StillAccepted, TypeChanged,
    };
    let reasons = [
        NewLocally,
        NewRemotely,
        ChangedLocally,
        ChangedRemotely,
        ChangedOnBothSidesApart,
        EqualOnBothSides,
        DeletedLocally,
        DeletedRemotely,
        DeletedOnBothSides,
        Expired,
        Renamed,
        TypeChanged,
        DriftOverwritten,
        InitialPreference,
        Resolved,
        StillAccepted,
    ];
    let sentences: BTreeSet<_> = reasons.into_iter().map(Reason::sentence).collect();
    assert_eq!(sentences.len(), reasons.len());
    assert!(sentences.iter().all(|sentence| sentence.split(' ').count() >= 3), "{sentences:?}");
}

#[test]
fn versions_and_revisions_count_upwards() {
    assert_eq!((Version::NONE.next(), Version(7).next()), (Version(1), Version(8)));
    assert_eq!((Revision::FIRST.next(), Revision(7).next()), (Revision(2), Revision(8)));
}

#[test]
fn a_version_runs_out_at_whole_seconds_after_it_was_made_and_not_at_once() {
    let second = 1_000_000_000;
    for (deletion, runs_out) in
        [(1 + second, true), (1 + 30 * second, true), (1, false), (2, false), (second, false), (1 - second, false)]
    {
        assert_eq!(STAMP.runs_out_at(UnixNanos(deletion)), runs_out, "{deletion}");
    }
}
