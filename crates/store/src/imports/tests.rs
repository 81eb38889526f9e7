//! Imports in the database: kept, committed whole or not at all, undone.

use std::{collections::BTreeSet, sync::Mutex};

use serde_json::json;
use vaultterm_exchange::{Format, Past};
use vaultterm_reconcile::{RecordType, Revision, SecretPath};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::Journal as _;

use super::*;
use crate::{
    ErrorClass, Page, RecordFilter, RecordPatch, RecordState,
    testing::{House, NOW_US, at, cut_before_statement, fields},
};

const HOUR_US: i64 = 60 * 60 * 1_000_000;

async fn kept(house: &House) -> Import {
    let parts = vec![(0, SecretBytes::new(b"report".to_vec())), (7, SecretBytes::new(b"items".to_vec()))];
    let (user_id, collection_id) = (house.owner.id, house.collection);
    let new = NewImport { user_id, collection_id, format: Format::BitwardenJson, found: 4, parts };
    house.store.keep_import(&house.ann(), new).await.unwrap()
}

fn create<'a>(path: &str, fields: &'a SecretFields, history: &'a [Past]) -> ImportStep<'a> {
    ImportStep::Create {
        path: at(path),
        record_type: RecordType::Password,
        fields,
        tags: &[],
        ask_again: false,
        is_trashed: false,
        history,
        created_us: None,
        updated_us: None,
        source: Some(format!("id of {path}")),
    }
}

const COUNTS: StepCounts = StepCounts { created: 2, updated: 1, skipped: 1, refused: 0 };

async fn commit(house: &House, import: &Import, steps: &[ImportStep<'_>]) -> Result<(), StoreError> {
    commit_with(house, import, steps, &|_| {}).await
}

async fn commit_with(
    house: &House,
    import: &Import,
    steps: &[ImportStep<'_>],
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), StoreError> {
    let bytes = SecretBytes::new(b"fates".to_vec());
    let told = ImportOutcome { counts: COUNTS, part: 1, bytes: &bytes };
    house.store.commit_import(&house.ann(), import.id, steps, told, progress).await
}

async fn paths(house: &House, state: RecordState) -> Vec<(String, u64)> {
    let filter = RecordFilter { state, ..RecordFilter::default() };
    let listed = house.store.records(house.collection, &filter, &Page::default()).await.unwrap().items;
    listed.iter().map(|record| (record.path.as_str().to_owned(), record.revision.0)).collect()
}

async fn value(house: &House, path: &str, revision: u64) -> String {
    let record = house.store.record_by_path(house.collection, &at(path)).await.unwrap().unwrap();
    let found = house.store.fields(record.id, Revision(revision)).await.unwrap().unwrap();
    String::from_utf8(found.fields.to_json().expose().to_vec()).unwrap()
}

#[tokio::test]
async fn a_file_that_was_read_is_kept_sealed_for_a_week() {
    let house = House::new().await;
    let import = kept(&house).await;
    assert_eq!(house.store.import_part(import.id, 0).await.unwrap().expose(), b"report");
    assert_eq!(house.store.import_part(import.id, 7).await.unwrap().expose(), b"items");
    assert_eq!(house.store.import_part(import.id, 2).await.unwrap_err().class(), ErrorClass::NotFound);
    let last = import.expires_us() - 1;
    assert_eq!(house.store.remove_expired_imports(last).await.unwrap(), 0);
    assert!(house.store.import(import.id, last).await.unwrap().is_some());
    assert!(house.store.import(import.id, last + 1).await.unwrap().is_none());
    assert_eq!(house.store.imports(house.owner.id, last).await.unwrap().len(), 1);
    assert_eq!(house.store.remove_expired_imports(last + 1).await.unwrap(), 1);
    assert_eq!(house.store.import_part(import.id, 0).await.unwrap_err().class(), ErrorClass::NotFound);
}

#[tokio::test]
async fn an_import_makes_records_with_their_histories_and_changes_others_and_can_be_taken_back() {
    let house = House::new().await;
    house.save("known", json!({"username": "ann", "note": "here"})).await.unwrap();
    let known = house.store.record_by_path(house.collection, &at("known")).await.unwrap().unwrap();
    let import = kept(&house).await;
    let (old, new) = (fields(json!({"password": "old"})), fields(json!({"password": "new"})));
    let history = [Past { at_us: Some(NOW_US - HOUR_US), fields: old }];
    let ann = fields(json!({"username": "anna"}));
    let steps = [
        create("mail", &new, &history),
        create("other", &new, &[]),
        ImportStep::Update { record: known.id, revision: Revision(1), fields: &ann, tags: &[], source: None },
    ];
    let told = Mutex::new(Vec::new());
    let progress = |done| told.lock().unwrap().push(done);
    commit_with(&house, &import, &steps, &progress).await.unwrap();
    assert_eq!(*told.lock().unwrap(), [1, 2, 3]);
    assert_eq!(
        paths(&house, RecordState::Live).await,
        [("known".to_owned(), 2), ("mail".to_owned(), 2), ("other".to_owned(), 1)]
    );
    assert_eq!(value(&house, "mail", 1).await, r#"{"password":"old"}"#);
    assert_eq!(value(&house, "mail", 2).await, r#"{"password":"new"}"#);
    assert_eq!(value(&house, "known", 2).await, r#"{"note":"here","username":"anna"}"#);
    let done = house.store.import(import.id, NOW_US).await.unwrap().unwrap();
    assert_eq!((done.state, done.counts), (ImportState::Done, COUNTS));
    assert_eq!(house.store.import_part(import.id, 1).await.unwrap().expose(), b"fates");
    assert_eq!(commit(&house, &import, &[]).await.unwrap_err().class(), ErrorClass::Refused);

    let mail = house.store.record_by_path(house.collection, &at("mail")).await.unwrap().unwrap();
    let patch = RecordPatch { fields: Some(fields(json!({"password": "mine"}))), ..RecordPatch::default() };
    house.store.update_record(&house.ann(), mail.id, Revision(2), patch).await.unwrap();
    let undone = house.store.undo_import(&house.ann(), import.id, &[(known.id, Revision(1))]).await.unwrap();
    assert_eq!(undone, Undone { trashed: 1, restored: 1, kept: 1, in_trash: 0 });
    assert_eq!(paths(&house, RecordState::Live).await, [("known".to_owned(), 3), ("mail".to_owned(), 3)]);
    assert_eq!(value(&house, "known", 3).await, r#"{"note":"here","username":"ann"}"#);
    assert_eq!(paths(&house, RecordState::Trash).await, [("other".to_owned(), 1)]);
    assert_eq!(house.store.undo_import(&house.ann(), import.id, &[]).await.unwrap_err().class(), ErrorClass::Refused);
    assert_eq!(house.store.verify_audit().await.unwrap().broken, None);
}

#[tokio::test]
async fn a_record_that_somebody_changed_after_an_import_did_keeps_its_values_when_that_is_undone() {
    let house = House::new().await;
    let mut changed = Vec::new();
    for name in ["edited", "trashed", "same"] {
        changed.push((house.save(name, json!({"x": 1})).await.unwrap().id, Revision(1)));
    }
    let (import, new) = (kept(&house).await, fields(json!({"x": 2})));
    let update = |(record, revision): &(_, _)| ImportStep::Update {
        record: *record,
        revision: *revision,
        fields: &new,
        tags: &[],
        source: None,
    };
    let mut steps: Vec<_> = changed.iter().map(update).collect();
    let mut bin = create("bin", &new, &[]);
    if let ImportStep::Create { is_trashed, .. } = &mut bin {
        *is_trashed = true;
    }
    steps.push(bin);
    let bytes = SecretBytes::new(b"fates".to_vec());
    let counts = StepCounts { created: 1, updated: 3, skipped: 0, refused: 0 };
    let told = ImportOutcome { counts, part: 1, bytes: &bytes };
    house.store.commit_import(&house.ann(), import.id, &steps, told, &|_| {}).await.unwrap();
    let patch = RecordPatch { fields: Some(fields(json!({"x": 3}))), ..RecordPatch::default() };
    house.store.update_record(&house.ann(), changed[0].0, Revision(2), patch).await.unwrap();
    house.store.trash_record(&house.ann(), changed[1].0, None).await.unwrap();
    let undone = house.store.undo_import(&house.ann(), import.id, &changed).await.unwrap();
    assert_eq!(undone, Undone { trashed: 0, restored: 1, kept: 2, in_trash: 1 });
    assert_eq!(value(&house, "edited", 3).await, r#"{"x":3}"#);
    assert_eq!(value(&house, "same", 3).await, r#"{"x":1}"#);
    assert_eq!(paths(&house, RecordState::Live).await, [("edited".to_owned(), 3), ("same".to_owned(), 3)]);
    assert_eq!(paths(&house, RecordState::Trash).await, [("bin".to_owned(), 1), ("trashed".to_owned(), 2)]);
}

#[tokio::test]
async fn an_import_is_undone_within_a_day_or_not() {
    let house = House::new().await;
    let import = kept(&house).await;
    assert_eq!(house.store.undo_import(&house.ann(), import.id, &[]).await.unwrap_err().class(), ErrorClass::Refused);
    let new = fields(json!({"password": "new"}));
    commit(&house, &import, &[create("mail", &new, &[])]).await.unwrap();
    house.pass(24 * 60 * 60);
    assert_eq!(house.store.undo_import(&house.ann(), import.id, &[]).await.unwrap_err().class(), ErrorClass::Refused);
    assert_eq!(paths(&house, RecordState::Live).await.len(), 1);
}

#[tokio::test]
async fn an_import_that_meets_another_world_than_the_person_saw_stores_nothing() {
    let house = House::new().await;
    let (import, new) = (kept(&house).await, fields(json!({"password": "new"})));
    house.save("mail", json!({"x": 1})).await.unwrap();
    let steps = [create("first", &new, &[]), create("mail", &new, &[])];
    assert_eq!(commit(&house, &import, &steps).await.unwrap_err().class(), ErrorClass::Exists);
    let record = house.store.record_by_path(house.collection, &at("mail")).await.unwrap().unwrap().id;
    let stale = ImportStep::Update { record, revision: Revision(7), fields: &new, tags: &[], source: None };
    let steps = [create("first", &new, &[]), stale];
    assert_eq!(commit(&house, &import, &steps).await.unwrap_err().class(), ErrorClass::Stale);
    assert_eq!(paths(&house, RecordState::Live).await, [("mail".to_owned(), 1)]);
    assert_eq!(house.store.import(import.id, NOW_US).await.unwrap().unwrap().state, ImportState::Reviewed);
}

#[tokio::test]
async fn an_import_that_is_cut_off_before_any_statement_leaves_nothing_or_all() {
    let house = House::new().await;
    let (import, new) = (kept(&house).await, fields(json!({"password": "new"})));
    let steps = [create("a", &new, &[]), create("b", &new, &[])];
    let mut cuts = 0;
    while !cut_before_statement(cuts, async { commit(&house, &import, &steps).await.unwrap() }).await {
        // The answer to the last statement, the commit, may be lost as well.
        let made = paths(&house, RecordState::Live).await.len();
        let state = house.store.import(import.id, NOW_US).await.unwrap().unwrap().state;
        assert!(
            (made, state) == (0, ImportState::Reviewed) || (made, state) == (2, ImportState::Done),
            "{made} records after {cuts} statements"
        );
        if made > 0 {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 6, "{cuts}");
    assert_eq!(paths(&house, RecordState::Live).await.len(), 2);
}

#[tokio::test]
async fn what_an_earlier_import_brought_is_recognised_by_its_id() {
    let house = House::new().await;
    let (import, new) = (kept(&house).await, fields(json!({"password": "new"})));
    commit(&house, &import, &[create("mail", &new, &[])]).await.unwrap();
    house.save("here", json!({"x": 1})).await.unwrap();
    let gone = house.save("gone", json!({"x": 1})).await.unwrap();
    house.store.trash_record(&house.ann(), gone.id, None).await.unwrap();
    let wanted: BTreeSet<SecretPath> = ["here", "gone", "new"].map(at).into();
    let sources = ["id of mail".to_owned(), "id of nothing".to_owned()];
    let world = house.store.import_world(house.collection, &wanted, &sources).await.unwrap();
    assert_eq!(world.taken, ["here", "mail"].map(at).into());
    assert_eq!(world.live.keys().collect::<Vec<_>>(), [&at("here")]);
    assert_eq!(world.trashed.keys().collect::<Vec<_>>(), [&at("gone")]);
    let held = &world.imported["id of mail"];
    assert_eq!((held.path.as_str(), held.fields.to_json().expose()), ("mail", &br#"{"password":"new"}"#[..]));
    assert_eq!((world.imported.len(), world.imported_trashed.len()), (1, 0));
    let mail = house.store.record_by_path(house.collection, &at("mail")).await.unwrap().unwrap();
    house.store.trash_record(&house.ann(), mail.id, None).await.unwrap();
    let world = house.store.import_world(house.collection, &wanted, &sources).await.unwrap();
    assert!(world.imported.is_empty());
    assert_eq!(world.imported_trashed["id of mail"].path.as_str(), "mail");
}

#[tokio::test]
async fn a_record_keeps_the_dates_of_the_other_program_unless_they_lie_ahead() {
    let house = House::new().await;
    let (import, new) = (kept(&house).await, fields(json!({"password": "new"})));
    let dated = |path: &str, made: i64, saved: i64| {
        let mut step = create(path, &new, &[]);
        if let ImportStep::Create { created_us, updated_us, .. } = &mut step {
            (*created_us, *updated_us) = (Some(made), Some(saved));
        }
        step
    };
    let (long_ago, later, ahead) = (NOW_US - 3 * HOUR_US, NOW_US - 2 * HOUR_US, NOW_US + HOUR_US);
    commit(&house, &import, &[dated("old", long_ago, later), dated("odd", ahead, ahead)]).await.unwrap();
    let exported = house.store.exportable(house.collection, None, false).await.unwrap();
    let dates: Vec<_> =
        exported.records.iter().map(|one| (one.path.as_str(), one.created_us, one.updated_us)).collect();
    assert_eq!(dates, [("odd", Some(NOW_US), Some(NOW_US)), ("old", Some(long_ago), Some(later))]);
}
