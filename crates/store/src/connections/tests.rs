//! Tests of connections.

use serde_json::json;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::Mode;
use vaultterm_sealing::SecretText;
use vaultterm_sync::{Connection, Credential, Journal as _, RecordSyncState, RunState, Trigger};

use super::{ConnectionUpdate, overlap};
use crate::{
    ErrorClass, Page, StoreError,
    sql::args,
    testing::{House, NOW_US},
};

fn shown(credential: &Credential) -> (&'static str, &str) {
    match credential {
        Credential::SecretId(text) => ("secret_id", text.expose()),
        Credential::WrappingToken(text) => ("wrapping_token", text.expose()),
    }
}

#[tokio::test]
async fn a_connection_is_read_back_with_its_secrets() {
    let house = House::new().await;
    let made = house.connect("prod", Mode::Push, "team").await.unwrap();
    assert_eq!((made.revision, made.started, made.paused), (1, false, false));
    let found = house.store.connection_by_name("prod").await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{made:?}"));
    assert_eq!(found.options.instance, house.store.instance().0.to_string());
    let secrets = house.store.connection_secrets(made.id).await.unwrap().unwrap();
    assert_eq!(shown(&secrets.credential), ("secret_id", "secret id of prod"));
    assert_eq!(secrets.client_key_pem.unwrap().expose(), "client key of prod");
    let taken = house.connect("prod", Mode::Pull, "else").await.unwrap_err();
    assert_eq!(taken.class(), ErrorClass::Exists);
}

#[tokio::test]
async fn two_connections_that_write_never_overlap() {
    let house = House::new().await;
    house.connect("prod", Mode::Push, "team/app").await.unwrap();
    for inside in ["team/app", "team", "team/app/sub", ""] {
        let refused = house.connect("other", Mode::Bidirectional, inside).await.unwrap_err();
        assert!(refused.to_string().contains("`prod` already writes at `secret/team/app`"), "{refused}");
    }
    house.connect("reader", Mode::Pull, "team").await.unwrap();
    let other = house.connect("other", Mode::Bidirectional, "team/app2").await.unwrap();
    let update = ConnectionUpdate { path: Some("team/app/x".to_owned()), ..ConnectionUpdate::default() };
    let refused = house.store.update_connection(&house.ann(), other.id, 1, update).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Refused);
}

#[tokio::test]
async fn a_namespace_and_the_beginning_of_a_mount_are_one_place() {
    let house = House::new().await;
    let connection = house.connect("prod", Mode::Push, "app").await.unwrap();
    let place = |namespace: Option<&str>, mount: &str| Connection {
        namespace: namespace.map(str::to_owned),
        mount: mount.to_owned(),
        ..connection.clone()
    };
    assert!(overlap(&place(Some("team"), "kv"), &place(None, "team/kv")));
    assert!(!overlap(&place(Some("team"), "kv"), &place(None, "kv")));
    assert!(!overlap(&place(None, "kv"), &Connection { address: "https://b:8200".to_owned(), ..place(None, "kv") }));
}

#[tokio::test]
async fn an_edit_is_guarded_and_says_what_changed() {
    let house = House::new().await;
    let made = house.connect("prod", Mode::Push, "team").await.unwrap();
    let update = || ConnectionUpdate {
        name: Some("live".to_owned()),
        paused: Some(true),
        client_key_pem: Some(None),
        ..ConnectionUpdate::default()
    };
    let edited = house.store.update_connection(&house.ann(), made.id, 1, update()).await.unwrap();
    assert_eq!((edited.name.as_str(), edited.paused, edited.revision), ("live", true, 2));
    assert!(house.store.connection_secrets(made.id).await.unwrap().unwrap().client_key_pem.is_none());
    let stale = house.store.update_connection(&house.ann(), made.id, 1, update()).await.unwrap_err();
    assert_eq!(stale.class(), ErrorClass::Stale);
    let nothing = ConnectionUpdate { name: Some("live".to_owned()), ..ConnectionUpdate::default() };
    let same = house.store.update_connection(&house.ann(), made.id, 2, nothing).await.unwrap();
    assert_eq!(same.revision, 2);
    let events = house.store.audit_events(&crate::AuditFilter::default(), &Page::default()).await.unwrap();
    let draft = &events.items.last().unwrap().entry.draft;
    assert_eq!(draft.action, AuditAction::HcvConnectionUpdated);
    assert_eq!(draft.detail["changed"], "name paused client_key_pem");
}

#[tokio::test]
async fn a_pause_changes_nothing_else_and_needs_no_revision() {
    let house = House::new().await;
    let made = house.connect("prod", Mode::Push, "team").await.unwrap();
    house.store.pause_connection(&house.ann(), made.id, true).await.unwrap();
    let update = ConnectionUpdate { name: Some("live".to_owned()), ..ConnectionUpdate::default() };
    house.store.update_connection(&house.ann(), made.id, 2, update).await.unwrap();
    house.store.pause_connection(&house.ann(), made.id, true).await.unwrap();
    let found = house.store.connection_by_name("live").await.unwrap().unwrap();
    assert_eq!((found.paused, found.revision), (true, 3), "what is paused already stays as it is");
    house.store.pause_connection(&house.ann(), made.id, false).await.unwrap();
    let found = house.store.connection_by_name("live").await.unwrap().unwrap();
    assert_eq!((found.paused, found.revision), (false, 4));
    let updated = house.audited().await.into_iter().filter(|action| *action == AuditAction::HcvConnectionUpdated);
    assert_eq!(updated.count(), 3);
}

#[tokio::test]
async fn another_scope_waits_for_a_persons_word_once_there_is_a_base() {
    let house = House::new().await;
    let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
    let to = |mount: &str| ConnectionUpdate { mount: Some(mount.to_owned()), ..ConnectionUpdate::default() };
    let fresh = house.store.update_connection(&house.ann(), made.id, 1, to("kv")).await.unwrap();
    assert!(!fresh.scope_changed, "nothing was in step yet");

    let run = house.begin(made.id, Trigger::Manual).await;
    house.import(&run, "a", json!({"x": 1})).await;
    let refused = house.store.update_connection(&house.ann(), made.id, 2, to("kv2")).await.unwrap_err();
    assert!(refused.to_string().starts_with("a run is in progress"), "{refused}");
    house.end(run, RunState::Succeeded).await;
    let edited = house.store.update_connection(&house.ann(), made.id, 2, to("kv2")).await.unwrap();
    assert!(edited.scope_changed);
    let update = ConnectionUpdate { name: Some("other".to_owned()), ..ConnectionUpdate::default() };
    let edited = house.store.update_connection(&house.ann(), made.id, 3, update).await.unwrap();
    assert!(edited.scope_changed, "another edit does not settle it");
}

#[tokio::test]
async fn a_rotated_credential_replaces_the_one_before() {
    let house = House::new().await;
    let made = house.connect("prod", Mode::Push, "team").await.unwrap();
    house.store.record_connection_test(&house.ann(), made.id, true, Some(NOW_US + 9)).await.unwrap();
    let token = Credential::WrappingToken(SecretText::new("wrapped".to_owned()));
    house.store.rotate_secret_id(&house.ann(), made.id, &token).await.unwrap();
    let secrets = house.store.connection_secrets(made.id).await.unwrap().unwrap();
    assert_eq!(shown(&secrets.credential), ("wrapping_token", "wrapped"));
    let summary = house.store.connection_summary(made.id).await.unwrap().unwrap();
    assert_eq!((summary.last_verified_us, summary.secret_id_expires_us), (Some(NOW_US), None));
}

#[tokio::test]
async fn a_credential_does_not_open_in_another_connection() {
    let house = House::new().await;
    let one = house.connect("one", Mode::Push, "one").await.unwrap();
    let two = house.connect("two", Mode::Push, "two").await.unwrap();
    let copy = "UPDATE connections SET (key_id, wrapped_key, ciphertext) =
                    (SELECT key_id, wrapped_key, ciphertext FROM connections WHERE id = $1)
                WHERE id = $2";
    let mut tx = house.store.db.write().await.unwrap();
    tx.run(copy, args![one.id, two.id]).await.unwrap();
    tx.commit().await.unwrap();
    let error = house.store.connection_secrets(two.id).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealing(_)), "{error}");
}

#[tokio::test]
async fn a_summary_tells_how_a_connection_stands() {
    let house = House::new().await;
    let made = house.connect("prod", Mode::Push, "team").await.unwrap();
    let run = house.begin(made.id, Trigger::Manual).await;
    let first = run.1.id;
    let summary = house.store.connection_summary(made.id).await.unwrap().unwrap();
    assert!(summary.running && summary.connection.started);
    house.end(run, RunState::Partial).await;
    let resolution = house.begin(made.id, Trigger::Resolution).await;
    house.end(resolution, RunState::Succeeded).await;
    let listed = house.store.connection_summaries(None, &Page::default()).await.unwrap().items;
    let last_run = listed[0].last_run.as_ref().unwrap();
    assert_eq!((last_run.id, last_run.state, listed[0].running), (first, RunState::Partial, false));
    let elsewhere = house.store.connection_summaries(Some(&[]), &Page::default()).await.unwrap().items;
    assert!(elsewhere.is_empty());
}

#[tokio::test]
async fn a_connection_is_deleted_with_its_base_but_not_its_records_and_never_during_a_run() {
    let house = House::new().await;
    let made = house.connect("prod", Mode::Pull, "team").await.unwrap();
    let run = house.begin(made.id, Trigger::Manual).await;
    let record = house.import(&run, "a", json!({"x": 1})).await;
    let refused = house.store.delete_connection(&house.ann(), made.id, None).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Refused);
    let run_id = run.1.id;
    house.end(run, RunState::Succeeded).await;
    let stale = house.store.delete_connection(&house.ann(), made.id, Some(2)).await.unwrap_err();
    assert_eq!(stale.class(), ErrorClass::Stale);
    house.store.delete_connection(&house.ann(), made.id, Some(1)).await.unwrap();
    assert!(house.store.connection(made.id).await.unwrap().is_none());
    assert!(house.store.run(run_id).await.unwrap().is_none());
    assert!(house.store.base(made.id).await.unwrap().is_empty());
    assert!(house.store.record(record).await.unwrap().unwrap().deleted_us.is_none());
}

#[tokio::test]
async fn a_record_tells_how_it_stands_with_each_connection() {
    let house = House::new().await;
    let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
    let run = house.begin(made.id, Trigger::Manual).await;
    let record = house.import(&run, "a", json!({"x": 1})).await;
    let new = house.save("b", json!({"x": 1})).await.unwrap();
    let state = async |id| {
        let sync = house.store.record(id).await.unwrap().unwrap().sync;
        (sync[0].connection_id, sync[0].state, sync[0].remote_version)
    };
    assert_eq!(state(new.id).await, (made.id, RecordSyncState::New, None));
    assert_eq!(state(record).await, (made.id, RecordSyncState::InStep, Some(7)));
    let patch = crate::RecordPatch { tags: Some(vec!["t".to_owned()]), ..crate::RecordPatch::default() };
    let revision = vaultterm_reconcile::Revision::FIRST;
    house.store.update_record(&house.ann(), record, revision, patch).await.unwrap();
    assert_eq!(state(record).await, (made.id, RecordSyncState::Changed, Some(7)));
}
