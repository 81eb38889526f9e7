//! Tests of rotations, also cut off at every statement, and beside another server.

use serde_json::json;
use vaultterm_ledger::AuditAction;
use vaultterm_sealing::{KeyPurpose, KeyState, RootKey};

use super::SealedRoot;
use crate::{
    StoreError,
    sql::args,
    testing::{House, cut_before_statement, reopened},
};

fn sealed(root: &RootKey) -> SealedRoot {
    let (binding, ciphertext) = ("context".to_owned(), format!("vault:v1:{}", root.id().0));
    SealedRoot { root_id: root.id(), binding, ciphertext, created_us: 1 }
}

#[tokio::test]
async fn after_a_rotation_of_the_root_key_the_new_one_opens_everything_and_the_old_one_nothing() {
    let mut house = House::new().await;
    let spots = house.gallery().await;
    let before = house.open_all(&spots).await.unwrap();
    let new = RootKey::generate();
    house.store.rotate_root_key(&house.ann(), &house.root, &new, Some(&sealed(&new))).await.unwrap();
    assert!(matches!(reopened(&house, &house.root).await, Err(StoreError::Sealing(_))));
    house.store = reopened(&house, &new).await.unwrap();
    assert_eq!(house.open_all(&spots).await.unwrap(), before);
    let status = house.store.keyring_status().await.unwrap();
    assert_eq!((status.root_id, status.sealed), (Some(new.id()), vec![sealed(&new)]));
    assert_eq!(
        house.audited().await[house.audited().await.len() - 2..],
        [AuditAction::KeySealed, AuditAction::KeyRotated]
    );
    let again = house.store.rotate_root_key(&house.ann(), &house.root, &new, None).await;
    assert!(matches!(again, Err(StoreError::Sealing(_))), "the old key is not the root key any more");
}

#[tokio::test]
async fn a_rotation_of_the_root_key_that_dies_anywhere_leaves_one_key_that_opens_everything() {
    let mut house = House::new().await;
    let spots = house.gallery().await;
    let before = house.open_all(&spots).await.unwrap();
    let (mut deaths, mut ended) = (0, 0);
    for statements in 0..500 {
        let new = RootKey::generate();
        let store = house.store.clone();
        let done = cut_before_statement(statements, async {
            store.rotate_root_key(&house.ann(), &house.root, &new, Some(&sealed(&new))).await.unwrap();
        })
        .await;
        let (old_opens, new_opens) = (reopened(&house, &house.root).await, reopened(&house, &new).await);
        assert!(old_opens.is_ok() != new_opens.is_ok(), "one of the two, whole, after {statements} statements");
        assert!(!done || new_opens.is_ok(), "what was answered is so");
        if let Ok(store) = new_opens {
            house.store = store;
            house.root = new;
        }
        assert_eq!(house.open_all(&spots).await.unwrap(), before, "after {statements} statements");
        (deaths, ended) = if done { (deaths, ended + 1) } else { (deaths + 1, ended) };
        if ended == 3 {
            break;
        }
    }
    assert!(deaths >= 8 && ended == 3, "it died {deaths} times and ended {ended} times");
}

#[tokio::test]
async fn a_rotation_of_the_record_key_moves_everything_and_forgets_the_old_key() {
    let mut house = House::new().await;
    let spots = house.gallery().await;
    let before = house.open_all(&spots).await.unwrap();
    house.store.rotate_record_key(&house.ann(), &house.root).await.unwrap();
    assert_eq!(house.open_all(&spots).await.unwrap(), before, "while it goes on everything opens");
    let status = house.store.keyring_status().await.unwrap();
    assert_eq!(status.rewrap_pending, house.counted().await);
    let early = house.store.rotate_record_key(&house.ann(), &house.root).await.unwrap_err();
    assert!(early.to_string().contains("has not ended yet"), "{early}");
    let mut batches = 0;
    while !house.store.rewrap_some(&house.ann(), 3).await.unwrap() {
        batches += 1;
        assert_eq!(house.open_all(&spots).await.unwrap(), before, "after batch {batches}");
    }
    assert!(batches >= 4, "{batches}");
    let status = house.store.keyring_status().await.unwrap();
    let records: Vec<_> = status.keys.iter().filter(|key| key.purpose == KeyPurpose::Record).collect();
    assert_eq!((records.len(), records[0].generation, records[0].state), (1, 2, KeyState::Active));
    house.store = reopened(&house, &house.root).await.unwrap();
    assert_eq!(house.open_all(&spots).await.unwrap(), before);
}

#[tokio::test]
async fn a_rotation_of_the_record_key_that_dies_anywhere_goes_on_where_it_was() {
    let mut house = House::new().await;
    let spots = house.gallery().await;
    let before = house.open_all(&spots).await.unwrap();
    let (mut deaths, mut ended) = (0, 0);
    for statements in 0..2_000 {
        let store = house.store.clone();
        let done = cut_before_statement(statements, async {
            let status = store.keyring_status().await.unwrap();
            if !status.keys.iter().any(|key| key.state == KeyState::DecryptOnly) {
                store.rotate_record_key(&house.ann(), &house.root).await.unwrap();
            }
            while !store.rewrap_some(&house.ann(), 7).await.unwrap() {}
        })
        .await;
        house.store = reopened(&house, &house.root).await.unwrap();
        assert_eq!(house.open_all(&spots).await.unwrap(), before, "after {statements} statements");
        (deaths, ended) = if done { (deaths, ended + 1) } else { (deaths + 1, ended) };
        if ended == 3 {
            break;
        }
    }
    assert!(deaths >= 20 && ended == 3, "it died {deaths} times and ended {ended} times");
}

impl House {
    /// Returns the number of sealed messages.
    async fn counted(&self) -> u64 {
        let mut counted = 0;
        for columns in &super::SEALED_COLUMNS {
            let (table, prefix) = (columns.table, columns.prefix);
            let sql = format!("SELECT COUNT({prefix}ciphertext) AS n FROM {table}");
            counted += self.store.db.one(&sql, args![]).await.unwrap().unwrap().count("n").unwrap();
        }
        counted
    }
}

/// Another server on the same database.
async fn beside(house: &House) -> crate::Store {
    reopened(house, &house.root).await.unwrap()
}

async fn shown(store: &crate::Store, id: vaultterm_reconcile::RecordId) -> Result<Vec<u8>, StoreError> {
    let shown = store.reveal_record(&crate::testing::somebody(), id, None, None, None, crate::Proving::Fresh).await?;
    Ok(shown.to_json().expose().to_vec())
}

#[tokio::test]
async fn an_announced_key_is_known_before_it_seals_and_is_used_by_the_next_rotation() {
    let house = House::new().await;
    let other = beside(&house).await;
    let generation = house.store.announce_record_key(&house.root).await.unwrap();
    assert_eq!(house.store.announce_record_key(&house.root).await.unwrap(), generation, "one key is announced once");
    let keys = house.store.keyring_status().await.unwrap().keys;
    let records: Vec<_> = keys.iter().filter(|key| key.purpose == KeyPurpose::Record).collect();
    assert_eq!(records.iter().map(|key| key.state).collect::<Vec<_>>(), [KeyState::Active, KeyState::DecryptOnly]);
    let announced = records[1].id;
    assert!(house.store.rewrap_some(&house.ann(), 10).await.unwrap(), "an announced key is not a retired one");
    assert_eq!(other.renew_keyring().await.unwrap(), generation);
    assert_eq!(other.keyring_generation(), generation);
    assert!(other.keyring().has_record_key(announced));
    house.store.rotate_record_key(&house.ann(), &house.root).await.unwrap();
    let record = house.save("a", json!({"x": 1})).await.unwrap();
    assert_eq!(shown(&other, record.id).await.unwrap(), br#"{"x":1}"#, "the other server knew the key already");
    let keys = house.store.keyring_status().await.unwrap().keys;
    let active = keys.iter().find(|key| key.purpose == KeyPurpose::Record && key.state == KeyState::Active).unwrap();
    assert_eq!(active.id, announced);
    assert!(matches!(house.store.announce_record_key(&house.root).await, Err(StoreError::Rotating)));
}

#[tokio::test]
async fn a_server_that_slept_through_a_rotation_seals_with_the_new_key_and_opens_what_it_sealed() {
    let house = House::new().await;
    let other = beside(&house).await;
    let (_, token) = crate::testing::login(&house).await;
    let record = house.save("a", json!({"x": 1})).await.unwrap();
    house.store.rotate_record_key(&house.ann(), &house.root).await.unwrap();
    while !house.store.rewrap_some(&house.ann(), 10).await.unwrap() {}
    assert!(shown(&other, record.id).await.is_err(), "it knows nothing of the new key yet");
    // A request begins with the token, and learns the keys.
    other.authenticate(token.expose(), house.ann().now_us).await.unwrap().expect("the token holds");
    assert_eq!(shown(&other, record.id).await.unwrap(), br#"{"x":1}"#);
    // A change by the server itself begins with no token.
    let third = beside(&house).await;
    house.store.rotate_record_key(&house.ann(), &house.root).await.unwrap();
    let made =
        third.create_record(&house.ann(), house.collection, crate::testing::new_record("b", json!({"y": 2}))).await;
    assert_eq!(shown(&third, made.unwrap().id).await.unwrap(), br#"{"y":2}"#);
}

#[tokio::test]
async fn a_server_signs_with_the_audit_key_that_another_one_made() {
    let house = House::new().await;
    let other = beside(&house).await;
    house.store.rotate_audit_key(&house.ann(), &house.root).await.unwrap();
    house.save("a", json!({"x": 1})).await.unwrap();
    let signed = other.checkpoint().await.unwrap().expect("there is something to sign");
    assert_eq!(signed.key_id, house.store.keyring().signer().key_id());
    assert_eq!(other.verify_audit().await.unwrap().broken, None);
}

#[tokio::test]
async fn a_server_takes_the_root_key_that_another_one_made() {
    let house = House::new().await;
    let other = beside(&house).await;
    let new = RootKey::generate();
    house.store.rotate_root_key(&house.ann(), &house.root, &new, None).await.unwrap();
    assert!(matches!(other.renew_keyring().await, Err(StoreError::Sealing(_))));
    let record = house.save("a", json!({"x": 1})).await.unwrap();
    assert_eq!(shown(&other, record.id).await.unwrap(), br#"{"x":1}"#, "what it knows stays usable");
    other.take_root(&new).await.unwrap();
    house.store.rotate_record_key(&house.ann(), &new).await.unwrap();
    other.renew_keyring().await.unwrap();
    let record = house.save("b", json!({"x": 2})).await.unwrap();
    assert_eq!(shown(&other, record.id).await.unwrap(), br#"{"x":2}"#);
}
