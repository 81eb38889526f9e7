//! Tests of changes of records.

use serde_json::json;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{Mode, RecordId, RecordType, Revision};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{RevisionOrigin, RunState, Trigger};

use crate::{
    ErrorClass, NewRecord, Page, RecordPatch, StoreError,
    sql::args,
    testing::{House, at, fields, new_record},
};

async fn shown(house: &House, id: RecordId, revision: Option<u64>) -> String {
    let revision = revision.map(Revision);
    let shown = house.store.reveal_record(&house.ann(), id, revision, None, None, crate::Proving::Fresh).await.unwrap();
    String::from_utf8(shown.to_json().expose().to_vec()).unwrap()
}

#[tokio::test]
async fn a_live_path_is_taken_and_a_trashed_one_is_not() {
    let house = House::new().await;
    let first = house.save("a/b", json!({"x": 1})).await.unwrap();
    assert_eq!(house.save("a/b", json!({"x": 2})).await.unwrap_err().to_string(), "record `a/b` exists already");
    house.save("a", json!({"x": 3})).await.unwrap();
    house.store.trash_record(&house.ann(), first.id, Some(Revision(1))).await.unwrap();
    let second = house.save("a/b", json!({"x": 4})).await.unwrap();
    let restored = house.store.restore_record(&house.ann(), first.id, None).await.unwrap_err();
    assert_eq!(restored.class(), ErrorClass::Exists);
    let found = house.store.record_by_path(house.collection, &at("a/b")).await.unwrap().unwrap();
    assert_eq!(found.id, second.id);
}

#[tokio::test]
async fn every_revision_is_kept() {
    let house = House::new().await;
    let record = house.save("db", json!({"user": "a", "password": "one", "old": true})).await.unwrap();
    let patch = RecordPatch {
        fields: Some(fields(json!({"password": "two"}))),
        remove_fields: vec!["old".to_owned(), "never was".to_owned()],
        record_type: Some(RecordType::Password),
        ..RecordPatch::default()
    };
    let record = house.store.update_record(&house.ann(), record.id, Revision(1), patch).await.unwrap();
    assert_eq!((record.revision, record.record_type), (Revision(2), RecordType::Password));
    assert_eq!(record.field_names, ["password", "user"]);
    assert_eq!(shown(&house, record.id, None).await, r#"{"password":"two","user":"a"}"#);
    assert_eq!(shown(&house, record.id, Some(1)).await, r#"{"old":true,"password":"one","user":"a"}"#);

    let restored = house.store.restore_record(&house.ann(), record.id, Some(Revision(1))).await.unwrap();
    assert_eq!((restored.revision, restored.record_type), (Revision(3), RecordType::KeyValue));
    assert_eq!(shown(&house, record.id, None).await, shown(&house, record.id, Some(1)).await);
    let revisions = house.store.revisions(record.id, &Page { limit: 2, cursor: None }).await.unwrap();
    assert_eq!(revisions.items.iter().map(|info| info.revision.0).collect::<Vec<_>>(), [3, 2]);
    let page = Page { limit: 2, cursor: revisions.next_cursor };
    let oldest = house.store.revisions(record.id, &page).await.unwrap();
    assert_eq!((oldest.items[0].revision, oldest.items[0].origin), (Revision(1), RevisionOrigin::Person));
    assert_eq!((oldest.items[0].actor.as_str(), oldest.next_cursor), ("ann@example.com", None));
}

#[tokio::test]
async fn a_patch_that_changes_nothing_is_no_revision() {
    let house = House::new().await;
    let record = house.save("db", json!({"n": 1, "o": {"a": 1, "b": 2}})).await.unwrap();
    let patch = RecordPatch {
        fields: Some(fields(json!({"n": 1.0, "o": {"b": 2, "a": 1}}))),
        path: Some(at("db")),
        tags: Some(Vec::new()),
        ..RecordPatch::default()
    };
    let same = house.store.update_record(&house.ann(), record.id, Revision(1), patch).await.unwrap();
    assert_eq!(same.revision, Revision(1));
    assert!(!house.audited().await.contains(&AuditAction::RecordUpdated));
}

#[tokio::test]
async fn an_update_on_an_old_revision_changes_nothing() {
    let house = House::new().await;
    let record = house.save("db", json!({"x": 1})).await.unwrap();
    let patch = |x: i32| RecordPatch { fields: Some(fields(json!({ "x": x }))), ..RecordPatch::default() };
    house.store.update_record(&house.ann(), record.id, Revision(1), patch(2)).await.unwrap();
    let stale = house.store.update_record(&house.ann(), record.id, Revision(1), patch(3)).await.unwrap_err();
    assert!(matches!(stale, StoreError::Stale { what: "record", current: 2, expected: 1 }));
    let stale = house.store.trash_record(&house.ann(), record.id, Some(Revision(1))).await.unwrap_err();
    assert_eq!(stale.class(), ErrorClass::Stale);
    assert_eq!(shown(&house, record.id, None).await, r#"{"x":2}"#);
}

#[tokio::test]
async fn a_trashed_record_comes_back_as_a_new_revision() {
    let house = House::new().await;
    let record = house.save("db", json!({"x": 1})).await.unwrap();
    let trashed = house.store.trash_record(&house.ann(), record.id, None).await.unwrap();
    assert!(trashed.deleted_us.is_some());
    let refused = [
        house.store.trash_record(&house.ann(), record.id, None).await,
        house.store.update_record(&house.ann(), record.id, Revision(1), RecordPatch::default()).await,
    ];
    for error in refused {
        assert_eq!(error.unwrap_err().class(), ErrorClass::Refused);
    }
    let restored = house.store.restore_record(&house.ann(), record.id, None).await.unwrap();
    assert_eq!((restored.revision, restored.deleted_us), (Revision(2), None));
    assert_eq!(shown(&house, record.id, None).await, r#"{"x":1}"#);
}

#[tokio::test]
async fn a_rename_is_a_revision_and_respects_taken_paths() {
    let house = House::new().await;
    let record = house.save("a", json!({"x": 1})).await.unwrap();
    house.save("b", json!({"x": 2})).await.unwrap();
    let to = |path: &str| RecordPatch { path: Some(at(path)), ..RecordPatch::default() };
    let taken = house.store.update_record(&house.ann(), record.id, Revision(1), to("b")).await.unwrap_err();
    assert_eq!(taken.class(), ErrorClass::Exists);
    let renamed = house.store.update_record(&house.ann(), record.id, Revision(1), to("c")).await.unwrap();
    assert_eq!((renamed.path.as_str(), renamed.revision), ("c", Revision(2)));
    assert_eq!(shown(&house, record.id, None).await, r#"{"x":1}"#);
}

#[tokio::test]
async fn a_patch_cannot_grow_a_record_beyond_its_limits() {
    let house = House::new().await;
    let record = house.save("a", json!({"x": "y".repeat(500_000)})).await.unwrap();
    let patch = RecordPatch { fields: Some(fields(json!({"z": "y".repeat(500_000)}))), ..RecordPatch::default() };
    let refused = house.store.update_record(&house.ann(), record.id, Revision(1), patch).await.unwrap_err();
    assert!(matches!(refused, StoreError::Fields(_)), "{refused}");
}

#[tokio::test]
async fn a_secret_that_was_pulled_stays_editable_whatever_its_names_and_size() {
    let house = House::new().await;
    let connection = house.connect("vault", Mode::Pull, "team").await.unwrap();
    let long = "n".repeat(150);
    for (at, name) in ["", "a\u{1}b", "a\nb", long.as_str(), "a b"].into_iter().enumerate() {
        let values = [(name.to_owned(), json!("x".repeat(600_000))), ("user".to_owned(), json!("ann"))];
        let run = house.begin(connection.id, Trigger::Manual).await;
        let values = SecretFields::from_trusted(values.into());
        let id = house.import_fields(&run, &format!("odd/{at}"), values).await;
        house.end(run, RunState::Succeeded).await;
        let patch = async |revision: u64, values: serde_json::Value, remove: &[&str]| {
            let patch = RecordPatch {
                fields: Some(SecretFields::parse_patch(values.to_string().as_bytes()).unwrap()),
                remove_fields: remove.iter().map(|name| (*name).to_owned()).collect(),
                ..RecordPatch::default()
            };
            house.store.update_record(&house.ann(), id, Revision(revision), patch).await
        };
        patch(1, json!({"user": "anna"}), &[]).await.unwrap();
        patch(2, json!({name: "y".repeat(600_020)}), &[]).await.unwrap();
        let error = patch(3, json!({"new\u{1}": 1}), &[]).await.unwrap_err();
        assert!(error.to_string().contains(r"new\u{1}"), "{error}");
        let to = RecordPatch { path: Some(crate::testing::at(&format!("moved/{at}"))), ..RecordPatch::default() };
        house.store.update_record(&house.ann(), id, Revision(3), to).await.unwrap();
        let named = [name.to_owned()];
        house.store.reveal_record(&house.ann(), id, None, Some(&named), None, crate::Proving::Fresh).await.unwrap();
        house.store.trash_record(&house.ann(), id, None).await.unwrap();
        house.store.restore_record(&house.ann(), id, None).await.unwrap();
        patch(5, json!({}), &[name]).await.unwrap();
        assert_eq!(shown(&house, id, None).await, r#"{"user":"anna"}"#);
        if !name.is_empty() && name != "a b" {
            patch(6, json!({name: 1}), &[]).await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn odd_labels_are_refused() {
    let house = House::new().await;
    for tag in ["", "a\nb", &"x".repeat(65)] {
        let new = NewRecord { tags: vec![tag.to_owned()], ..new_record("a", json!({})) };
        let refused = house.store.create_record(&house.ann(), house.collection, new).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Invalid);
    }
}

#[tokio::test]
async fn a_reveal_shows_what_was_asked_for_or_nothing() {
    let house = House::new().await;
    let record = house.save("a", json!({"x": 1, "y": 2})).await.unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let reveal = async |names: Vec<String>| {
        house
            .store
            .reveal_record(&house.ann(), record.id, None, Some(&names), Some("on call"), crate::Proving::Fresh)
            .await
    };
    assert_eq!(reveal(names(&["y"])).await.unwrap().to_json().expose(), br#"{"y":2}"#);
    assert_eq!(reveal(names(&["y", "z"])).await.unwrap_err().class(), ErrorClass::Invalid);
    let revealed = house.audited().await.iter().filter(|action| **action == AuditAction::RecordRevealed).count();
    assert_eq!(revealed, 1);
}

#[tokio::test]
async fn nothing_is_revealed_that_cannot_be_audited() {
    let house = House::new().await;
    let record = house.save("a", json!({"x": 1})).await.unwrap();
    let mut tx = house.store.db.write().await.unwrap();
    tx.run("ALTER TABLE audit RENAME TO gone", args![]).await.unwrap();
    tx.commit().await.unwrap();
    let revealed = house.store.reveal_record(&house.ann(), record.id, None, None, None, crate::Proving::Fresh).await;
    assert_eq!(revealed.unwrap_err().class(), ErrorClass::Internal);
    let injected = house.store.inject_record(&house.ann(), record.id, None, Some("psql"), None).await;
    assert_eq!(injected.unwrap_err().class(), ErrorClass::Internal);
    let updated = house.store.trash_record(&house.ann(), record.id, None).await;
    assert_eq!(updated.unwrap_err().class(), ErrorClass::Internal);
    assert!(house.store.record(record.id).await.unwrap().unwrap().deleted_us.is_none());
}

#[tokio::test]
async fn a_ciphertext_of_another_record_or_revision_does_not_open() {
    let house = House::new().await;
    let one = house.save("one", json!({"x": 1})).await.unwrap();
    let two = house.save("two", json!({"x": 2})).await.unwrap();
    let patch = RecordPatch { fields: Some(fields(json!({"x": 3}))), ..RecordPatch::default() };
    house.store.update_record(&house.ann(), one.id, Revision(1), patch).await.unwrap();
    let verdict = house.store.verify_revisions().await.unwrap();
    assert_eq!((verdict.open, verdict.damaged), (3, 0));
    let copy = "UPDATE revisions SET (key_id, wrapped_key, ciphertext) =
                    (SELECT o.key_id, o.wrapped_key, o.ciphertext FROM revisions o
                     WHERE o.record_id = $1 AND o.revision = $2)
                WHERE record_id = $3 AND revision = $4";
    for (from, to) in [((two.id, 1_u64), (one.id, 2_u64)), ((one.id, 1), (one.id, 2))] {
        let mut tx = house.store.db.write().await.unwrap();
        assert_eq!(tx.run(copy, args![from.0, from.1, to.0, to.1]).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let error =
            house.store.reveal_record(&house.ann(), to.0, None, None, None, crate::Proving::Fresh).await.unwrap_err();
        assert!(matches!(error, StoreError::Sealing(_)), "{error}");
    }
    let verdict = house.store.verify_revisions().await.unwrap();
    assert_eq!((verdict.open, verdict.damaged), (2, 1));
    assert_eq!(verdict.examples, ["infra/one, revision 2"]);
}

#[tokio::test]
async fn a_record_that_asks_again_shows_nothing_without_a_fresh_proof_and_programs_get_it_as_before() {
    use crate::Proving::{Fresh, Stale};
    let house = House::new().await;
    let new = NewRecord { ask_again: true, ..new_record("a", json!({"x": "hunter2"})) };
    let record = house.store.create_record(&house.ann(), house.collection, new).await.unwrap();
    let (store, ann) = (&house.store, house.ann());
    let before = house.audited().await.len();
    let refused = store.reveal_record(&ann, record.id, None, None, None, Stale).await.unwrap_err();
    assert!(matches!(refused, StoreError::AskAgain { collection } if collection == house.collection), "{refused}");
    assert_eq!(house.audited().await.len(), before, "nothing was shown");
    store.reveal_record(&ann, record.id, None, None, None, Fresh).await.unwrap();
    store.inject_record(&ann, record.id, None, None, None).await.unwrap();
    // The mark is a setting: a change of it is a revision, and it stays through other changes, the trash and a restore.
    let patch = RecordPatch { fields: Some(fields(json!({"x": 3}))), ..RecordPatch::default() };
    store.update_record(&ann, record.id, Revision(1), patch).await.unwrap();
    store.trash_record(&ann, record.id, None).await.unwrap();
    let back = store.restore_record(&ann, record.id, Some(Revision(1))).await.unwrap();
    assert!(back.ask_again);
    let patch = RecordPatch { ask_again: Some(false), ..RecordPatch::default() };
    let after = store.update_record(&ann, record.id, back.revision, patch).await.unwrap();
    assert_eq!((after.ask_again, after.revision), (false, back.revision.next()));
    store.reveal_record(&ann, record.id, None, None, None, Stale).await.unwrap();
    let page = Page { limit: 500, cursor: None };
    let events = store.audit_events(&crate::AuditFilter::default(), &page).await.unwrap().items;
    let changed = events.iter().filter_map(|event| event.entry.draft.detail.get("changed"));
    assert_eq!(changed.cloned().collect::<Vec<_>>(), ["fields", "ask_again"]);
}

#[tokio::test]
async fn many_records_are_shown_together_each_audited_and_one_for_programs_keeps_its_values() {
    use crate::Proving::{Fresh, Stale};
    let house = House::new().await;
    let open = house.save("a", json!({"x": 1})).await.unwrap();
    let new = NewRecord { inject_only: true, ..new_record("b", json!({"x": 2})) };
    let hidden = house.store.create_record(&house.ann(), house.collection, new).await.unwrap();
    let new = NewRecord { ask_again: true, ..new_record("c", json!({"x": 3})) };
    let asks = house.store.create_record(&house.ann(), house.collection, new).await.unwrap();
    let ids = [open.id, hidden.id, asks.id];
    let before = house.audited().await.len();
    let refused = house.store.reveal_records(&house.ann(), &ids, None, Stale).await.unwrap_err();
    assert!(matches!(refused, StoreError::AskAgain { .. }), "{refused}");
    assert_eq!(house.audited().await.len(), before, "all or nothing");
    let shown = house.store.reveal_records(&house.ann(), &ids, Some("audit"), Fresh).await.unwrap();
    let values: Vec<_> = shown.iter().map(|(_, fields)| fields.as_ref().map(SecretFields::to_json)).collect();
    let texts: Vec<_> = values.iter().map(|json| json.as_ref().map(|json| json.expose().to_vec())).collect();
    assert_eq!(texts, [Some(br#"{"x":1}"#.to_vec()), None, Some(br#"{"x":3}"#.to_vec())]);
    assert_eq!(house.audited().await[before..], [AuditAction::RecordRevealed; 2]);
}
