//! Outcomes with their guards, revisions, bases and audit entries.

use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{Accepted, BaseEntry, Mode, RecordId, RecordType, Revision};
use vaultterm_sync::{BaseChange, Committed, Journal, LocalChange, Origin, Outcome, Surroundings};

use super::{Desk, base, base_of, begin, commit, fields, live, outcome, revision, synced, value};
use crate::world::at;

fn create(path: &str, record_id: RecordId) -> Outcome {
    Outcome {
        local: LocalChange::Create { record_id, record_type: RecordType::KeyValue, fields: fields("imported") },
        base: BaseChange::Set(base(record_id, 7)),
        ..outcome(path)
    }
}

fn update<D: Desk>(desk: &D, path: &str, record_id: RecordId, expect: u64) -> Outcome {
    let (expect, record_type) = (Revision(expect), RecordType::Password);
    let origin = Origin::Remote(desk.connection_id());
    Outcome {
        local: LocalChange::Update { record_id, expect, record_type, fields: fields("updated"), origin },
        base: BaseChange::Set(base(record_id, expect.0 + 1)),
        ..outcome(path)
    }
}

fn new_id() -> RecordId {
    RecordId(vaultterm_sync::new_id())
}

/// The journal sets the revision of the base, whatever revision the engine wrote into it.
pub async fn a_created_record_is_its_bases_revision<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = new_id();
    assert_eq!(commit(journal, run, create("x", record_id)).await, Committed::Done(Some(Revision(1))));
    assert_eq!(live(journal, desk, "x").await, Some((record_id, 1)));
    assert_eq!(base_of(journal, desk, "x").await, Some(base(record_id, 1)));
    assert_eq!(revision(journal, record_id, 1).await, Some(value("imported")));
    assert_eq!(revision(journal, record_id, 2).await, None);
}

/// The record is not created if another client created a record at the path first.
pub async fn a_record_is_not_created_where_one_lives<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("mine")).await;
    assert_eq!(commit(journal, run, create("x", new_id())).await, Committed::Stale);
    assert_eq!(live(journal, desk, "x").await, Some((record_id, 1)));
    assert_eq!(base_of(journal, desk, "x").await, None);
}

/// It must be the current revision, and neither an older nor a newer one.
pub async fn an_update_needs_its_revision<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    desk.save(&at("x"), RecordType::KeyValue, value("2")).await;
    for expect in [1, 3] {
        assert_eq!(commit(journal, run, update(desk, "x", record_id, expect)).await, Committed::Stale);
    }
    assert_eq!(base_of(journal, desk, "x").await, None);
    assert_eq!(commit(journal, run, update(desk, "x", record_id, 2)).await, Committed::Done(Some(Revision(3))));
    let stored = journal.fields(record_id, Revision(3)).await.expect("the journal answers").expect("it exists");
    assert_eq!((stored.fields.expose(), stored.record_type), (&value("updated"), RecordType::Password));
    for (number, text) in [(1, "1"), (2, "2")] {
        assert_eq!(revision(journal, record_id, number).await, Some(value(text)), "every revision is kept");
    }
}

/// Those that do not exist are left out, and each belongs to its own key.
pub async fn several_revisions_are_read_at_once<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let mut wanted = vec![(new_id(), Revision(1))];
    for path in ["x", "y", "z"] {
        let record_id = desk.save(&at(path), RecordType::KeyValue, value(path)).await;
        desk.save(&at(path), RecordType::KeyValue, value("2")).await;
        wanted.extend([(record_id, Revision(1)), (record_id, Revision(3))]);
    }
    assert!(journal.fields_of(&[]).await.expect("the journal answers").is_empty());
    let found = journal.fields_of(&wanted).await.expect("the journal answers");
    let held: Vec<_> = [1, 3, 5].map(|at| found[&wanted[at]].fields.expose().clone()).into();
    assert_eq!(held, [value("x"), value("y"), value("z")]);
    assert_eq!(found.len(), 3, "one revision for each record");
}

/// They are what the whole base and the whole local side show at the paths, and of the records at any path.
pub async fn what_surrounds_paths_and_records_is_read<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    for path in ["stays", "moves", "goes", "other"] {
        let record_id = desk.save(&at(path), RecordType::KeyValue, value(path)).await;
        let base = BaseChange::Set(base(record_id, 1));
        assert_eq!(commit(journal, run, Outcome { base, ..outcome(path) }).await, Committed::Done(None));
    }
    desk.rename(&at("moves"), &at("moved")).await;
    desk.trash(&at("goes")).await;
    desk.save(&at("goes"), RecordType::KeyValue, value("again")).await;
    desk.trash(&at("goes")).await;
    let (id, _) = live(journal, desk, "moved").await.expect("it lives at the new path");
    let (connection, _) = journal.connection(desk.connection_id()).await.expect("an answer").expect("it exists");
    let whole_base = journal.base(connection.id).await.expect("the journal answers");
    let whole = journal.local_snapshot(connection.collection_id).await.expect("the journal answers");
    let of = async |paths: &[&str], records: &[RecordId]| {
        let (paths, records) = (paths.iter().map(|path| at(path)).collect(), records.iter().copied().collect());
        journal.surroundings(&connection, &paths, &records).await.expect("the journal answers")
    };

    assert_eq!(of(&[], &[]).await, Surroundings { based: 4, ..Surroundings::default() });
    let found = of(&["stays", "goes", "nowhere"], &[id, new_id()]).await;
    assert_eq!(found.based, 4);
    assert_eq!(found.base.keys().collect::<Vec<_>>(), [&at("goes"), &at("moves"), &at("stays")]);
    assert!(found.base.iter().all(|(path, entry)| whole_base[path] == *entry));
    assert_eq!(found.local.live.keys().collect::<Vec<_>>(), [&at("moved"), &at("stays")]);
    assert!(found.local.live.iter().all(|(path, entry)| whole.live[path] == *entry));
    assert_eq!(found.local.trashed, whole.trashed, "the newest record that was trashed there");
    let trashed = whole.trashed[&at("goes")].record_id;
    assert!(of(&[], &[trashed]).await.local.trashed.is_empty(), "its path was not asked for");
}

/// An update does not follow a record that was renamed meanwhile, and does not change a record in the trash.
pub async fn an_update_needs_its_path<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    desk.rename(&at("x"), &at("y")).await;
    let (_, now) = live(journal, desk, "y").await.expect("it lives at the new path");
    assert_eq!(commit(journal, run, update(desk, "x", record_id, now)).await, Committed::Stale);
    desk.trash(&at("y")).await;
    assert_eq!(commit(journal, run, update(desk, "y", record_id, now)).await, Committed::Stale);
    assert_eq!(revision(journal, record_id, now + 1).await.filter(|found| *found == value("updated")), None);
}

/// All of this happens in one transaction with the base.
pub async fn a_rebase_makes_two_revisions_and_the_base_names_the_first<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("mine")).await;
    let rebase = |expect| Outcome {
        local: LocalChange::Rebase {
            record_id,
            expect: Revision(expect),
            remote: fields("theirs"),
            record_type: RecordType::KeyValue,
            fields: fields("merged"),
            origin: Origin::Merge(desk.connection_id()),
        },
        base: BaseChange::Set(base(record_id, expect + 1)),
        ..outcome("x")
    };
    assert_eq!(commit(journal, run, rebase(2)).await, Committed::Stale);
    assert_eq!(commit(journal, run, rebase(1)).await, Committed::Done(Some(Revision(3))));
    for (number, text) in [(1, "mine"), (2, "theirs"), (3, "merged")] {
        assert_eq!(revision(journal, record_id, number).await, Some(value(text)));
    }
    assert_eq!(base_of(journal, desk, "x").await, Some(base(record_id, 2)));
    assert_eq!(live(journal, desk, "x").await, Some((record_id, 3)));
}

/// The oldest version comes first, the former content of the record comes last, and the base stays.
pub async fn kept_versions_become_revisions_below_what_the_record_holds<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("mine")).await;
    commit(journal, run, Outcome { base: BaseChange::Set(base(record_id, 1)), ..outcome("x") }).await;
    let keep = |expect| Outcome {
        local: LocalChange::Archive {
            record_id,
            expect: Revision(expect),
            older: vec![fields("first"), fields("second")],
            record_type: RecordType::KeyValue,
            fields: fields("mine"),
        },
        ..outcome("x")
    };
    assert_eq!(commit(journal, run, keep(2)).await, Committed::Stale);
    assert_eq!(commit(journal, run, keep(1)).await, Committed::Done(Some(Revision(4))));
    for (number, text) in [(1, "mine"), (2, "first"), (3, "second"), (4, "mine")] {
        assert_eq!(revision(journal, record_id, number).await, Some(value(text)));
    }
    assert_eq!(base_of(journal, desk, "x").await, Some(base(record_id, 1)));
    assert_eq!(live(journal, desk, "x").await, Some((record_id, 4)));
}

/// The record comes back as a new revision with the given values.
pub async fn a_trashed_record_keeps_its_revisions_and_comes_back<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let trash = |expect| Outcome {
        local: LocalChange::Trash { record_id, expect: Revision(expect) },
        base: BaseChange::Remove,
        ..outcome("x")
    };
    assert_eq!(commit(journal, run, trash(2)).await, Committed::Stale);
    assert!(matches!(commit(journal, run, trash(1)).await, Committed::Done(_)));
    assert_eq!(live(journal, desk, "x").await, None);
    let snapshot = journal.local_snapshot(desk.collection_id()).await.expect("the journal answers");
    let trashed = snapshot.trashed.get(&at("x")).expect("it is in the trash");
    assert_eq!(trashed.record_id, record_id);
    assert_eq!(revision(journal, record_id, 1).await, Some(value("1")));

    let restore = Outcome {
        local: LocalChange::Restore { record_id, record_type: RecordType::EnvVar, fields: fields("back") },
        base: BaseChange::Set(base(record_id, 1)),
        ..outcome("x")
    };
    let Committed::Done(Some(back)) = commit(journal, run, restore).await else { panic!("it comes back") };
    assert!(back > trashed.revision);
    assert_eq!(live(journal, desk, "x").await, Some((record_id, back.0)));
    assert_eq!(base_of(journal, desk, "x").await, Some(base(record_id, back.0)));
    assert_eq!(revision(journal, record_id, back.0).await, Some(value("back")));
}

/// The trashed record stays in the trash if a live record has the path.
pub async fn a_record_does_not_come_back_where_another_lives<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    desk.trash(&at("x")).await;
    let other = desk.save(&at("x"), RecordType::KeyValue, value("another")).await;
    assert_ne!(other, record_id);
    let restore = Outcome {
        local: LocalChange::Restore { record_id, record_type: RecordType::KeyValue, fields: fields("back") },
        base: BaseChange::Set(base(record_id, 1)),
        ..outcome("x")
    };
    assert_eq!(commit(journal, run, restore).await, Committed::Stale);
    assert_eq!(live(journal, desk, "x").await, Some((other, 1)));
}

/// A record that lives, or that never existed, does not come back.
pub async fn a_record_comes_back_only_from_the_trash_and_only_at_its_path<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let restore = |path| Outcome {
        local: LocalChange::Restore { record_id, record_type: RecordType::KeyValue, fields: fields("back") },
        base: BaseChange::Set(base(record_id, 1)),
        ..outcome(path)
    };
    assert_eq!(commit(journal, run, restore("y")).await, Committed::Stale, "it lives");
    desk.trash(&at("x")).await;
    assert_eq!(commit(journal, run, restore("y")).await, Committed::Stale, "it was trashed elsewhere");
    assert_eq!(live(journal, desk, "x").await.or(live(journal, desk, "y").await), None);
    assert!(matches!(commit(journal, run, restore("x")).await, Committed::Done(_)));
}

/// An outcome with a base for a missing revision is not recorded.
pub async fn a_base_names_a_revision_that_exists<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    for (record_id, number, there) in [(record_id, 2, false), (new_id(), 1, false), (record_id, 1, true)] {
        let set = Outcome { base: BaseChange::Set(base(record_id, number)), ..outcome("x") };
        let committed = commit(journal, run, set).await;
        assert_eq!(committed != Committed::Stale, there);
        assert_eq!(base_of(journal, desk, "x").await.is_some(), there);
    }
    let whole = BaseEntry {
        expires: Some(vaultterm_reconcile::UnixNanos(1_893_456_000_987_654_321)),
        link: vaultterm_reconcile::Link::RemoteGone,
        record_type: RecordType::Totp,
        held_since: vaultterm_reconcile::Version(7),
        ..base(record_id, 1)
    };
    commit(journal, run, Outcome { base: BaseChange::Set(whole.clone()), ..outcome("x") }).await;
    assert_eq!(base_of(journal, desk, "x").await, Some(whole), "every part of a base comes back, to the nanosecond");
    let difference = |remote| Accepted {
        local: Revision(1),
        remote: Revision(remote),
        agreed: true,
        mode: Mode::Pull,
        reopened: false,
        by: "ada@example.com".to_owned(),
        at: vaultterm_reconcile::UnixNanos(1_893_456_000_987_654_321),
    };
    let accepted = |remote| BaseEntry { accepted: Some(difference(remote)), ..base(record_id, 1) };
    let set = |remote| Outcome { base: BaseChange::Set(accepted(remote)), ..outcome("x") };
    assert_eq!(commit(journal, run, set(9)).await, Committed::Stale, "both accepted revisions exist");
    commit(journal, run, set(1)).await;
    assert_eq!(base_of(journal, desk, "x").await, Some(accepted(1)), "with every part of an accepted difference");
    commit(journal, run, Outcome { base: BaseChange::Set(base(record_id, 1)), ..outcome("x") }).await;
    assert_eq!(base_of(journal, desk, "x").await, Some(base(record_id, 1)), "which ends with the next base");
}

/// The base describes what was written, and not what the record holds by now.
pub async fn a_base_of_what_was_written_remotely_survives_a_later_edit<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    desk.save(&at("x"), RecordType::KeyValue, value("2")).await;
    let set = Outcome { base: BaseChange::Set(base(record_id, 1)), ..outcome("x") };
    assert!(matches!(commit(journal, run, set).await, Committed::Done(_)));
    assert_eq!(base_of(journal, desk, "x").await, Some(base(record_id, 1)));
}

/// The new base is set and the old one is removed. Until then two bases may name the same record.
pub async fn a_move_changes_both_bases_at_once<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("old"), RecordType::KeyValue, value("1")).await;
    let set = |path, base_removed| Outcome { base: BaseChange::Set(base(record_id, 1)), base_removed, ..outcome(path) };
    commit(journal, run, set("old", None)).await;
    desk.rename(&at("old"), &at("new")).await;
    commit(journal, run, set("new", None)).await;
    let paths = |base: std::collections::BTreeMap<_, _>| base.into_keys().collect::<Vec<_>>();
    let both = journal.base(desk.connection_id()).await.expect("the journal answers");
    assert_eq!(paths(both), [at("new"), at("old")]);
    commit(journal, run, set("new", Some(at("old")))).await;
    let one = journal.base(desk.connection_id()).await.expect("the journal answers");
    assert_eq!(paths(one), [at("new")]);
}

/// The answers are in the order of the outcomes.
pub async fn a_stale_outcome_stops_no_other<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let (lease, run_id) = begin(journal, desk).await;
    let record_id = desk.save(&at("b"), RecordType::KeyValue, value("1")).await;
    let outcomes =
        vec![create("a", new_id()), update(desk, "b", record_id, 9), create("b", new_id()), create("c", new_id())];
    let committed = journal.commit(lease, run_id, outcomes).await.expect("the journal answers");
    let first = Committed::Done(Some(Revision(1)));
    assert_eq!(committed, [first, Committed::Stale, Committed::Stale, first]);
    let snapshot = journal.local_snapshot(desk.collection_id()).await.expect("the journal answers");
    assert_eq!(snapshot.live.into_keys().collect::<Vec<_>>(), [at("a"), at("b"), at("c")]);
}

/// A stale outcome leaves no trace.
pub async fn what_travelled_is_audited_with_what_it_changed<J: Journal, D: Desk>(journal: &J, desk: &D) {
    let run = begin(journal, desk).await;
    let record_id = desk.save(&at("x"), RecordType::KeyValue, value("1")).await;
    let before = desk.audited().await.len();
    let audited = |expect| Outcome { audit: Some(synced(record_id)), ..update(desk, "x", record_id, expect) };
    assert_eq!(commit(journal, run, audited(9)).await, Committed::Stale);
    assert_eq!(desk.audited().await.len(), before);
    commit(journal, run, audited(1)).await;
    let news = desk.audited().await.split_off(before);
    assert_eq!(news.iter().filter(|action| **action == AuditAction::HcvSecretSynced).count(), 1, "{news:?}");
}
