//! Tests what a person's decision on a conflict does: every choice × every state × every mode.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod world;

use std::collections::BTreeMap;

use vaultterm_reconcile::{
    Action, Choice, Conflict, ConflictKind, Content, Expect, LocalExpect, Mode, NotResolvable, Options, RecordType,
    RemoteExpect, RemoteStamp, Resolving, Revision, Side, Step, UnixNanos, Version, resolution,
};
use world::{HERE, content, id, path};

const STAMP: RemoteStamp =
    RemoteStamp { key_created: UnixNanos(1), version: Version(3), version_created: UnixNanos(3) };
const LOCAL: LocalExpect = LocalExpect::Live { record_id: id_one(), revision: Revision(4) };
const REMOTE: RemoteExpect = RemoteExpect::Live { stamp: STAMP, expires: None };
const DELETED: RemoteExpect = RemoteExpect::Deleted { stamp: STAMP };

const fn id_one() -> vaultterm_reconcile::RecordId {
    vaultterm_reconcile::RecordId(uuid::Uuid::from_u128(1))
}

/// Returns a conflict between two states. If both are live, their contents differ.
fn conflict(local: LocalExpect, remote: RemoteExpect) -> Conflict {
    let live = |is: bool, value| is.then(|| content(value, 0));
    Conflict {
        path: path("p"),
        kind: ConflictKind::BothChanged,
        expect: Expect { local, remote },
        record_id: Some(id(7)),
        base: None,
        local: live(local != LocalExpect::Absent, 1),
        remote: live(matches!(remote, RemoteExpect::Live { .. }), 2),
        diverged: Vec::new(),
        remote_writer: None,
    }
}

fn decide(conflict: &Conflict, options: &Options, choice: &Choice) -> Result<Vec<Step>, NotResolvable> {
    let (record_type, remote_type) = (RecordType::Password, Some(RecordType::ApiKey));
    resolution(&Resolving { conflict, options, record_type, remote_type }, choice)
}

/// Returns the only step of a decision, and whether it marks the secret.
fn only(conflict: &Conflict, mode: Mode, choice: &Choice) -> (Action, bool) {
    let mut steps = decide(conflict, &Options::defaults(mode, HERE), choice).unwrap();
    assert_eq!(steps.len(), 1, "{steps:?}");
    let step = steps.remove(0);
    assert_eq!((&step.path, step.expect), (&conflict.path, conflict.expect), "it holds for the states that were seen");
    (step.action, step.annotate)
}

const WRITING: [Mode; 2] = [Mode::Bidirectional, Mode::Push];

#[test]
fn keep_local_writes_the_secret_and_keeps_what_it_held() {
    for mode in WRITING {
        let found = only(&conflict(LOCAL, REMOTE), mode, &Choice::KeepLocal);
        assert_eq!(found, (Action::UpdateRemote { cas: Version(3), archive: true }, true));
        let found = only(&conflict(LOCAL, DELETED), mode, &Choice::KeepLocal);
        assert_eq!(found, (Action::CreateRemote { cas: Version(3), key_created: Some(UnixNanos(1)) }, true));
        let found = only(&conflict(LOCAL, RemoteExpect::Absent), mode, &Choice::KeepLocal);
        assert_eq!(found, (Action::CreateRemote { cas: Version::NONE, key_created: None }, true));
    }
}

#[test]
fn keep_local_of_a_deleted_record_deletes_the_version_that_was_seen() {
    for mode in WRITING {
        let found = only(&conflict(LocalExpect::Absent, REMOTE), mode, &Choice::KeepLocal);
        assert_eq!(found, (Action::DeleteRemote { version: Version(3) }, false));
    }
}

#[test]
fn keep_local_in_a_pull_writes_nothing_to_vault() {
    let keep = |local, remote| only(&conflict(local, remote), Mode::Pull, &Choice::KeepLocal);
    assert_eq!(keep(LOCAL, REMOTE), (Action::Accept, false));
    assert_eq!(keep(LOCAL, DELETED), (Action::Unlink, false));
    assert_eq!(keep(LocalExpect::Absent, REMOTE), (Action::Unlink, false));
}

#[test]
fn keep_remote_writes_imports_or_trashes_the_record_and_in_a_push_leaves_both_sides_different() {
    for (mode, marks) in [(Mode::Bidirectional, true), (Mode::Push, true), (Mode::Pull, false)] {
        let keep = |local, remote| only(&conflict(local, remote), mode, &Choice::KeepRemote);
        let record_type = Some(RecordType::ApiKey);
        let both_live = if mode == Mode::Push { Action::Accept } else { Action::UpdateLocal { record_type } };
        assert_eq!(keep(LOCAL, REMOTE), (both_live, marks));
        let import = Action::CreateLocal { restores: Some(id(7)), record_type };
        assert_eq!(keep(LocalExpect::Absent, REMOTE), (import, marks));
        assert_eq!(keep(LOCAL, DELETED), (Action::DeleteLocal, false));
    }
}

#[test]
fn the_type_that_stays_is_not_written() {
    let conflict = conflict(LOCAL, REMOTE);
    let options = Options::defaults(Mode::Bidirectional, HERE);
    let (record_type, remote_type) = (RecordType::Password, Some(RecordType::Password));
    let resolving = Resolving { conflict: &conflict, options: &options, record_type, remote_type };
    let steps = resolution(&resolving, &Choice::KeepRemote).unwrap();
    assert_eq!(steps[0].action, Action::UpdateLocal { record_type: None });
}

#[test]
fn sides_that_became_equal_are_adopted_whatever_was_chosen() {
    for mode in Mode::ALL {
        let equal = Conflict { remote: Some(content(1, 0)), ..conflict(LOCAL, REMOTE) };
        let (keep_local, _) = only(&equal, *mode, &Choice::KeepLocal);
        assert_eq!(keep_local, Action::Adopt { record_type: None });
        let (keep_remote, _) = only(&equal, *mode, &Choice::KeepRemote);
        assert_eq!(keep_remote, Action::Adopt { record_type: Some(RecordType::ApiKey) });
    }
}

#[test]
fn contents_that_nobody_could_read_are_not_equal() {
    let unread = Conflict { local: None, remote: None, ..conflict(LOCAL, REMOTE) };
    let (keep_local, _) = only(&unread, Mode::Push, &Choice::KeepLocal);
    assert_eq!(keep_local, Action::UpdateRemote { cas: Version(3), archive: true });
    let (keep_remote, _) = only(&unread, Mode::Bidirectional, &Choice::KeepRemote);
    assert_eq!(keep_remote, Action::UpdateLocal { record_type: Some(RecordType::ApiKey) });
}

#[test]
fn two_sides_that_are_gone_are_forgotten() {
    for choice in [Choice::KeepLocal, Choice::KeepRemote] {
        let (action, marks) = only(&conflict(LocalExpect::Absent, DELETED), Mode::Bidirectional, &choice);
        assert_eq!((action, marks), (Action::Forget, false));
    }
}

#[test]
fn keep_both_first_copies_the_secret_and_then_keeps_the_record() {
    let steps =
        decide(&conflict(LOCAL, REMOTE), &Options::defaults(Mode::Bidirectional, HERE), &Choice::KeepBoth(path("q")))
            .unwrap();
    let [copy, keep] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((copy.path.as_str(), &copy.action), ("q", &Action::CopyLocal { from: path("p") }));
    assert_eq!((copy.expect.local, copy.annotate), (LocalExpect::Absent, false));
    assert_eq!(keep.action, Action::UpdateRemote { cas: Version(3), archive: true });
}

#[test]
fn keep_both_and_merge_need_two_live_sides() {
    let merge = Choice::Merge(BTreeMap::from([("a".to_owned(), Side::Local)]));
    for (local, remote) in [(LOCAL, DELETED), (LocalExpect::Absent, REMOTE), (LocalExpect::Absent, DELETED)] {
        for choice in [&merge, &Choice::KeepBoth(path("q"))] {
            let found = decide(&conflict(local, remote), &Options::defaults(Mode::Bidirectional, HERE), choice);
            assert_eq!(found, Err(NotResolvable::OneSideDeleted));
        }
    }
}

#[test]
fn a_merge_writes_the_chosen_fields_with_the_version_that_was_seen() {
    let fields = BTreeMap::from([("a".to_owned(), Side::Remote), ("b".to_owned(), Side::Given)]);
    for mode in WRITING {
        let found = only(&conflict(LOCAL, REMOTE), mode, &Choice::Merge(fields.clone()));
        let merge = Action::Merge { fields: fields.clone(), record_type: RecordType::Password, cas: Version(3) };
        assert_eq!(found, (merge, true));
    }
    let pull = Options::defaults(Mode::Pull, HERE);
    let found = decide(&conflict(LOCAL, REMOTE), &pull, &Choice::Merge(fields));
    assert_eq!(found, Err(NotResolvable::PullWritesNothing));
}

#[test]
fn a_merge_that_leaves_no_field_is_refused() {
    let options = Options::defaults(Mode::Bidirectional, HERE);
    let empty = Conflict { local: Some(Content::new()), remote: None, ..conflict(LOCAL, REMOTE) };
    let found = decide(&empty, &options, &Choice::Merge(BTreeMap::new()));
    assert_eq!(found, Err(NotResolvable::NoFields));
}

#[test]
fn without_marks_a_decision_marks_nothing() {
    let options = Options { annotate: false, ..Options::defaults(Mode::Bidirectional, HERE) };
    let steps = decide(&conflict(LOCAL, REMOTE), &options, &Choice::KeepLocal).unwrap();
    assert!(!steps[0].annotate);
}
